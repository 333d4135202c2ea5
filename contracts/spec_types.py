"""Field types that several specs share."""

from itertools import pairwise
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, PlainSerializer, Strict

from ntk_engine.architecture import Architecture, canonical, simplified

Number = TypeVar("Number", int, float)


def by_name(value: object) -> object:
    """A name stands for what has it as its type, as that is by default."""
    return {"type": value} if isinstance(value, str) else value


def rising(values: list[Number]) -> list[Number]:
    """They themselves; raises ValueError where they do not rise."""
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError("these numbers must rise, and each be there once")
    return values


# A network in the limit of infinite width, in the form in which such are compared.
LimitNetwork = Annotated[
    Architecture,
    AfterValidator(lambda network: simplified(network, finite=False)),
    PlainSerializer(lambda network: canonical(network, finite=False)),
]
DType = Literal["float64", "float32"]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="equal seeds draw equal networks")]
DatasetId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{32}$",
        description="id of a dataset, as POST /v1/datasets gives it",
        examples=["5f0c1d9e8b7a4f6350c1d9e8b7a4f635"],
    ),
]
ArrayName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,100}$", description="name of an array", examples=["ntk"])]
# JSON has no UUIDs: a string that spells one is meant.
JobId = Annotated[UUID, Strict(False), Field(description="id of a job")]
