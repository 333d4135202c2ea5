"""MNIST's four IDX files in a folder of the operator's, plain or gzipped, under either of their usual names."""

from pathlib import Path

import numpy as np

from contracts.problems import INVALID_REQUEST, ProblemError
from datasets.sources.images import Images
from datasets.uploads.idx import read_whole

PREFIX = {"train": "train", "test": "t10k"}


def read_split(folder: Path, split: str) -> Images:
    """The images and labels of `train` or `test`.

    Raises ProblemError (INVALID_REQUEST, /source/split) that says which file is missing or broken.
    """
    images = _find(folder, f"{PREFIX[split]}-images", "idx3-ubyte")
    labels = _find(folder, f"{PREFIX[split]}-labels", "idx1-ubyte")
    pixels, digits = _read(images, 3), _read(labels, 1)
    if len(pixels) != len(digits):
        raise _refusal(f"{images.name} holds {len(pixels):,} images, and {labels.name} {len(digits):,} labels")
    if digits.max() > 9:
        raise _refusal(f"{labels.name} holds labels that are not digits")
    return Images(pixels, digits.astype(np.int64), f"IDX files: {images.name}, {len(pixels):,} digits")


def _find(folder: Path, stem: str, kind: str) -> Path:
    for name in (f"{stem}-{kind}", f"{stem}.{kind}"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise _refusal(f"the folder NTKD_MNIST_DIR of this service has no {stem}-{kind}, nor {stem}-{kind}.gz")


def _read(path: Path, axes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        with path.open("rb") as file:
            array = read_whole(file)
    except (ProblemError, OSError) as error:
        raise _refusal(f"{path.name}, in this service's NTKD_MNIST_DIR, cannot be read: {error}") from error
    if array.ndim != axes or array.dtype != np.uint8:
        raise _refusal(f"{path.name} does not hold bytes along {axes} axes")
    return array


def _refusal(detail: str) -> ProblemError:
    return INVALID_REQUEST.error(detail, "/source/split")
