"""Sphere, Gaussian and inline points."""

import numpy as np
import pytest
from pydantic import ValidationError

from datasets.request import DatasetRequest

RANDOM = [{"type": "sphere", "points": 200, "dimension": 7}, {"type": "gaussian", "points": 200, "dimension": 7}]


@pytest.mark.parametrize("source", RANDOM, ids=lambda source: source["type"])
def test_the_seed_decides(build, source):
    first, again, other = (build({**source, "seed": seed}) for seed in (1, 1, 2))
    assert first.x.shape == (200, 7)
    assert first.x.dtype == np.float64
    assert first.id == again.id
    assert first.id != other.id


def test_the_sphere_has_its_radius_and_no_preferred_direction(build):
    x = build({"type": "sphere", "points": 20_000, "dimension": 5, "radius": 3.0}).x.array()
    # A sum of 5 squares, a root, a division and a product: fewer than 10 roundings.
    assert np.abs(np.linalg.norm(x, axis=1) / 3 - 1).max() < 10 * 2.0**-53
    # Coordinates have variance r²/d; 5 means within 5 standard errors.
    assert np.abs(x.mean(axis=0)).max() < 5 * 3 / np.sqrt(5 * 20_000)


def test_one_dimension_gives_the_two_points_of_the_sphere(build):
    x = build({"type": "sphere", "points": 50, "dimension": 1}).x.array()
    assert set(x.ravel()) == {-1.0, 1.0}


def test_gaussian_moments(build):
    x = build({"type": "gaussian", "points": 20_000, "dimension": 2, "std": 2.0}).x.array()
    n = x.size
    assert abs(x.mean()) < 5 * 2 / np.sqrt(n)  # 5 standard errors
    assert abs(x.var() - 4) < 5 * 4 * np.sqrt(2 / n)  # Var of s² is 2σ⁴/n


def test_inline_points_are_taken_as_they_are(build):
    content = build({"type": "inline", "x": [[1, -0.0], [0.1, 5e-324]]}, name="four numbers")
    assert content.x.array().tobytes() == np.array([[1, -0.0], [0.1, 5e-324]]).tobytes()
    assert content.y is None


@pytest.mark.parametrize(
    ("source", "loc"),
    [
        ({"type": "sphere", "points": 3}, ("source", "sphere", "dimension")),
        ({"type": "sphere", "points": 3, "dimension": 0}, ("source", "sphere", "dimension")),
        ({"type": "sphere", "points": 3, "dimension": 2**21}, ("source", "sphere", "dimension")),
        ({"type": "sphere", "points": 3, "dimension": 2, "radius": 0.0}, ("source", "sphere", "radius")),
        ({"type": "gaussian", "points": 3, "dimension": 2, "std": -1.0}, ("source", "gaussian", "std")),
        ({"type": "gaussian", "points": 3, "dimension": 2, "seed": -1}, ("source", "gaussian", "seed")),
        ({"type": "gaussian", "points": 3, "dimension": 2, "seed": 2**63}, ("source", "gaussian", "seed")),
        ({"type": "inline", "x": []}, ("source", "inline", "x")),
        ({"type": "inline", "x": [[]]}, ("source", "inline", "x", 0)),
        ({"type": "inline", "x": [[1.0], [1.0, 2.0]]}, ("source", "inline", "x")),
        ({"type": "inline", "x": [["1"]]}, ("source", "inline", "x", 0, 0)),
        ({"type": "inline", "x": [[float("nan")]]}, ("source", "inline", "x", 0, 0)),
        ({"type": "cube"}, ("source",)),
        ({}, ("source",)),
    ],
)
def test_what_is_refused_names_the_field(source, loc):
    with pytest.raises(ValidationError) as caught:
        DatasetRequest.model_validate({"source": source})
    assert [error["loc"] for error in caught.value.errors()] == [loc]


@pytest.mark.parametrize("type_", ["sphere", "gaussian"])
def test_the_size_is_checked_first(build_refused, type_):
    problem = build_refused({"type": type_, "points": 10**9, "dimension": 2**20})
    assert problem.errors[0].pointer == "/source/points"


def test_values_beyond_float64_are_refused(build_refused):
    problem = build_refused({"type": "gaussian", "points": 100, "dimension": 2, "std": 1.7e308})
    assert (problem.status, problem.errors[0].pointer) == (422, "/source")
