"""Target functions of x, and targets that are not functions of it."""

import numpy as np
import pytest
from pydantic import ValidationError

from datasets.request import DatasetRequest

X = [[1.0, 2.0, -2.0], [-3.0, 0.5, 6.0], [0.0, 4.0, 0.0]]


def targets(build, x=X, **target):
    return build({"type": "inline", "x": x}, targets=target).y.array()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"type": "x1"}, [1, -3, 0]),
        ({"type": "x1*x2"}, [2, -1.5, 0]),
        ({"type": "x1^2"}, [1, 9, 0]),
        ({"type": "norm"}, [3, np.sqrt(45.25), 4]),
        ({"type": "sign(x1)"}, [1, -1, 0]),
        ({"type": "constant", "value": -2.5}, [-2.5, -2.5, -2.5]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_functions(build, target, expected):
    y = targets(build, **target)
    assert y.shape == (3, 1)
    assert y.dtype == np.float64
    assert np.array_equal(y[:, 0], expected)


@pytest.mark.parametrize(("name", "function"), [("sin(k*angle)", np.sin), ("cos(k*angle)", np.cos)])
def test_harmonics_of_the_angle(build, name, function):
    angles = np.array([-2.5, -1.0, 0.3, 1.8])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist()
    y = targets(build, points, type=name, k=3)
    # The angle comes back within 4 roundings of a number below 4, and enters times 3.
    assert np.abs(y[:, 0] - function(3 * angles)).max() < 3 * 4 * 4 * 2.0**-53


def test_noise_is_seeded_and_independent_of_points_with_the_same_seed(build):
    source = {"type": "gaussian", "points": 2000, "dimension": 3, "seed": 7}
    first, again, other = (
        build(source, targets={"type": "gaussian", "seed": seed, "outputs": 3}) for seed in (7, 7, 8)
    )
    assert first.id == again.id != other.id
    x, y = first.x.array(), first.y.array()
    assert y.shape == (2000, 3)
    # Correlations of 2,000 independent pairs: nine of them within 5 standard errors.
    assert np.abs(x.T @ y / 2000).max() < 5 / np.sqrt(2000)


def test_inline_targets(build):
    y = targets(build, type="inline", y=[[1, 2], [3, 4], [5, 6]])
    assert np.array_equal(y, [[1, 2], [3, 4], [5, 6]])


def test_images_are_flattened(build):
    content = build({"type": "digits", "first": 5}, targets={"type": "norm"})
    assert np.array_equal(content.y.array()[:, 0], np.linalg.norm(content.x.array().reshape(5, -1), axis=1))


@pytest.mark.parametrize(
    ("x", "target", "pointer"),
    [
        ([[1.0]], {"type": "x1*x2"}, "/targets/type"),
        ([[1.0]], {"type": "sin(k*angle)"}, "/targets/type"),
        (X, {"type": "cos(k*angle)"}, "/targets/type"),
        (X, {"type": "inline", "y": [[1.0]]}, "/targets/y"),
        ([[1e200]], {"type": "x1^2"}, "/targets"),
        ([[1e200, 1e200]], {"type": "x1*x2"}, "/targets"),
    ],
)
def test_what_does_not_fit_x_is_refused(build_refused, x, target, pointer):
    problem = build_refused({"type": "inline", "x": x}, targets=target)
    assert (problem.status, problem.errors[0].pointer) == (422, pointer)


def test_targets_without_room_are_refused(build_refused):
    source = {"type": "circle", "points": 10_000}
    problem = build_refused(source, targets={"type": "gaussian", "outputs": 1_000_000})
    assert problem.errors[0].pointer == "/targets"


@pytest.mark.parametrize(
    ("target", "loc"),
    [
        ({"type": "constant"}, ("targets", "constant", "value")),
        ({"type": "sin(k*angle)", "k": 0}, ("targets", "sin(k*angle)", "k")),
        ({"type": "sin(k*angle)", "k": 1.5}, ("targets", "sin(k*angle)", "k")),
        ({"type": "gaussian", "outputs": 0}, ("targets", "gaussian", "outputs")),
        ({"type": "gaussian", "columns": 2}, ("targets", "gaussian", "columns")),
        ({"type": "inline", "y": [[1.0], []]}, ("targets", "inline", "y", 1)),
        ({"type": "inline", "y": [[1.0], [1.0, 2.0]]}, ("targets", "inline", "y")),
        ({"type": "x3"}, ("targets",)),
    ],
)
def test_what_is_refused_names_the_field(target, loc):
    with pytest.raises(ValidationError) as caught:
        DatasetRequest.model_validate({"source": {"type": "circle", "points": 3}, "targets": target})
    assert [error["loc"] for error in caught.value.errors()] == [loc]
