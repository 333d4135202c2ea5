"""What every target function is: a strict value that makes y out of x."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from contracts.problems import INVALID_REQUEST
from datasets.fields import Model, require_room

Float = NDArray[np.float64]


class TargetModel(Model, ABC):
    """A function f*: x (n×d, images flattened) → y (n×k). A new one is an entry in `datasets.targets.Targets`."""

    least: ClassVar[int] = 1
    """the smallest input dimension d that it is defined for"""
    most: ClassVar[int | None] = None

    def outputs(self) -> int:
        """k, the number of columns of y."""
        return 1

    @abstractmethod
    def values(self, x: Float) -> Float:
        """y, n×k."""

    def build(self, x: Float, limit: int) -> Float:
        """y for the points x; raises ProblemError below /targets where x has another dimension or y no room."""
        flat = x.reshape(len(x), -1)
        d = flat.shape[1]
        if d < self.least or (self.most is not None and d > self.most):
            wanted = f"{self.least}" if self.least == self.most else f"at least {self.least}"
            raise INVALID_REQUEST.error(f"this target needs inputs of dimension {wanted}, not {d}", "/targets/type")
        require_room(len(x), self.outputs(), limit, "/targets")
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused with the request
            return self.values(flat)
