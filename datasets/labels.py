"""Label encodings by name: how integer labels become targets y (n×k float64)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from contracts.problems import INVALID_REQUEST
from datasets.fields import Model

Labels = NDArray[np.int64]
Targets = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """`known`: every class there is, rising (always ten for digits); `chosen`: those that were asked for."""

    known: tuple[int, ...]
    chosen: tuple[int, ...]


class EncodingModel(Model, ABC):
    """An encoding; `columns` is the k of the n×k array that `encode` makes out of n labels."""

    def check(self, classes: Classes) -> None:
        """Refuse (INVALID_REQUEST, below /labels) classes that this encoding has no room for."""

    @abstractmethod
    def columns(self, classes: Classes) -> int: ...

    @abstractmethod
    def encode(self, labels: Labels, classes: Classes) -> Targets: ...


class OneHot(EncodingModel):
    """A column for each known class, in rising order: 1 in the label's column, 0 elsewhere."""

    type: Literal["one_hot"]

    def columns(self, classes: Classes) -> int:
        return len(classes.known)

    def encode(self, labels: Labels, classes: Classes) -> Targets:
        return np.where(_hot(labels, classes), 1.0, 0.0)


class OneHotCentered(EncodingModel):
    """One-hot minus 1/k, k the number of known classes: for digits 0.9 and −0.1 (Lee et al. 2018)."""

    type: Literal["one_hot_centered"]

    def columns(self, classes: Classes) -> int:
        return len(classes.known)

    def encode(self, labels: Labels, classes: Classes) -> Targets:
        # Both values are rounded once, so that 0.9 is 0.9 and not 1 − 0.1 − ε.
        k = len(classes.known)
        return np.where(_hot(labels, classes), (k - 1) / k, -1 / k)


class PlusMinusOne(EncodingModel):
    """One column: +1 for the classes in `positive`, −1 for the others; of two chosen classes, the larger is +1."""

    type: Literal["plus_minus_one"]
    positive: Annotated[list[int], Field(min_length=1)] | None = Field(None, examples=[[5, 6, 7, 8, 9]])

    def check(self, classes: Classes) -> None:
        if self.positive is None and len(classes.chosen) != 2:
            detail = (
                f"plus_minus_one needs two classes or a list `positive`, and there are {len(classes.chosen)} classes"
            )
            raise INVALID_REQUEST.error(detail, "/labels")
        for at, label in enumerate(self.positive or []):
            if label not in classes.known:
                raise INVALID_REQUEST.error(f"{label} is not one of the classes", f"/labels/positive/{at}")

    def columns(self, classes: Classes) -> int:  # noqa: ARG002
        return 1

    def encode(self, labels: Labels, classes: Classes) -> Targets:
        positive = self.positive if self.positive is not None else [max(classes.chosen)]
        return np.where(np.isin(labels, positive), 1.0, -1.0)[:, None]


class Index(EncodingModel):
    """One column: the position of the label among the known classes, from 0; of a digit, the digit itself."""

    type: Literal["index"]

    def columns(self, classes: Classes) -> int:  # noqa: ARG002
        return 1

    def encode(self, labels: Labels, classes: Classes) -> Targets:
        return np.searchsorted(np.array(classes.known), labels).astype(np.float64)[:, None]


def _hot(labels: Labels, classes: Classes) -> NDArray[np.bool_]:
    """Where the ones of a one-hot encoding stand, n×k."""
    hot: NDArray[np.bool_] = np.equal.outer(labels, np.array(classes.known))
    return hot


Name = Literal["one_hot", "one_hot_centered", "plus_minus_one", "index"]
AnyEncoding = Annotated[OneHot | OneHotCentered | PlusMinusOne | Index, Field(discriminator="type")]


def _by_name(given: Any) -> Any:
    """`"one_hot"` is short for `{"type": "one_hot"}`, and `"none"` for null."""
    if given == "none":
        return None
    return {"type": given} if isinstance(given, str) else given


Encoding = Annotated[
    AnyEncoding | None, BeforeValidator(_by_name, json_schema_input_type=Name | Literal["none"] | AnyEncoding | None)
]
"""The field of a request: the name of an encoding, or an object with its `type` and parameters."""
