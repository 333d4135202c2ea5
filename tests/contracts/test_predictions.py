"""Prediction jobs: what they store, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from contracts import prediction_plan
from contracts.canonical import canonical_json
from contracts.plan import ArrayPlan, Plan, References
from contracts.predictions import PredictionSpec
from contracts.problems import ProblemError
from contracts.settings import MIB, Settings
from ntk_engine.function_space.probes import PROBES

TRAIN, TEST, WIDE, BARE = "1" * 32, "2" * 32, "3" * 32, "4" * 32
GRAM, CROSS, INNER, OTHER, PLAIN = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(5))
NETWORK = {"type": "mlp", "depth": 4}
ASKED: dict[str, Any] = {"train": TRAIN, "test": TEST, "architecture": NETWORK, "times": [0, 1.5, "inf"]}
JOBS = {"train": GRAM, "cross": CROSS, "test": INNER}


def rows(count: int, columns: int) -> ArrayPlan:
    return ArrayPlan("x", (count, columns), "float64", count, columns)


def matrix(*shape: int, symmetric: bool = False) -> dict[str, ArrayPlan]:
    return {name: ArrayPlan(name, shape, "float64", 512, 512, symmetric) for name in ("ntk", "nngp")}


REFERENCES = References(
    {
        TRAIN: {"x": rows(100, 7), "y": rows(100, 2)},
        TEST: {"x": rows(30, 7), "y": rows(30, 2)},
        WIDE: {"x": rows(30, 2), "y": rows(30, 3)},
        BARE: {"x": rows(30, 7)},
    },
    {
        GRAM: matrix(100, 100, symmetric=True),
        CROSS: matrix(30, 100),
        INNER: matrix(30, 30, symmetric=True),
        OTHER: {},
        PLAIN: matrix(100, 100),
    },
    {
        GRAM: ("kernels", {}),
        CROSS: ("kernels", {}),
        INNER: ("kernels", {}),
        OTHER: ("spectra", {}),
        PLAIN: ("kernels", {}),
    },
)


def spec(**fields: Any) -> PredictionSpec:
    return PredictionSpec.model_validate(ASKED | fields)


def plan(limits: Settings | None = None, **fields: Any) -> Plan:
    return spec(**fields).plan(REFERENCES, limits or Settings())


def shapes(**fields: Any) -> dict[str, tuple[int, ...]]:
    return {array.name: array.shape for array in plan(**fields).arrays}


def test_what_is_stored() -> None:
    names = ("cost", "accuracy", "expected_accuracy")
    numbers = {f"{where}_{name}": (3,) for where in ("train", "test") for name in names}
    numbers["eigenvalues"] = (100,)
    assert shapes() == numbers | {
        "mean": (3, 30, 2), "variance": (3, 30), "train_mean": (3, 100, 2), "train_variance": (3, 100)
    }  # fmt: skip
    assert shapes(points=["test"], covariance="full", percentiles=[10, 50, 90], samples=5) == numbers | {
        "mean": (3, 30, 2), "covariance": (3, 30, 30), "percentiles": (3, 3, 30, 2), "samples": (3, 5, 30, 2)
    }  # fmt: skip
    assert shapes(test=None, covariance="none") == {
        "train_mean": (3, 100, 2), "train_cost": (3,), "train_accuracy": (3,), "train_expected_accuracy": (3,),
        "eigenvalues": (100,)
    }  # fmt: skip
    assert "variance" not in shapes(start="zero")
    assert not {"test_cost", "test_accuracy"} & shapes(test=BARE).keys()


def test_specs_survive_being_stored() -> None:
    for fields in (
        {},
        {"dynamics": {"type": "descent", "learning_rate": 0.5, "momentum": 0.9}, "start": "zero"},
        {"architecture": None, "kernels": JOBS, "start": {"type": "given", "train": WIDE, "test": WIDE}},
    ):
        asked = spec(**fields)
        again = PredictionSpec.model_validate(json.loads(canonical_json(asked.explicit())))
        assert again == asked
        assert again.explicit() == asked.explicit()
    assert spec().explicit()["times"] == [0.0, 1.5, "inf"]


def test_equal_wishes_are_one_job() -> None:
    assert spec(seed=3) == spec() != spec(samples=1, seed=3)
    assert spec(points=["train", "test"]) == spec()
    assert spec(start="zero", covariance="full") == spec(start="zero")
    assert spec(architecture={"type": "mlp", "depth": 4, "width": 9}).explicit() == spec().explicit()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"times": []}, "at least 1"),
        ({"times": [-1.0]}, "greater than or equal to 0"),
        ({"times": ["-inf"]}, "number"),
        ({"times": [float("nan")]}, "greater than or equal to 0"),
        ({"times": [1, 1]}, "times must rise"),
        ({"times": ["inf", 1]}, "times must rise"),
        ({"dynamics": {"type": "descent", "learning_rate": 2.0}, "times": [2, 3]}, "whole number of steps"),
        ({"dynamics": {"type": "descent", "learning_rate": 0.0}}, "greater than 0"),
        ({"dynamics": {"type": "descent", "learning_rate": 1.0, "momentum": 1.0}}, "less than 1"),
        ({"ridge": -1e-9}, "greater than or equal to 0"),
        ({"percentiles": [120]}, "less than 100"),
        ({"percentiles": [0]}, "greater than 0"),
        ({"percentiles": [50], "start": "zero"}, "ensemble"),
        ({"samples": 3, "start": "zero"}, "ensemble"),
        ({"architecture": None}, "either architecture or kernels"),
        ({"kernels": JOBS}, "either architecture or kernels"),
        ({"cost": {"type": "magic"}}, "least_squares"),
        ({"points": []}, "at least 1"),
    ],
)
def test_bad_fields_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(**fields)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"train": BARE}, "/train"),
        ({"test": WIDE}, "/test"),
        ({"test": None, "samples": 2}, "/samples"),
        ({"test": None, "points": ["test"]}, "/points"),
        ({"train": WIDE, "test": WIDE, "start": {"type": "given", "train": TRAIN, "test": TRAIN}}, "/start/train"),
        ({"start": {"type": "given", "train": WIDE}}, "/start/test"),
        ({"architecture": None, "kernels": {"train": GRAM}}, "/kernels/cross"),
        ({"architecture": None, "kernels": {"train": GRAM, "cross": CROSS}}, "/kernels/test"),
        ({"architecture": None, "kernels": JOBS | {"train": INNER}}, "/kernels/train"),
        ({"architecture": None, "kernels": JOBS | {"test": OTHER}}, "/kernels/test"),
        ({"architecture": None, "kernels": JOBS | {"train": PLAIN}}, "/kernels/train"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as refused:
        plan(**fields)
    assert refused.value.problem.errors[0].pointer == pointer


def test_a_covariance_beyond_the_limits_is_refused_by_its_field() -> None:
    small = Settings(max_array_bytes=MIB // 8)
    assert plan(small)
    with pytest.raises(ProblemError) as refused:
        plan(small, covariance="full", times=[0, 1, 2, 3, 4])
    assert refused.value.problem.errors[0].pointer == "/covariance"
    assert refused.value.problem.figures is not None


def test_too_many_steps_are_refused_by_their_times() -> None:
    steps = {"cost": "huber", "dynamics": {"type": "descent", "learning_rate": 1e-3}}
    assert plan(**steps, times=[1.0])
    with pytest.raises(ProblemError) as refused:
        plan(**steps, times=[1.0, 1e9])
    assert refused.value.problem.errors[0].pointer == "/times"


def test_momentum_has_its_price() -> None:
    """Errors are followed beside it: eight descents more."""
    steps = {"cost": "huber", "dynamics": {"type": "descent", "learning_rate": 1e-3}}
    plain = plan(**steps, times=[100.0])
    steps["dynamics"] = {"type": "descent", "learning_rate": 1e-3, "momentum": 0.5}
    beside = plan(**steps, times=[100.0])
    assert 1.5 * plain.seconds < beside.seconds < 9 * plain.seconds


def test_only_kernels_that_are_needed_are_asked_for() -> None:
    assert plan(architecture=None, kernels={"train": GRAM, "cross": CROSS}, start="zero")
    assert plan(architecture=None, kernels={"train": GRAM}, test=None)


def test_as_many_probes_are_planned_as_are_followed() -> None:
    assert prediction_plan.PROBES == PROBES
