"""When to stop, against every time one by one; C_p against the mean over noise that it estimates."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space import (
    Blocks,
    Dynamics,
    Flow,
    Gaussian,
    GradientDescent,
    HeldOut,
    Noise,
    Start,
    cost,
    early_stopping,
    gaussian,
)

N, TEST, K = 40, 30, 2
GENERATOR = torch.Generator().manual_seed(5)
X = torch.randn(N + TEST, 4, dtype=torch.float64, generator=GENERATOR)
SIGNAL = torch.stack([torch.sin(X[:, 0]), X[:, 1] * X[:, 2]], dim=1)
TARGETS = SIGNAL + 0.3 * torch.randn(N + TEST, K, dtype=torch.float64, generator=GENERATOR)
NETWORK = mlp(3, beta=0.1)
STARTS = {"zero": "zero", "ensemble": "ensemble", "given": Start(0.2 * SIGNAL[:N].flip(0), 0.2 * SIGNAL[N:].flip(0))}
HELD = HeldOut(TARGETS[N:])


def blocks(x: torch.Tensor, test: torch.Tensor) -> tuple[Blocks, Blocks]:
    train, cross, own = (infinite.kernel(NETWORK, *pair) for pair in ((x,), (test, x), (test,)))
    return Blocks(train.ntk, cross.ntk, own.ntk), Blocks(train.nngp, cross.nngp, own.nngp)


NTK, NNGP = blocks(X[:N], X[N:])


def trained(
    dynamics: Dynamics | None = None, start: str = "zero", ridge: float = 0.0, y: torch.Tensor = TARGETS[:N]
) -> Gaussian:
    return gaussian(
        NTK,
        NNGP,
        y,
        [0.0],
        dynamics=dynamics or Flow(),
        start=STARTS[start],  # type: ignore[arg-type]
        ridge=ridge,
        covariance="diagonal",
    )


def held_out(g: Gaussian, t: float, y: torch.Tensor = HELD.y) -> float:
    """The cost by the moments at one time."""
    found = g.test_at(t)
    return float(cost(found.mean, found.variance, y))


def smoother(dynamics: Dynamics, ridge: float, n: int = N) -> Gaussian:
    """A_t, as the means of unit vectors."""
    unit = torch.eye(n, dtype=torch.float64)
    train = Blocks(NTK.train[:n, :n])
    return gaussian(train, None, unit, [0.0], dynamics=dynamics, start="zero", ridge=ridge, covariance="none")


def noisy(g: Gaussian, unit: Gaussian, t: float, variance: float) -> float:
    """C_p by the moments at one time."""
    found = g.train_at(t)
    return (
        float(cost(found.mean, found.variance, TARGETS[:N])) + K * variance * float(unit.train_at(t).mean.trace()) / N
    )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
@pytest.mark.parametrize("known", [HELD, Noise(0.09)])
def test_the_best_of_all_times(start: str, ridge: float, known: HeldOut | Noise) -> None:
    """Against 200 times near it, the best of them improved by Brent's method, to what a flat minimum allows."""
    g = trained(start=start, ridge=ridge)
    found, unit = early_stopping(g, known), smoother(Flow(), ridge)

    def slowly(t: float) -> float:
        return held_out(g, t) if isinstance(known, HeldOut) else noisy(g, unit, t, known.variance)

    # Those near the best one; the curve itself, compared below, has the others.
    times = [t for t in found.times[1:-1].tolist() if found.time / 3 < t < found.time * 3]
    fine = [times[0] * (times[-1] / times[0]) ** (i / 200) for i in range(201)]
    best = min(fine, key=slowly)
    improved = minimize_scalar(
        lambda log: slowly(math.exp(log)), bounds=(math.log(best) - 0.02, math.log(best) + 0.02),
        method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    assert found.cost == pytest.approx(improved.fun, rel=1e-13)
    # A cost known to 2⁻⁵⁰ tells times apart by the root of that, over the root of its curvature (above 10⁻³ here).
    assert found.time == pytest.approx(math.exp(improved.x), rel=1e-6)
    assert found.start == pytest.approx(slowly(0.0), rel=1e-13)
    assert found.end == pytest.approx(slowly(math.inf), rel=1e-11)
    assert found.saved == found.end - found.cost > 0.0
    assert found.cost <= float(found.costs.min()) * (1 + 1e-13)
    for time, value in list(zip(found.times.tolist(), found.costs.tolist(), strict=True))[:: len(found.times) // 12]:
        assert value == pytest.approx(slowly(time), rel=1e-11)


@pytest.mark.parametrize("slack", [0.0, 0.01, 0.03])
def test_the_interval(slack: float) -> None:
    g = trained(start="ensemble")
    found = early_stopping(g, HELD, slack=slack)
    first, last = found.interval
    assert first <= found.time <= last
    for edge in found.interval:
        assert held_out(g, edge) == pytest.approx((1 + slack) * found.cost, rel=1e-12)
        inside = [found.time + (edge - found.time) * part / 20 for part in range(20)]
        assert max(held_out(g, t) for t in inside) <= (1 + slack) * found.cost * (1 + 1e-13)
    endless = early_stopping(g, HELD, slack=1e6)
    assert endless.interval == (0.0, math.inf)


@pytest.mark.parametrize("dynamics", [GradientDescent(1.0), GradientDescent(3.0, 0.5), GradientDescent(10.0, 0.9)])
@pytest.mark.parametrize("known", [HELD, Noise(0.09)])
def test_the_best_of_all_steps(dynamics: GradientDescent, known: HeldOut | Noise) -> None:
    g = trained(dynamics, start="zero")
    found, unit = early_stopping(g, known), smoother(dynamics, 0.0)

    def slowly(step: int) -> float:
        t = step * dynamics.learning_rate
        return held_out(g, t) if isinstance(known, HeldOut) else noisy(g, unit, t, known.variance)

    costs = [slowly(step) for step in range(800)]
    best = min(range(800), key=costs.__getitem__)
    assert found.time == best * dynamics.learning_rate
    assert found.cost == pytest.approx(costs[best], rel=1e-13)
    within = [value <= 1.01 * costs[best] for value in costs]
    first = next(step for step in range(best, -1, -1) if not within[step]) + 1
    # With much momentum C_p is at its end by then, and that is within 1 %.
    last = next((step for step in range(best, 800) if not within[step]), math.inf) - 1
    assert found.interval == (first * dynamics.learning_rate, last * dynamics.learning_rate)


def test_a_descent_that_diverges() -> None:
    """η = 3/λ_1: the largest components grow, the cost with them, and its end is no number."""
    rate = 3.0 / float(trained().eigenvalues[0])
    for known in (HELD, Noise(0.09)):
        found = early_stopping(trained(GradientDescent(rate), start="ensemble"), known)
        assert found.end == found.saved == math.inf
        assert not bool(found.costs.isnan().any())
        assert found.time in (0.0, rate, 2 * rate)


@pytest.mark.parametrize(
    ("dynamics", "ensemble", "ridge"), [(Flow(), True, 0.0), (Flow(), False, 1e-2), (GradientDescent(2.0), True, 1e-2)]
)
def test_the_estimate_is_unbiased(dynamics: Dynamics, ensemble: bool, ridge: float) -> None:
    """At all times. C_p is quadratic in the noise: its mean over ±s√n e_i is that over noise of covariance s²I."""
    n, variance = 12, 0.2
    signal, start = SIGNAL[:n], "ensemble" if ensemble else Start(0.2 * SIGNAL[:n].flip(0))

    def told(y: torch.Tensor) -> Gaussian:
        kernels = Blocks(NTK.train[:n, :n]), Blocks(NNGP.train[:n, :n])
        return gaussian(*kernels, y, [0.0], dynamics=dynamics, start=start, ridge=ridge, covariance="diagonal")  # type: ignore[arg-type]

    draws = [
        early_stopping(told(signal + sign * direction[:, None]), Noise(variance))
        for direction in (variance * n) ** 0.5 * torch.eye(n, dtype=torch.float64)
        for sign in (-1.0, 1.0)
    ]
    mean, g, unit = (
        torch.stack([found.costs for found in draws]).mean(dim=0),
        told(signal),
        smoother(dynamics, ridge, n),
    )
    for time, value in zip(draws[0].times.tolist(), mean.tolist(), strict=True):
        # f_t of noiseless targets, the noise that A_t lets through to each output, and that of new targets.
        fitted, a = g.train_at(time), unit.train_at(time).mean
        true = float(cost(fitted.mean, fitted.variance, signal)) + K * variance * (float(a.square().sum()) / n + 1) / 2
        assert value == pytest.approx(true, rel=1e-11)


def test_one_point_twice_with_two_targets() -> None:
    """A singular kernel: what can't be learned stays, and costs are numbers at every time."""
    x = torch.cat([X[:10], X[:10]])
    y = torch.cat([TARGETS[:10], -TARGETS[:10] + 0.1])
    ntk, nngp = blocks(x, X[N:])
    g = gaussian(ntk, nngp, y, [0.0], covariance="diagonal")
    assert int((g.eigenvalues > 0).sum()) == 10
    for known in (HELD, Noise(0.5)):
        found = early_stopping(g, known)
        assert bool(found.costs.isfinite().all())
        assert all(math.isfinite(x) for x in (found.cost, found.start, found.end))
        assert found.cost <= min(found.start, found.end)
    assert early_stopping(g, HELD).end == pytest.approx(held_out(g, math.inf), rel=1e-14)


def test_a_kernel_that_is_zero() -> None:
    zero = torch.zeros(N, N, dtype=torch.float64)
    g = gaussian(Blocks(zero, zero), None, TARGETS[:N], [0.0], start="zero")
    for known in (HeldOut(TARGETS[:N]), Noise(0.1)):
        found = early_stopping(g, known)
        assert found.interval == (0.0, math.inf)
        assert found.saved == 0.0
        assert found.cost == found.start == pytest.approx(float(TARGETS[:N].square().sum()) / (2 * N))


def test_never_and_for_ever() -> None:
    """Targets held out that are the opposite of what is learned, and the very targets."""
    g = gaussian(NTK._replace(cross=NTK.train), None, TARGETS[:N], [0.0], start="zero")
    never = early_stopping(g, HeldOut(-TARGETS[:N]))
    assert never.time == never.interval[0] == 0.0
    assert never.cost == never.start < never.end
    ever = early_stopping(g, HeldOut(TARGETS[:N]))
    assert ever.time == ever.interval[1] == math.inf
    assert ever.saved == 0.0
    assert ever.cost == ever.end < 1e-20
    # Without noise, and with more than there is to learn.
    assert early_stopping(g, Noise(0.0)).time == math.inf
    assert early_stopping(g, Noise(1e3)).time == 0.0


def test_the_lower_of_two_valleys() -> None:
    """One output goes up with λ_1 = 1 and down with λ_2 = 10⁻⁴, past its target twice; another is right once."""
    lam = torch.tensor([1.0, 1e-4], dtype=torch.float64)
    y = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    times = [math.log(2), 1e4 * math.log(2)]
    for right in (0, 1):
        # m(t) = 2(1 − e^{−t}) − 2(1 − e^{−t/10⁴}) is 1 near ln 2 and near 10⁴ ln 2; the second row prefers one of them.
        cross = torch.tensor([[2.0, -2.0], [0.0, 0.01 if right else -0.01]], dtype=torch.float64) * lam * 2
        g = gaussian(Blocks(torch.diag(2 * lam), cross), None, y, [0.0], start="zero")
        found = early_stopping(g, HeldOut(torch.tensor([[1.0], [0.005]], dtype=torch.float64)))
        valleys = (found.costs[1:-1] < found.costs[:-2]) & (found.costs[1:-1] < found.costs[2:])
        assert int(valleys.sum()) == 2
        assert found.time == pytest.approx(times[right], rel=0.02)
        assert found.interval[0] > times[0] / 2 if right == 0 else found.interval[0] > 1e3


def test_on_a_device(device: str) -> None:
    def moved(kernel: Blocks) -> Blocks:
        return Blocks(*(None if part is None else part.to(device) for part in kernel))  # type: ignore[arg-type]

    g = gaussian(moved(NTK), moved(NNGP), TARGETS[:N].to(device), [0.0], covariance="diagonal")
    here = gaussian(NTK, NNGP, TARGETS[:N], [0.0], covariance="diagonal")
    for known, other in ((HELD, HeldOut(HELD.y.to(device))), (Noise(0.09), Noise(0.09))):
        a, b = early_stopping(here, known), early_stopping(g, other)
        assert b.costs.device.type == device
        assert b.cost == pytest.approx(a.cost, rel=1e-12)
        assert b.time == pytest.approx(a.time, rel=1e-6)


@pytest.mark.parametrize(
    ("known", "slack", "message"),
    [
        (HeldOut(TARGETS), 0.01, "row for each of 30"),
        (HeldOut(TARGETS[N:, :1]), 0.01, "column for each output"),
        (HeldOut(TARGETS[N:] * math.nan), 0.01, "finite"),
        (Noise(-1.0), 0.01, "noise"),
        (Noise(math.nan), 0.01, "noise"),
        (HELD, -0.1, "slack"),
        (HELD, math.inf, "slack"),
    ],
)
def test_what_is_refused(known: HeldOut | Noise, slack: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        early_stopping(trained(), known, slack=slack)


def test_held_out_points_are_needed() -> None:
    g = gaussian(Blocks(NTK.train), None, TARGETS[:N], [0.0], start="zero")
    with pytest.raises(ValueError, match="no test points"):
        early_stopping(g, HELD)
    assert early_stopping(g, Noise(0.09)).cost > 0
