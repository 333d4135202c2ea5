"""From pydantic's errors to pointers and sentences."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.faults import faults


class Circle(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["circle"]
    points: Annotated[int, Field(ge=1)]


class Square(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["square"]
    side: float


class Figure(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    shape: Annotated[Circle | Square, Field(discriminator="type")]
    others: list[Annotated[Circle | Square, Field(discriminator="type")]] = []
    size: int | list[int] = 1


def said(body: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Figure.model_validate(body)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]
    return [(fault.pointer, fault.detail) for fault in faults(errors, body)]


@pytest.mark.parametrize(
    ("shape", "pointer", "detail"),
    [
        ({"type": "circle"}, "/shape/points", "points is missing"),
        ({"type": "circle", "points": 0}, "/shape/points", "points must be at least 1, not 0"),
        ({"type": "circle", "points": "3"}, "/shape/points", 'points must be an integer, not "3"'),
        ({"type": "square", "side": 1.0, "points": 1}, "/shape/points", "points is not a field here"),
        # The union's tag and a field of the same name are told apart.
        ({"type": "circle", "points": 1, "circle": 2}, "/shape/circle", "circle is not a field here"),
        ({"type": "line"}, "/shape/type", "the type of shape must be one of 'circle', 'square', not \"line\""),
        ({}, "/shape/type", "shape needs a type"),
    ],
)
def test_tags_of_unions_are_no_part_of_the_pointer(shape: dict[str, Any], pointer: str, detail: str) -> None:
    assert said({"shape": shape}) == [(pointer, detail)]


def test_entries_of_lists_are_counted() -> None:
    good = {"type": "circle", "points": 1}
    assert said({"shape": good, "others": [good, {"type": "square", "side": "x"}]}) == [
        ("/others/1/side", 'side must be a number, not "x"')
    ]


def test_members_of_plain_unions_are_no_part_of_the_pointer() -> None:
    assert {pointer for pointer, _ in said({"shape": {"type": "circle", "points": 1}, "size": "x"})} == {"/size"}


def test_long_values_are_not_repeated() -> None:
    assert said({"shape": {"type": "circle", "points": "x" * 100}}) == [("/shape/points", "points must be an integer")]
