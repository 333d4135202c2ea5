"""Targets that are no function of x: drawn at random, or written into the request."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from contracts.problems import INVALID_REQUEST
from datasets.fields import Dimension, Row, Seed, require_even
from datasets.targets.target import Float, TargetModel


class Noise(TargetModel):
    """Independent N(0, 1) values, k = `outputs` columns."""

    type: Literal["gaussian"]
    columns: Dimension = Field(1, alias="outputs")
    seed: Seed = 0

    def outputs(self) -> int:
        return self.columns

    def values(self, x: Float) -> Float:
        # A stream of its own: noise of seed 0 is independent of points of seed 0.
        stream = np.random.SeedSequence(self.seed, spawn_key=(1,))
        return np.random.Generator(np.random.PCG64(stream)).standard_normal((len(x), self.columns))


class InlineTargets(TargetModel):
    """The rows of y (n×k) as they are."""

    type: Literal["inline"]
    y: Annotated[list[Row], Field(min_length=1, examples=[[[1.0], [-1.0]]])]

    @field_validator("y")
    @classmethod
    def _even(cls, y: list[list[float]]) -> list[list[float]]:
        return require_even(y)

    def outputs(self) -> int:
        return len(self.y[0])

    def values(self, x: Float) -> Float:
        if len(self.y) != len(x):
            detail = f"y holds {len(self.y):,} rows, and x {len(x):,}"
            raise INVALID_REQUEST.error(detail, "/targets/y")
        return np.array(self.y, dtype=np.float64)
