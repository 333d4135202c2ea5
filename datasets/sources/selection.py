"""Which images of a built-in set: a prefix, a range, so many of each class, or a seeded sample."""

from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator, model_validator

from contracts.problems import INVALID_REQUEST
from datasets.fields import Count, Model, Seed, fault

Index = Annotated[int, Field(ge=0)]
Digit = Annotated[int, Field(ge=0, le=9)]
WAYS = ("first", "range", "per_class", "sample")


class Selection(Model):
    """Exactly one of `first`, `range`, `per_class`, `sample`; they count among the images of `classes`."""

    first: Count | None = Field(None, description="the first n", examples=[512])
    range: Annotated[list[Index], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[a, b]: those from a up to, not including, b, counted from 0"
    )
    per_class: Count | None = Field(None, description="the first n of each class, in the set's order")
    sample: Count | None = Field(None, description="n different ones drawn with `seed`; smaller n is a prefix")
    seed: Seed = Field(0, description="of `sample`")
    classes: Annotated[list[Digit], Field(min_length=1)] | None = Field(
        None, description="only these digits; unset: all ten"
    )

    @field_validator(*WAYS[1:])
    @classmethod
    def _only_one(cls, value: Any, info: ValidationInfo) -> Any:
        other = next((way for way in WAYS if info.data.get(way) is not None), None)
        if value is not None and other is not None:
            raise fault(f"{info.field_name} and {other} exclude each other")
        return value

    @field_validator("range")
    @classmethod
    def _rising(cls, given: list[int] | None) -> list[int] | None:
        if given is not None and given[0] >= given[1]:
            raise fault("a range [a, b] needs a < b")
        return given

    @field_validator("seed")
    @classmethod
    def _seed_is_of_sample(cls, seed: int, info: ValidationInfo) -> int:
        if "sample" in info.data and info.data["sample"] is None:
            raise fault("a seed goes with sample")
        return seed

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: list[int] | None) -> list[int] | None:
        if classes is not None and len(set(classes)) < len(classes):
            raise fault("classes must differ")
        return classes

    @model_validator(mode="after")
    def _one(self) -> Self:
        if all(getattr(self, way) is None for way in WAYS):
            raise fault("say which images: one of first, range, per_class or sample")
        return self

    def pick(self, labels: NDArray[np.int64]) -> NDArray[np.intp]:
        """The positions of the images asked for, in their order; raises INVALID_REQUEST where there are too few."""
        among = np.flatnonzero(np.isin(labels, self.classes)) if self.classes is not None else np.arange(len(labels))
        if self.per_class is not None:
            return self._of_each(labels, among, self.per_class)
        if self.sample is not None:
            _require(self.sample, len(among), "/source/sample")
            order = np.random.Generator(np.random.PCG64(self.seed)).permutation(len(among))
            return among[order[: self.sample]]
        start, stop = self.range or [0, self.first or 0]
        _require(stop, len(among), "/source/range/1" if self.range else "/source/first")
        return among[start:stop]

    def _of_each(self, labels: NDArray[np.int64], among: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        chosen = []
        for label in self.classes or np.unique(labels).tolist():
            members = among[labels[among] == label]
            _require(count, len(members), "/source/per_class", f" of class {label}")
            chosen.append(members[:count])
        return np.sort(np.concatenate(chosen))


def _require(wanted: int, available: int, pointer: str, which: str = "") -> None:
    if wanted > available:
        detail = f"{wanted:,} images{which} were asked for, and there are {available:,}"
        raise INVALID_REQUEST.error(detail, pointer)
