"""What every source is: a strict value that draws points."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from contracts.settings import Settings
from datasets.fields import Model
from datasets.labels import Classes

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """The points of a source: x is n×d or n×h×w×c float64; labels, where there are any, n integers."""

    x: Float
    provenance: str
    labels: NDArray[np.int64] | None = None
    classes: Classes | None = None


class SourceModel(Model, ABC):
    """A generator or a built-in set. A new one is a file beside this one and its name in `datasets.sources.Source`."""

    labelled: ClassVar[bool] = False

    @abstractmethod
    def arrays(self, settings: Settings) -> Drawn:
        """The points; raises ProblemError with a pointer below /source where they cannot be had."""
