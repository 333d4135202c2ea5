"""Local arrays as files to send."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from client.transport import Upload

# Larger arrays are written to disk before they are sent, so that they are not in memory twice.
IN_MEMORY = 2**23


@contextmanager
def as_upload(x: ArrayLike, y: ArrayLike | None = None) -> Iterator[Upload]:
    """x alone as .npy, x and y as .npz. Raises TypeError for arrays that hold something else than numbers."""
    arrays = [_numbers(x, "x")] if y is None else [_numbers(x, "x"), _numbers(y, "y")]
    small = sum(array.nbytes for array in arrays) <= IN_MEMORY
    with BytesIO() if small else tempfile.TemporaryFile() as file:
        if y is None:
            np.save(file, arrays[0], allow_pickle=False)
        else:
            np.savez(file, x=arrays[0], y=arrays[1])
        yield Upload("x.npy" if y is None else "data.npz", _rewound(file))


def _numbers(values: ArrayLike, name: str) -> np.ndarray:
    array = np.ascontiguousarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    return array


def _rewound(file: BinaryIO) -> BinaryIO:
    file.flush()  # what is counted for the content-length is the file on disk
    file.seek(0)
    return file
