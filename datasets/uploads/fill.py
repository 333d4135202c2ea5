"""Reading as many bytes as a header declares, and no fewer."""

from math import prod
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from datasets.uploads.layout import Layout
from datasets.uploads.refusals import unreadable

CHUNK = 2**20


def fill(reader: BinaryIO, size: int, layout: Layout) -> NDArray[np.uint8]:
    """Exactly `size` bytes; raises ProblemError where the file ends before."""
    buffer = np.empty(size, dtype=np.uint8)
    view, done = buffer.data, 0
    while done < size:
        count = reader.readinto(view[done : done + CHUNK])  # type: ignore[attr-defined]
        if not count:
            detail = (
                f"the file ends before the {prod(layout.shape):,} values that its header declares for {layout.name}"
            )
            raise unreadable(detail, layout.pointer)
        done += count
    return buffer
