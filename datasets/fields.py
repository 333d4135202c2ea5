"""What the fields of every dataset request have in common: strict models, shared number types, the size limit."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from contracts.problems import TOO_LARGE

MAX_ROW = 2**20
"""Most numbers in one row; a row block holds whole rows, so this bounds the memory that streaming takes."""

Count = Annotated[int, Field(ge=1)]
Dimension = Annotated[int, Field(ge=1, le=MAX_ROW)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Row = Annotated[list[float], Field(min_length=1, max_length=MAX_ROW)]


class Model(BaseModel):
    """A frozen value; unknown fields, strings for numbers, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def fault(sentence: str) -> PydanticCustomError:
    """The error a field validator raises, so that its sentence reaches the user as it is written."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def require_room(rows: int, columns: int, limit: int, pointer: str) -> None:
    """Refuse, before anything is allocated, an array of rows×columns float64 that exceeds `limit` bytes.

    Raises ProblemError (TOO_LARGE) that names the field at `pointer`.
    """
    size = rows * columns * 8
    if size > limit:
        detail = f"{rows:,} rows of {columns:,} numbers take {size:,} bytes, and a dataset may take {limit:,}"
        raise TOO_LARGE.error(detail, pointer, figures={"bytes": size, "limit": limit})


def require_even(rows: list[list[float]]) -> list[list[float]]:
    """Refuse rows of unequal length, and say which differs from the first."""
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise fault(f"row {number} holds {len(row)} numbers and row 0 holds {len(rows[0])}")
    return rows
