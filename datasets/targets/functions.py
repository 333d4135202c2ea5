"""Named functions of the input's coordinates; each `type` is the formula itself."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from datasets.targets.target import Float, TargetModel

Frequency = Annotated[int, Field(ge=1, le=1_000_000)]


class First(TargetModel):
    """x_1."""

    type: Literal["x1"]

    def values(self, x: Float) -> Float:
        return x[:, :1]


class Product(TargetModel):
    """x_1 x_2, the goal f* of the paper's Figure 1."""

    type: Literal["x1*x2"]
    least: ClassVar[int] = 2

    def values(self, x: Float) -> Float:
        return x[:, :1] * x[:, 1:2]


class Square(TargetModel):
    """x_1²."""

    type: Literal["x1^2"]

    def values(self, x: Float) -> Float:
        return np.square(x[:, :1])


class Norm(TargetModel):
    """The Euclidean norm |x|."""

    type: Literal["norm"]

    def values(self, x: Float) -> Float:
        norms: Float = np.linalg.norm(x, axis=1, keepdims=True)
        return norms


class Sign(TargetModel):
    """The sign of x_1: −1, 0 or 1."""

    type: Literal["sign(x1)"]

    def values(self, x: Float) -> Float:
        return np.sign(x[:, :1])


class Sine(TargetModel):
    """sin(kγ) of the angle γ of a point in the plane: with cos(kγ), the eigenfunctions on the circle."""

    type: Literal["sin(k*angle)"]
    k: Frequency = 1
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def values(self, x: Float) -> Float:
        return np.sin(self.k * _angle(x))


class Cosine(TargetModel):
    """cos(kγ) of the angle γ of a point in the plane."""

    type: Literal["cos(k*angle)"]
    k: Frequency = 1
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def values(self, x: Float) -> Float:
        return np.cos(self.k * _angle(x))


class Constant(TargetModel):
    """The same value everywhere."""

    type: Literal["constant"]
    value: float

    def values(self, x: Float) -> Float:
        return np.full((len(x), 1), self.value)


def _angle(x: Float) -> Float:
    return np.arctan2(x[:, 1:2], x[:, :1])
