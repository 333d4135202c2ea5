"""Bounds on costs, on the best time, and on the interval around it, against 50 digits and nearly equal inputs."""

import math
from collections.abc import Callable

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space import Blocks, Dynamics, Flow, Gaussian, GradientDescent, HeldOut, Noise, gaussian
from ntk_engine.function_space.stopping import Stopping, early_stopping
from tests.ntk_engine.function_space.exactly import DIGITS, Exact
from tests.ntk_engine.function_space.test_exactness import kernels, left

EPS = 2.0**-52
STARTS = ["ensemble", "zero"]
Cost = Callable[[float | mpf], mpf]


def trained(name: str, start: str, dynamics: Dynamics) -> tuple[Gaussian, HeldOut, Exact]:
    """16 points of which two are equal and others nearly so, and four to judge by, near what is learned first."""
    ntk, nngp, y = kernels(name)
    g = gaussian(ntk, nngp, y, [0.0], dynamics=dynamics, start=start, covariance="diagonal")  # type: ignore[arg-type]
    early, noise = (
        g.test_at(20.0).mean,
        torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)),
    )
    return g, HeldOut(early + 0.3 * noise), Exact(ntk, nngp, y, rank=len(y) - 1)


def exactly(exact: Exact, known: HeldOut | Noise, start: str, dynamics: Dynamics) -> Cost:
    """C at 50 digits."""
    k, n = 2, len(exact.values)

    def held_out(t: float | mpf) -> mpf:
        mean, covariance = exact.test(lambda lam: (1 - left(dynamics, t, lam)) / lam)
        assert isinstance(known, HeldOut)
        m = len(known.y)
        away = sum((mean[i, j] - mpf(float(known.y[i, j]))) ** 2 for i in range(m) for j in range(k))
        return (away + (k * sum(covariance[i, i] for i in range(m)) if start == "ensemble" else 0)) / (2 * m)

    def estimated(t: float | mpf) -> mpf:
        assert isinstance(known, Noise)
        kept = [mpf(1) if i < exact.null else left(dynamics, t, lam) for i, lam in enumerate(exact.values)]
        power = [sum(exact.c[i, j] ** 2 for j in range(k)) for i in range(n)]
        if start == "ensemble":
            power = [p + k * exact.s[i, i] for i, p in enumerate(power)]
        fitted = sum(d * d * p for d, p in zip(kept, power, strict=True))
        return (fitted + 2 * k * mpf(known.variance) * sum(1 - d for d in kept)) / (2 * n)

    return held_out if isinstance(known, HeldOut) else estimated


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("known", ["held out", "noise"])
@pytest.mark.parametrize("dynamics", [Flow(), GradientDescent(1.0)])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_costs(name: str, dynamics: Dynamics, known: str, start: str) -> None:
    with mpmath.workdps(DIGITS):
        g, held, exact = trained(name, start, dynamics)
        told: HeldOut | Noise = held if known == "held out" else Noise(0.2)
        found, cost = early_stopping(g, told), exactly(exact, told, start, dynamics)
        some = [*range(0, len(found.times), len(found.times) // 12), -1]
        for value, bound, t in zip(found.costs[some], found.costs_bound[some], found.times[some], strict=True):
            assert abs(mpf(float(value)) - cost(float(t))) <= float(bound)
        for one, off, t in (
            (found.cost, found.cost_bound, found.time),
            (found.start, found.start_bound, 0.0),
            (found.end, found.end_bound, math.inf),
        ):
            assert abs(mpf(one) - cost(t)) <= off
        assert abs(mpf(found.saved) - cost(math.inf) + cost(found.time)) <= found.saved_bound


def crossing(cost: Cost, limit: mpf, inside: mpf, outside: mpf) -> mpf:
    for _ in range(100):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if cost(middle) <= limit else (inside, middle)
    return inside


def least(cost: Cost, low: mpf, high: mpf) -> mpf:
    """Where a valley is lowest, by trisection, to 25 digits of the 50 that C has."""
    for _ in range(150):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if cost(a) < cost(b) else (a, high)
    return (low + high) / 2


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("known", ["held out", "noise"])
def test_the_best_time_and_the_interval(known: str, start: str) -> None:
    with mpmath.workdps(DIGITS):
        g, held, exact = trained("relu", start, Flow())
        told: HeldOut | Noise = held if known == "held out" else Noise(0.2)
        found, cost = early_stopping(g, told), exactly(exact, told, start, Flow())
        assert 0.0 < found.time < math.inf
        best = least(cost, mpf(found.time) / 2, mpf(found.time) * 2)
        assert abs(best - mpf(found.time)) <= found.time_bound
        # A root of the bound of the cost, over the curvature by log t, which is some hundredth of the cost.
        assert found.time_bound <= 100 * math.sqrt(found.cost_bound / found.cost) * found.time
        limit = mpf("1.01") * cost(best)
        for edge, bound, far in zip(found.interval, found.interval_bound, (0, 2 * found.interval[1]), strict=True):
            assert abs(crossing(cost, limit, best, mpf(far)) - mpf(edge)) <= bound
            # The slope there is some hundredth of the cost, by log t.
            assert bound <= 1e3 * found.cost_bound / found.cost * edge


def test_steps_are_told_apart() -> None:
    """Costs of neighbouring steps differ by far more than rounding, so that each is known exactly."""
    g, held, _ = trained("relu", "zero", GradientDescent(1.0))
    found = early_stopping(g, held)
    assert 0.0 < found.time < math.inf
    assert found.time_bound == 0.0
    assert found.interval_bound == (0.0, 0.0)


def test_what_cannot_be_told() -> None:
    """An end that is best is best from some time on; a kernel that is 0 has one cost for all times."""
    g, _, _ = trained("relu", "zero", Flow())
    end = early_stopping(g, Noise(0.0))
    assert (end.time, end.time_bound) == (math.inf, math.inf)
    assert (end.interval[1], end.interval_bound[1]) == (math.inf, 0.0)
    assert 0.0 < end.interval[0] < math.inf
    assert end.interval_bound[0] < 1e-6 * end.interval[0]
    none = gaussian(
        Blocks(torch.zeros(3, 3, dtype=torch.float64)), None, torch.ones(3, 1).double(), [0.0], start="zero"
    )
    still = early_stopping(none, Noise(0.0))
    assert (still.time, still.time_bound) == (math.inf, math.inf)


def test_two_valleys_that_cannot_be_told_apart() -> None:
    """Of equal depth but for less than rounding: the best time is as far off as the other one is."""
    lam = torch.tensor([1.0, 1e-4], dtype=torch.float64)

    def depth(found: Stopping) -> list[float]:
        inner = found.costs[1:-1]
        return [float(x) for x in inner[(inner < found.costs[:-2]) & (inner < found.costs[2:])]]

    cross = torch.tensor([[2.0, -2.0]], dtype=torch.float64) * lam * 2
    g = gaussian(Blocks(torch.diag(2 * lam), cross), None, torch.ones(2, 1).double(), [0.0], start="zero")
    # m(t) = 2(1 − e^{−t}) − 2(1 − e^{−t/10⁴}) is 1 near ln 2 and near 10⁴ ln 2: the cost is 0 in both valleys.
    found = early_stopping(g, HeldOut(torch.ones(1, 1).double()))
    assert len(depth(found)) == 2
    times = sorted([math.log(2), 1e4 * math.log(2)], key=lambda t: abs(t - found.time))
    assert found.time == pytest.approx(times[0], rel=1e-3)
    assert found.time_bound == pytest.approx(abs(times[1] - found.time), rel=1e-3)


def test_they_are_not_idle() -> None:
    """Of an ordinary kernel costs are right to M^{3/2} roundings over its condition, 10⁴ or less in all."""
    x = torch.randn(24, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    k = torch.exp(-torch.cdist(x, x).square() / 2) + torch.eye(24, dtype=torch.float64)
    y = torch.sin(x[:, :2])
    g = gaussian(Blocks(k[:16, :16], k[16:, :16]), None, y[:16], [0.0], start="zero")
    for known in (HeldOut(y[16:] + 0.1), Noise(0.2)):
        found = early_stopping(g, known)
        assert float(found.costs_bound.amax()) <= 1e4 * EPS * float(found.costs.amax())
        assert found.cost_bound <= 1e4 * EPS * found.start


def test_what_is_null_space_of_both_kernels_is_rounding() -> None:
    """Points on a line through 0 without a bias: rank 2, and targets that are in its space, at the end met for good."""
    x = torch.linspace(-2.0, 3.0, 11, dtype=torch.float64)[:, None] * torch.tensor(
        [[0.3, -0.7, 0.64]], dtype=torch.float64
    )
    y = x.norm(dim=1, keepdim=True)
    both = infinite.kernel(mlp(3, beta=0.0), x)
    g = gaussian(Blocks(both.ntk), Blocks(both.nngp), y, [math.inf], covariance="diagonal")
    found = early_stopping(g, Noise(0.0))
    assert abs(found.end) <= found.end_bound < 1e-14
