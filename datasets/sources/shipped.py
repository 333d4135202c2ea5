"""Digits that installed packages ship as csv: a row an image, its pixels and then its label."""

import gzip
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from contracts.problems import INVALID_REQUEST
from datasets.sources.images import Images


def shipped(module: str, distribution: str, file: str, side: int) -> Images:
    """The side×side images in `file` of the installed `module`, which is found but never imported (that takes seconds).

    Raises ProblemError (INVALID_REQUEST, /source/type) where the package is not installed or does not have the file.
    """
    spec = find_spec(module)
    folders = spec.submodule_search_locations if spec is not None else None
    path = next((at for at in (Path(folder) / file for folder in folders or ()) if at.is_file()), None)
    if path is None:
        detail = f"this service has no such images: {distribution} is not installed where it runs"
        raise INVALID_REQUEST.error(detail, "/source/type")
    with gzip.open(path, "rt") as text:
        values = np.fromstring(text.read().replace("\n", ","), dtype=np.uint8, sep=",")
    table = values.reshape(-1, side * side + 1)
    pixels, labels = table[:, :-1].reshape(-1, side, side), table[:, -1].astype(np.int64)
    return Images(pixels, labels, f"{distribution} {version(distribution)}")
