"""Descent of any cost in its steps, against 50 digits, closed forms, flows, and the parameters of a linear model."""

import math

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.costs import Cost, CrossEntropy, Direction, Huber, LeastSquares, Logistic
from ntk_engine.function_space import (
    Blocks,
    Directions,
    GradientDescent,
    Start,
    along,
    descend,
    follow,
    gaussian,
)
from ntk_engine.function_space.growth import Errors, Map
from tests.ntk_engine.function_space.exactly import DIGITS, furthest, matrix

GENERATOR = torch.Generator().manual_seed(11)
X, OTHER = (torch.randn(n, 4, generator=GENERATOR, dtype=torch.float64) for n in (10, 4))
N = len(X)
ARCH = mlp(3, beta=0.1)
GRAM, CROSS = infinite.kernel(ARCH, X).ntk, infinite.kernel(ARCH, OTHER, X).ntk
TOP = float(torch.linalg.eigvalsh(GRAM / N).max())
NUMBERS = torch.sin(2.0 * X[:, :2])
CLASSES = torch.nn.functional.one_hot((X[:, 0] > 0).long() + (X[:, 1] > 0.5).long(), 3).double()
COSTS: dict[str, tuple[Cost, torch.Tensor]] = {
    "least squares": (LeastSquares(), NUMBERS),
    "cross-entropy": (CrossEntropy(), CLASSES),
    "logistic": (Logistic(), NUMBERS.sign()),
    "huber": (Huber(delta=0.3), NUMBERS),
}


def starts(k: int) -> Start:
    generator = torch.Generator().manual_seed(k)
    return Start(*(torch.randn(n, k, generator=generator, dtype=torch.float64) for n in (N, len(OTHER))))


def direction(cost: Cost, f: mpmath.matrix, y: mpmath.matrix) -> mpmath.matrix:
    """d|_f from the definitions of the costs, 50 digits."""
    found = mpmath.zeros(f.rows, f.cols)
    for i in range(f.rows):
        whole = sum(mpmath.exp(f[i, j]) for j in range(f.cols))
        for j in range(f.cols):
            left = f[i, j] - y[i, j]
            match cost:
                case CrossEntropy():
                    found[i, j] = mpmath.exp(f[i, j]) / whole - y[i, j]
                case Logistic():
                    found[i, j] = -y[i, j] / (1 + mpmath.exp(y[i, j] * f[i, j]))
                case Huber(delta=delta):
                    found[i, j] = max(-mpf(delta), min(mpf(delta), left))
                case _:
                    found[i, j] = left
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("name", COSTS)
def test_fifty_digits(name: str, momentum: float) -> None:
    cost, y = COSTS[name]
    start, rate, steps = starts(y.shape[1]), 0.75, (0, 1, 60)
    # Errors do not grow: ηλ_1 is 0.17, below 2 and 1/3.
    way = descend(GRAM, CROSS, y, cost, GradientDescent(rate, momentum), [rate * s for s in steps], start=start)
    found = {at.steps: at for at in way}
    with mpmath.workdps(DIGITS):
        gram, cross, targets = matrix(GRAM) / N, matrix(CROSS) / N, matrix(y)
        f, beside = matrix(start.train), matrix(start.test)
        v, besides = mpmath.zeros(N, f.cols), mpmath.zeros(len(OTHER), f.cols)
        for step in range(max(steps) + 1):
            d = direction(cost, f, targets)
            if step in found:
                at = found[step]
                assert at.test is not None
                assert furthest(at.train, f) <= at.error_bound < 1e-11
                assert furthest(at.test, beside) <= at.error_bound
                decrease = sum(a * b for a, b in zip(d, gram * d, strict=True)) / N
                assert abs(mpf(at.decrease) - decrease) <= at.decrease_bound < 1e-11
            v, besides = mpf(momentum) * v + gram * d, mpf(momentum) * besides + cross * d
            f, beside = f - mpf(rate) * v, beside - mpf(rate) * besides


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_least_squares_is_its_closed_form(momentum: float) -> None:
    dynamics, times = GradientDescent(1.5, momentum), [1.5 * s for s in (1, 7, 100, 500)]
    start = starts(2)
    closed = gaussian(Blocks(GRAM, CROSS), None, NUMBERS, times, dynamics=dynamics, start=start)
    way = descend(GRAM, CROSS, NUMBERS, LeastSquares(), dynamics, times, start=start)
    for at, (train, test) in zip(way, closed, strict=True):
        assert at.test is not None
        assert test is not None
        # What is certain of momentum beyond its edge grows; errors do not.
        missed = 1e-12 if momentum else at.error_bound
        torch.testing.assert_close(at.train, train.mean, rtol=0, atol=missed + float(train.mean_bound))
        torch.testing.assert_close(at.test, test.mean, rtol=0, atol=missed + float(test.mean_bound))
        assert at.cost == pytest.approx(float((at.train - NUMBERS).square().sum()) / 2 / N, abs=at.cost_bound)
    assert momentum or at.error_bound < 1e-10
    torch.testing.assert_close(way.eigenvalues, closed.eigenvalues, rtol=0, atol=1e-14)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("name", ["cross-entropy", "logistic", "huber"])
