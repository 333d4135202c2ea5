"""Given directions: against 50 digits, costs whose direction is recorded, and what theory says of their value."""

import math
from typing import Literal

import mpmath
import pytest
import torch
from mpmath import mpf
from torch import Tensor

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares
from ntk_engine.function_space import At, Directions, Start, along, follow
from tests.ntk_engine.function_space.exactly import DIGITS, furthest, matrix

GENERATOR = torch.Generator().manual_seed(5)
X, OTHER = (torch.randn(n, 4, generator=GENERATOR, dtype=torch.float64) for n in (12, 5))
ARCH = mlp(3, beta=0.1)
GRAM, CROSS = infinite.kernel(ARCH, X).ntk, infinite.kernel(ARCH, OTHER, X).ntk
N, K = len(X), 2
ENDS = (0.3, 1.0, 1.7, 40.0)
TIMES = (0.0, 0.1, 0.3, 0.65, 1.7, 1.7, 39.0, 40.0)
VALUES = torch.randn(len(ENDS) + 1, N, K, generator=GENERATOR, dtype=torch.float64)
START = Start(*(torch.randn(n, K, generator=GENERATOR, dtype=torch.float64) for n in (N, len(OTHER))))
Between = Literal["constant", "linear"]


def given(between: Between) -> Directions:
    return Directions(ENDS, VALUES if between == "linear" else VALUES[:-1], between)


def exactly(between: Between, time: float) -> tuple[mpmath.matrix, mpmath.matrix]:
    """∫ d and d at a time, from the definition of both, piece by piece."""
    total, found = mpmath.zeros(N, K), None
    for number, (begin, end) in enumerate(zip((0.0, *ENDS), ENDS, strict=False)):
        left = matrix(VALUES[number])
        slope = (matrix(VALUES[number + 1]) - left) / (mpf(end) - mpf(begin)) * (between == "linear")
        passed = min(mpf(time), mpf(end)) - mpf(begin)
        if passed >= 0:
            total += left * passed + slope * passed**2 / 2
            found = left + slope * passed
    return total, found


@pytest.mark.parametrize("between", ["constant", "linear"])
def test_fifty_digits(between: Between) -> None:
    with mpmath.workdps(DIGITS):
        for at, time in zip(along(GRAM, CROSS, given(between), TIMES, start=START), TIMES, strict=True):
            total, d = exactly(between, time)
            f = matrix(START.train) - matrix(GRAM) * total / N
            assert at.time == time
            assert at.test is not None
            assert furthest(at.train, f) <= at.error_bound < 1e-12 * (1 + time)
            assert furthest(at.test, matrix(START.test) - matrix(CROSS) * total / N) <= at.error_bound
            cost = sum(a * b for a, b in zip(d, f, strict=True)) / N
            assert abs(mpf(at.cost) - cost) <= at.cost_bound < 1e-11 * (1 + time)
            decrease = (d.T * matrix(GRAM) * d / N**2)[0, 0] + (d.T * matrix(GRAM) * d / N**2)[1, 1]
            assert abs(mpf(at.decrease) - decrease) <= at.decrease_bound < 1e-12
            assert at.steps == 0


@pytest.mark.parametrize("between", ["constant", "linear"])
def test_the_value_falls_by_the_decrease(between: Between) -> None:
    """∂_t ⟨d_t, f_t⟩ = −⟨d, d⟩_K + ⟨∂_t d, f⟩, inside of a piece: a quadratic or cubic in t, by its differences."""
    middle, h = 1.35, 0.1
    found = list(along(GRAM, None, given(between), [middle - h, middle, middle + h], start=START))
    slope = (found[2].cost - found[0].cost) / (2 * h)
    turn, third = torch.zeros(N, K, dtype=torch.float64), 0.0
    if between == "linear":
        turn = (VALUES[3] - VALUES[2]) / (ENDS[2] - ENDS[1])
        # ∂³ of the cubic: −3 ∂_t d K ∂_t d/N², of which a central difference has h²/6.
        third = -3 * float((turn * (GRAM @ turn)).sum()) / N**2 * h**2 / 6
    expected = -found[1].decrease + float((turn * found[1].train).sum()) / N + third
    assert found[1].test is None
    assert slope == pytest.approx(expected, abs=found[0].cost_bound / h + 1e-13)


