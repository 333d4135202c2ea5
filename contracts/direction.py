"""A training direction that is given, where no cost gives it (Theorem 2; Section 4.2)."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from contracts.kinds import Asked

MOST_STARTS = 10_000


class Direction(Asked):
    """No cost: d_t itself is given, as targets, of which there is a block of k columns for each of `starts`.

    "constant": each d holds from its start until the next one's, the last for good. "linear": d_t is linear between
    them, and not known after the last.
    """

    type: Literal["direction"] = "direction"
    starts: list[Annotated[float, Field(ge=0)]] = Field(
        [0.0], min_length=1, max_length=MOST_STARTS, description="times, 0 first"
    )
    between: Literal["constant", "linear"] = "constant"

    @field_validator("starts")
    @classmethod
    def _rising(cls, starts: list[float]) -> list[float]:
        if starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise ValueError("starts are the times from which directions hold: 0 first, then rising")
        return starts

    def outputs(self, columns: int) -> int:
        """The columns of one direction. Raises ValueError where there is not one for each start."""
        if columns % len(self.starts):
            raise ValueError(f"targets of {columns} columns are not {len(self.starts)} directions of equal width")
        return columns // len(self.starts)
