"""The circle: exact where it can be, and one way to place points at a time."""

import mpmath
import numpy as np
import pytest
from pydantic import ValidationError

from datasets.request import DatasetRequest


def circle(build, **fields):
    return build({"type": "circle", **fields}).x.array()


def test_the_axes_and_diagonals_are_exact(build):
    x = circle(build, points=8)
    h = np.sqrt(0.5)
    expected = [[1, 0], [h, h], [0, 1], [-h, h], [-1, 0], [-h, -h], [0, -1], [h, -h]]
    assert np.array_equal(x, expected)
    assert not np.signbit(x[x == 0]).any()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 12, 100, 1001])
def test_equispaced_points_are_right_to_the_last_bits(build, n):
    x = circle(build, points=n)
    # The angle in the octant carries two roundings (part/n, times π/2, itself rounded: 3·2⁻⁵³ relative, angle ≤ π/4)
    # and the function one more: 3·0.79·2⁻⁵³ + 2⁻⁵³ < 4·2⁻⁵³.
    with mpmath.workdps(30):
        exact = [(mpmath.cospi(mpmath.mpf(2 * i) / n), mpmath.sinpi(mpmath.mpf(2 * i) / n)) for i in range(n)]
        error = max(abs(mpmath.mpf(float(x[i, axis])) - exact[i][axis]) for i in range(n) for axis in (0, 1))
    assert error < 4 * 2.0**-53


@pytest.mark.parametrize("n", [4, 12, 40, 4096])
def test_a_quarter_turn_maps_the_points_onto_themselves(build, n):
    x = circle(build, points=n)
    assert np.array_equal(np.roll(x, -n // 4, axis=0), np.stack([-x[:, 1], x[:, 0]], axis=1))


def test_given_angles(build):
    angles = [-2.5, -1.0, 0.3, 1.8]
    assert np.array_equal(circle(build, angles=angles), np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_random_angles_follow_the_seed_and_lie_on_the_circle(build):
    first, again = (circle(build, points=50, spacing="random", seed=3) for _ in range(2))
    other = circle(build, points=50, spacing="random", seed=4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    # cos² + sin² of values that are rounded once each, and three more roundings.
    assert np.abs(np.square(first).sum(axis=1) - 1).max() < 6 * 2.0**-53


@pytest.mark.parametrize(
    ("fields", "at", "says"),
    [
        ({}, None, "points or angles"),
        ({"points": 3, "angles": [1.0]}, "points", "not both"),
        ({"angles": [1.0], "spacing": "equispaced"}, "spacing", "not with angles"),
        ({"points": 3, "seed": 1}, "seed", "spacing: random"),
        ({"points": 0}, "points", "greater than or equal to 1"),
        ({"points": "3"}, "points", "valid integer"),
        ({"points": True}, "points", "valid integer"),
        ({"points": 3.0}, "points", "valid integer"),
        ({"angles": []}, "angles", "at least 1"),
        ({"angles": [float("inf")]}, "angles", "finite"),
        ({"points": 3, "radius": 2.0}, "radius", "not permitted"),
    ],
)
def test_what_is_refused_names_the_field(fields, at, says):
    with pytest.raises(ValidationError) as caught:
        DatasetRequest.model_validate({"source": {"type": "circle", **fields}})
    (error,) = caught.value.errors()
    assert error["loc"][:2] == ("source", "circle")
    assert error["loc"][2:3] == (() if at is None else (at,))
    assert says in error["msg"]


def test_too_many_points_are_refused_before_they_are_made(build_refused):
    problem = build_refused({"type": "circle", "points": 10**15})
    assert problem.status == 422
    assert problem.errors[0].pointer == "/source/points"
    assert problem.figures == {"bytes": 16 * 10**15, "limit": 2**28}
