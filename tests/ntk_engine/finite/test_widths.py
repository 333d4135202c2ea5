"""Numbers of neurons: what is named, what is added or multiplied, proportions, and one width for the rest."""

from typing import Any

import pytest

from ntk_engine.architecture import ArchitectureError, mlp, parse
from ntk_engine.widths import fans
from tests.ntk_engine.finite.cases import parallel


def dense(width: int) -> dict[str, Any]:
    return {"type": "dense", "width": width}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (["dense", "relu", "dense"], [(5, 100), (100, 1)]),
        (["dense", "relu", dense(7)], [(5, 100), (100, 7)]),
        ([dense(9), "relu", "dense", "relu", "dense"], [(5, 9), (9, 100), (100, 1)]),
        (["dense", "relu"], [(5, 100)]),
        (["dense", {"type": "residual", "layers": ["relu", dense(30)]}, "relu", "dense"], [(5, 30), (30, 30), (30, 1)]),
        (["dense", {"type": "residual", "layers": ["relu", "dense"]}], [(5, 100), (100, 100)]),
        (["dense", parallel("concatenate", ["relu"], []), "dense"], [(5, 100), (200, 1)]),
        (["dense", parallel("concatenate", ["dense"], ["dense"], weights=[1, 3])], [(5, 100), (100, 33), (100, 99)]),
        (["dense", parallel("concatenate", [], ["dense"], weights=[1, 3]), "dense"], [(5, 33), (33, 99), (132, 1)]),
        (["dense", parallel("concatenate", ["dense"], ["dense"], weights=[1, 300])], [(5, 100), (100, 1), (100, 300)]),
        (["dense", parallel("concatenate", [dense(4)], [dense(6)]), "dense"], [(5, 100), (100, 4), (100, 6), (10, 1)]),
    ],
)  # fmt: skip
def test_widths(network: list[Any], expected: list[tuple[int, int]]) -> None:
    assert [(fan.inputs, fan.outputs) for fan in fans(parse(network), 5, width=100)] == expected


def test_a_sum_with_what_lies_side_by_side_is_as_wide_as_that() -> None:
    beside = [parallel("concatenate", ["dense"], ["dense"], weights=[2, 3])]
    found = fans(parse(["dense", parallel("sum", ["relu", *beside], ["dense"]), "dense"]), 5, width=100)
    assert sorted(fan.outputs for fan in found) == [1, 40, 60, 100, 100]


def test_the_outputs_are_those_that_are_asked_for() -> None:
    assert [fan.outputs for fan in fans(mlp(3, width=8), 2, 4)] == [8, 8, 4]
    skip = parse(["dense", {"type": "residual", "layers": ["relu", "dense"]}])
    assert [fan.outputs for fan in fans(skip, 2, 4, width=100)] == [4, 4]


def test_the_number_of_parameters() -> None:
    assert [fan.parameters for fan in fans(mlp(3, width=8), 2)] == [24, 72, 9]


@pytest.mark.parametrize(
    ("network", "width", "said"),
    [
        (["dense", "relu", "dense"], None, "needs a width"),
        ([dense(10), parallel("concatenate", [], ["dense"], weights=[3, 4]), "dense"], 9, "40/3 neurons"),
        (["dense", parallel("concatenate", ["relu"], [], weights=[3, 4]), "dense"], 9, "contradict"),
    ],
)
def test_networks_that_cannot_be(network: list[Any], width: int | None, said: str) -> None:
    with pytest.raises(ArchitectureError, match=said):
        fans(parse(network), 5, width=width)


def test_two_numbers_of_outputs_are_one_too_many() -> None:
    with pytest.raises(ArchitectureError, match="contradict"):
        fans(parse(["dense", "relu", dense(3)]), 5, 2, width=9)


def test_deep_networks_take_no_long() -> None:
    blocks = [{"type": "residual", "layers": ["relu", "dense"]}] * 3000
    found = fans(parse(["dense", *blocks, "dense"]), 5, width=3)
    assert {fan.outputs for fan in found} == {3, 1}