def test_small_steps_are_the_flow(name: str, momentum: float) -> None:
    """Of the first order in η; with momentum v comes to d/(1 − μ), which is time that passes faster."""
    cost, y = COSTS[name]
    end, missed = 2.0, []
    (flow,) = follow(GRAM, CROSS, y, cost, [end / (1 - momentum)], tolerance=1e-11)
    for rate in (1 / 256, 1 / 512):
        (at,) = descend(GRAM, CROSS, y, cost, GradientDescent(rate, momentum), [end])
        assert at.test is not None
        assert flow.test is not None
        missed.append(float(torch.cat([at.train - flow.train, at.test - flow.test]).norm()))
    assert missed[0] < 0.02
    # The second order is a few η of the first.
    assert missed[0] / missed[1] == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_descent_of_a_linear_model(momentum: float) -> None:
    """Of θ, f = f_0 + Jθ: v ← μ v + ∂C/∂θ, θ ← θ − η v, whose tangent kernel is JJᵀ."""
    j = torch.randn(N + 4, 7, dtype=torch.float64, generator=GENERATOR)
    cost, y = COSTS["cross-entropy"]
    start, rate = starts(3), 0.3
    f_0 = torch.cat([start.train, start.test])  # type: ignore[list-item]
    theta, v = torch.zeros(7, 3, dtype=torch.float64), torch.zeros(7, 3, dtype=torch.float64)
    for _ in range(200):
        v = momentum * v + j[:N].mT @ cost.direction((f_0 + j @ theta)[:N], y) / N
        theta = theta - rate * v
    gram, cross = j[:N] @ j[:N].mT, j[N:] @ j[:N].mT
    (at,) = descend(gram, cross, y, cost, GradientDescent(rate, momentum), [rate * 200], start=start)
    torch.testing.assert_close(torch.cat([at.train, at.test]), f_0 + j @ theta, rtol=0, atol=1e-11)  # type: ignore[list-item]
    # κ has no part where K has none, but for rounding.
    assert momentum or at.error_bound < 1e-9