def test_the_directions_of_a_cost() -> None:
    """Of least squares, recorded on a grid: the trapezoid of d is right to h²/12 |∂²_t d| t."""
    y, end = torch.sin(2.0 * X[:, :K]), 2.0
    missed = []
    for count in (50, 100):
        grid = [end * i / count for i in range(count + 1)]
        recorded = torch.stack([at.train - y for at in follow(GRAM, None, y, LeastSquares(), grid, tolerance=1e-11)])
        (at,) = along(GRAM, CROSS, Directions(tuple(grid[1:]), recorded, "linear"), [end])
        (exact,) = follow(GRAM, CROSS, y, LeastSquares(), [end], tolerance=1e-11)
        assert at.test is not None
        assert exact.test is not None
        missed.append(float((at.test - exact.test).norm()))
    assert missed[0] < 1e-4
    assert missed[0] / missed[1] == pytest.approx(4.0, rel=0.01)


def test_a_constant_piece_is_what_pieces_of_it_are() -> None:
    """Cut in two, linear between equal ends, and in other units of time: the same to rounding."""
    whole = Directions((2.0,), VALUES[:1])
    others = [
        Directions((0.7, 2.0), VALUES[:1].expand(2, -1, -1)),
        Directions((2.0,), VALUES[:1].expand(2, -1, -1), "linear"),
        Directions((1.0,), 2 * VALUES[:1]),
    ]
    for scale, other in zip((1.0, 1.0, 0.5), others, strict=True):
        a: At
        b: At
        (a,), (b,) = along(GRAM, CROSS, whole, [1.5]), along(GRAM, CROSS, other, [1.5 * scale])
        torch.testing.assert_close(a.train, b.train, rtol=0, atol=a.error_bound + b.error_bound)


def test_eigenvalues_and_device(device: str) -> None:
    found = along(GRAM.to(device), CROSS.to(device), Directions(ENDS, VALUES[:-1].to(device)), TIMES[:3])
    expected = torch.linalg.eigvalsh(GRAM / N).flip(0)
    torch.testing.assert_close(found.eigenvalues.cpu(), expected, rtol=0, atol=1e-15 * N)
    for a, b in zip(found, along(GRAM, CROSS, given("constant"), TIMES[:3]), strict=True):
        torch.testing.assert_close(a.train.cpu(), b.train, rtol=0, atol=2 * b.error_bound)
        assert a.train.device.type == device


def test_infinities_are_no_nan() -> None:
    huge = torch.full((1, N, 1), 1e308, dtype=torch.float64)
    huge[:, ::2] *= -1
    (at,) = along(GRAM, CROSS, Directions((1e3,), huge), [1e3])
    assert not bool(at.train.isnan().any())
    assert math.isinf(at.error_bound)


def refused(case: str) -> None:
    some: dict[str, Tensor] = {"values": VALUES[:-1]}
    match case:
        case "beyond":
            along(GRAM, CROSS, given("constant"), [40.1])
        case "falling":
            along(GRAM, CROSS, given("constant"), [2.0, 1.0])
        case "infinite":
            along(GRAM, CROSS, given("constant"), [math.inf])
        case "points":
            along(GRAM, CROSS, Directions(ENDS, VALUES[:-1, :-1]), [1.0])
        case "start":
            along(GRAM, CROSS, given("constant"), [1.0], start=Start(START.train))
        case "count":
            Directions(ENDS, VALUES)
        case "ends":
            Directions((0.0, 1.0, 2.0, 3.0), **some)
        case "order":
            Directions((1.0, 1.0, 2.0, 3.0), **some)
        case "nan":
            Directions(ENDS, VALUES[:-1] * math.nan)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("beyond", "given until 40"),
        ("falling", "times"),
        ("infinite", "times"),
        ("points", "12 points"),
        ("start", "given start"),
        ("count", "4 directions"),
        ("ends", "rise from above 0"),
        ("order", "rise from above 0"),
        ("nan", "finite"),
    ],
)
def test_what_is_refused(case: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        refused(case)
