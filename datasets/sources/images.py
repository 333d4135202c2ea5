"""What the built-in sets of digits share: a selection, a scaling, labels."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contracts.settings import Settings
from datasets.fields import require_room
from datasets.labels import Classes
from datasets.sources.scaling import SCALES, Scale
from datasets.sources.selection import Selection
from datasets.sources.source import Drawn, SourceModel

DIGITS = tuple(range(10))


@dataclass(frozen=True)
class Images:
    """All images of a set: pixels n×h×w bytes, n labels, and where they come from."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    provenance: str


class DigitImages(Selection, SourceModel):
    """Images of handwritten digits: x is n×h×w×1."""

    labelled: ClassVar[bool] = True
    top: ClassVar[int]
    """the largest value that a pixel takes"""

    scale: Scale = Field(
        "unit",
        description="`unit`: pixels/255 (digits: /16); `raw`: as stored; `centered`: unit minus the mean of the "
        "selected pixels; `standard`: that over their standard deviation; `image_standard`: each image to mean 0 and "
        "variance 1",
    )

    @abstractmethod
    def load(self, settings: Settings) -> Images:
        """The whole set that is selected from."""

    def arrays(self, settings: Settings) -> Drawn:
        images = self.load(settings)
        at = self.pick(images.labels)
        _, height, width = images.pixels.shape
        require_room(len(at), height * width, settings.max_upload_bytes, "/source")
        x = SCALES[self.scale](images.pixels[at, :, :, None].astype(np.float64), self.top)
        chosen = tuple(sorted(self.classes)) if self.classes is not None else DIGITS
        return Drawn(x, images.provenance, images.labels[at], Classes(DIGITS, chosen))