class Anywhere(CrossEntropy):
    """Of which only the largest steepness is known."""

    def steepness_at(self, f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return Cost.steepness_at(self, f, y)


def test_the_bound_follows_the_steepness_on_the_way() -> None:
    """With much momentum: of ten classes it begins at 0.18, and steps are below the edge that 0.5 is not."""
    y = torch.nn.functional.one_hot(torch.arange(N), 10).double()
    assert 0.1 * TOP * 0.18 < 2 * 0.1**2 / 1.9 < 0.1 * TOP * 0.5
    (at,) = descend(GRAM, CROSS, y, CrossEntropy(), GradientDescent(0.1, 0.9), [64.0])
    (rough,) = descend(GRAM, CROSS, y, Anywhere(), GradientDescent(0.1, 0.9), [64.0])
    # It is at most a tenth beyond the edge on the way.
    assert at.error_bound < 1e-9 < rough.error_bound
    assert torch.equal(at.train, rough.train)
    (spread,) = descend(GRAM, CROSS, y, CrossEntropy(), GradientDescent(2.0, 0.9), [2000.0])
    assert spread.error_bound > 1.0


def test_given_directions() -> None:
    """Constant between steps they are followed exactly: what `along` says."""
    d = torch.randn(2, N, 2, dtype=torch.float64, generator=GENERATOR)
    dynamics, times = GradientDescent(0.25), [0.75, 1.0, 2.5]
    way = descend(GRAM, CROSS, torch.cat([*d], dim=1), Direction(starts=(0, 4)), dynamics, times)
    for a, b in zip(way, along(GRAM, CROSS, Directions((1.0, 2.5), d), times), strict=True):
        for one, other in ((a.train, b.train), (a.test, b.test)):
            torch.testing.assert_close(one, other, rtol=0, atol=a.error_bound + b.error_bound)
        if a.time != 2.5:
            assert a.cost == pytest.approx(b.cost, abs=a.cost_bound + b.cost_bound)
            assert a.decrease == pytest.approx(b.decrease, abs=a.decrease_bound + b.decrease_bound)


def test_a_descent_that_diverges() -> None:
    """As the closed form does: right while it is a number, and inf from there on; never NaN."""
    dynamics = GradientDescent(2.5 / TOP)
    steps = (30, 600, 2000, 5000)
    way = descend(GRAM, CROSS, NUMBERS, LeastSquares(), dynamics, [dynamics.learning_rate * s for s in steps])
    early, late, *lost = list(way)
    closed = gaussian(Blocks(GRAM, CROSS), None, NUMBERS, [early.time, late.time], dynamics=dynamics, start="zero")
    for at in (early, late):
        mean = closed.train_at(at.time)
        size = float(mean.mean.abs().max())
        assert size > 1.5**at.steps / 100
        bound = at.error_bound + float(mean.mean_bound)
        torch.testing.assert_close(at.train, mean.mean, rtol=0, atol=bound)
        assert bound < 1e-8 * size
    for at in lost:
        assert at.test is not None
        assert bool(torch.cat([at.train, at.test]).isposinf().all())
        assert {at.cost, at.error_bound, at.decrease, at.cost_bound, at.decrease_bound} == {math.inf}


def test_duplicates() -> None:
    """Of a singular kernel: rows that are told the same have one value, and others stay between what they are told."""
    x = torch.cat([X[:3], X[:3]])
    y = torch.tensor([[1.0], [-1.0], [1.0], [1.0], [-1.0], [-1.0]]).double()
    gram, cross = infinite.kernel(ARCH, x).ntk, infinite.kernel(ARCH, OTHER, x).ntk
    *_, at = descend(gram, cross, y, Logistic(), GradientDescent(10.0), [20000.0])
    torch.testing.assert_close(at.train[:3], at.train[3:], rtol=0, atol=2 * at.error_bound)
    assert at.error_bound < 1e-7
    # Those that are fitted pull as long as they move: as 1/t.
    assert abs(float(at.train[2])) < 1e-4
    assert float((at.train * y)[:2].min()) > 5


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
def test_errors_do_not_grow_below_the_edge(momentum: float) -> None:
    """Of any matrices 0 ≤ M ≤ h, one after another: the norm that is claimed, and what it says of e."""
    edge = 2 * (1 - momentum) ** 2 / (1 + momentum)
    r = 4
    for part in (0.3, 1.0, 1.5):
        found = Map(edge * part, 1.0, momentum)
        e, w = torch.randn(2, r, generator=GENERATOR, dtype=torch.float64)
        before = math.inf
        for step in range(200):
            basis, _ = torch.linalg.qr(torch.randn(r, r, generator=GENERATOR, dtype=torch.float64))
            m = basis * (edge * part * torch.rand(r, generator=GENERATOR).round()) @ basis.mT
            norm = math.hypot(
                float((e + momentum / (1 - momentum) * w).norm()), momentum**0.5 / (1 - momentum) * float(w.norm())
            )
            assert norm <= before * found.growth(1.0) * (1 + 1e-12)
            assert float(e.norm()) <= found.reach(Errors(norm)) * (1 + 1e-12)
            before = norm
            w = momentum * w - m @ e
            e = e + w
            if step == 0:
                assert (found.growth(1.0) == 1.0) == (part <= 1.0)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
def test_the_growth_is_a_norm_and_the_edge_its_first_above_one(momentum: float) -> None:
    mu, edge = momentum, 2 * (1 - momentum) ** 2 / (1 + momentum)
    for part in (0.999, 1.001, 3.0):
        h = edge * part
        step = torch.tensor([[1 - h, mu], [-h, mu]], dtype=torch.float64)
        if mu:
            to = torch.tensor([[1, mu / (1 - mu)], [0, mu**0.5 / (1 - mu)]], dtype=torch.float64)
            step = to @ step @ torch.linalg.inv(to)
            largest = float(torch.linalg.matrix_norm(step, 2))
        else:
            largest = abs(1 - h)
        assert Map(h / 3, 1.0, mu).growth(3.0) == pytest.approx(max(1.0, largest), rel=1e-9)
        assert (largest > 1 + 1e-9) == (part > 1)


def test_device(device: str) -> None:
    cost, y = COSTS["cross-entropy"]
    (at,) = descend(GRAM.to(device), CROSS.to(device), y.to(device), cost, GradientDescent(0.5), [50.0])
    (here,) = descend(GRAM, CROSS, y, cost, GradientDescent(0.5), [50.0])
    assert at.train.device.type == device
    torch.testing.assert_close(at.train.cpu(), here.train, rtol=0, atol=2 * here.error_bound)


@pytest.mark.parametrize(
    ("times", "y", "said"),
    [
        ([0.3], NUMBERS, "no whole number of steps"),
        ([math.inf], NUMBERS, "finite"),
        ([1.0, 0.5], NUMBERS, "rise"),
        ([1.0], NUMBERS[1:], "row of finite numbers"),
        ([1.0], NUMBERS * math.nan, "row of finite numbers"),
    ],
)
def test_what_is_refused(times: list[float], y: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        descend(GRAM, CROSS, y, LeastSquares(), GradientDescent(0.5), times)
