"""scikit-learn's small digits: 1,797 images of 8×8 with 17 levels of grey."""

from typing import ClassVar, Literal

from contracts.settings import Settings
from datasets.sources.images import DigitImages, Images
from datasets.sources.shipped import shipped


class Digits(DigitImages):
    """The UCI optical digits' test set as scikit-learn ships it, in its order: x is n×8×8×1."""

    type: Literal["digits"]
    top: ClassVar[int] = 16

    def load(self, settings: Settings) -> Images:  # noqa: ARG002
        images = shipped("sklearn", "scikit-learn", "datasets/data/digits.csv.gz", 8)
        return Images(images.pixels, images.labels, f"{images.provenance}: {len(images.labels):,} digits")
