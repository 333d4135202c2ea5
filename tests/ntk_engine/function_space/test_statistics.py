"""Percentiles, samples, costs and accuracies."""

import math

import mpmath
import pytest
import torch

from ntk_engine.costs import Cost, CrossEntropy, Direction, Huber, LeastSquares, Logistic
from ntk_engine.function_space import (
    accuracy,
    accuracy_bound,
    cost,
    cost_bound,
    expected_accuracy,
    expected_accuracy_bound,
    percentile_bound,
    percentiles,
    sampled,
    samples,
)


def test_percentiles_of_normal_numbers() -> None:
    mean = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]], dtype=torch.float64)
    found = percentiles(mean, torch.tensor([[4.0], [0.0]], dtype=torch.float64), [10, 50, 90])
    assert found.shape == (2, 3, 1, 2)
    # The 90th percentile of N(0, 1), of which the paper's 1.2816 is five digits.
    expected = 2 * 1.2815515655446004
    torch.testing.assert_close(found[0, :, 0, 1], mean.new_tensor([1 - expected, 1.0, 1 + expected]))
    assert bool((found[1] == mean[1]).all())


@pytest.mark.parametrize("level", [0, 100, math.nan])
def test_percentiles_that_are_none(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentiles(torch.zeros(1, 1), torch.zeros(1), [level])


def test_samples_of_a_singular_covariance(device: str) -> None:
    """Of rank 1, twice the same point and one that is certain: their means and products, within 5 standard errors."""
    factor = torch.tensor([[1.0], [1.0], [0.0]], dtype=torch.float64, device=device)
    mean = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float64, device=device)
    drawn = samples(mean, factor @ factor.mT, 40000, seed=1) - mean
    assert drawn.shape == (40000, 3, 2)
    assert float((drawn[:, 0] - drawn[:, 1]).abs().max()) < 1e-7
    assert float(drawn[:, 2].abs().max()) < 1e-7
    assert float(drawn.mean(dim=0).abs().max()) < 5 / 200
    assert float((drawn[:, 0].square().mean(dim=0) - 1).abs().max()) < 5 * math.sqrt(2) / 200
    assert float((drawn[:, 0, 0] * drawn[:, 0, 1]).mean().abs()) < 5 / 200
    assert bool((samples(mean, factor @ factor.mT, 5, seed=1) == samples(mean, factor @ factor.mT, 5, seed=1)).all())


def test_the_expected_cost_is_the_mean_cost_of_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    factor, mean, y = (torch.randn(6, m, dtype=torch.float64, generator=generator) for m in (6, 2, 2))
    covariance = factor @ factor.mT
    costs = (samples(mean, covariance, 20000, seed=0) - y).square().sum(dim=2).mean(dim=1) / 2
    expected = cost(mean, covariance.diagonal(), y)
    assert abs(float(costs.mean() - expected)) < 5 * float(costs.std()) / math.sqrt(20000)
    assert float(cost(mean, None, mean)) == 0.0


def test_accuracy_by_the_largest_output_and_by_sign() -> None:
    mean = torch.tensor([[0.9, 0.1], [0.2, 0.3], [0.6, 0.5]], dtype=torch.float64)
    assert float(accuracy(mean, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))) == pytest.approx(2 / 3)
    assert float(accuracy(mean[:, :1] - 0.5, torch.tensor([1.0, -1.0, -1.0]))) == pytest.approx(2 / 3)
    assert accuracy(mean.expand(4, 3, 2), mean).tolist() == [1.0] * 4


@pytest.mark.parametrize("level", [1e-20, 1e-3, 49.99999, 50.0, 50.0000001, 99.9, 99.999999, 99.9999999999])
def test_percentiles_far_out_are_within_their_bound(level: float) -> None:
    """Of means and variances that do not err: p near 1 would lose the digits of 1 − p, and say nothing of 10⁻²⁰."""
    mean, variance = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    none = torch.tensor(0.0, dtype=torch.float64)
    found, bound = float(percentiles(mean, variance, [level])), float(percentile_bound(variance, [level], none, none))
    with mpmath.workdps(50):
        tail = mpmath.mpf(min(level, 100 - level)) / 100  # 100 − level is exact
        z = mpmath.findroot(lambda z: mpmath.log(mpmath.ncdf(z)) - mpmath.log(tail), -((-2 * mpmath.log(tail)) ** 0.5))
        exact = mpmath.mpf(0.3) + (z if level <= 50 else -z) * mpmath.sqrt(2)
        assert abs(found - exact) <= bound + 2**-52 * 0.3
    assert bound <= 2**-52 * (4 * abs(float(z)) + 1) * math.sqrt(2) * (1 + 1e-9)


def test_bounds_of_what_is_read_off() -> None:
    """Of means and variances that are off by what they may be, either way."""
    generator = torch.Generator().manual_seed(8)
    mean, y = (torch.randn(20, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    variance = torch.rand(20, generator=generator, dtype=torch.float64)
    variance[0] = 0.0
    off, spread = (torch.tensor(bound, dtype=torch.float64) for bound in (1e-3, 1e-4))
    levels = [1.0, 30.0, 95.0]
    within = percentile_bound(variance, levels, off, spread)
    allowed = cost_bound(mean - y, off, spread)
    missed, changed = [], []
    for sign in (-1.0, 1.0):
        for other in (-1.0, 1.0):
            moved, wider = mean + sign * off * (mean - y).sign(), (variance + other * spread).clamp_min(0.0)
            found = percentiles(moved, wider, levels)
            missed.append(float((found - percentiles(mean, variance, levels)).abs().max()))
            change = cost(moved, wider, y) - cost(mean, variance, y)
            changed.append(abs(float(change)))
    assert 0.5 * float(within) < max(missed) <= float(within) * (1 + 1e-12)
    assert 0.9 * float(allowed) < max(changed) <= float(allowed) * (1 + 1e-12)


@pytest.mark.parametrize("cost", [LeastSquares(), CrossEntropy(), Logistic(), Huber(delta=0.3), Direction()])
@pytest.mark.parametrize("off", [1e-6, 0.1, 1e3])
def test_bounds_of_costs_that_are_far_off(cost: Cost, off: float) -> None:
    """Near, by d and its steepness; far, by the most that d can be where there is such; and no more than they must."""
    generator = torch.Generator().manual_seed(6)
    f = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    y = torch.nn.functional.one_hot(torch.randint(3, (30,), generator=generator), 3).double()
    y = y if isinstance(cost, CrossEntropy) else 2 * y - 1
    d, slope = cost.direction(f, y), cost.slope(3)
    bound = float(cost_bound(d, f.new_tensor(off), steepness=cost.steepness, slope=slope))
    assert bound <= slope * off * (1 + 1e-12)
    changes = [float((cost.value(f + off * sign * d.sign(), y) - cost.value(f, y)).mean().abs()) for sign in (-1, 1)]
    rounding = 1e-13 * (1 + off)
    assert max(changes) <= bound + rounding
    # Half of the slope is the other sign's.
    assert bound <= 2.5 * max(changes) + rounding
    for _ in range(10):
        moved = f + off * (2 * torch.rand(f.shape, generator=generator, dtype=torch.float64) - 1)
        assert abs(float((cost.value(moved, y) - cost.value(f, y)).mean())) <= bound + rounding
        assert float(cost.direction(moved, y).abs().sum(-1).max()) <= slope


@pytest.mark.parametrize("least", [1.0, 1e-4, 0.0])
def test_bounds_of_samples(least: float) -> None:
    """Of a mean and a covariance that are off by what they may be, regular and singular: the same numbers are drawn."""
    generator = torch.Generator().manual_seed(4)
    n, k = 12, 2
    q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    covariance = (q * torch.linspace(2.0, least, n, dtype=torch.float64)) @ q.mT
    covariance = (covariance + covariance.mT) / 2
    mean = torch.randn(n, k, generator=generator, dtype=torch.float64)
    off, spread = (torch.tensor(bound, dtype=torch.float64) for bound in (1e-9, 1e-8))
    exact = sampled(mean, covariance, 5, 3, off, spread)
    assert bool((exact.values == samples(mean, covariance, 5, 3)).all())
    worst = 0.0
    for _ in range(20):
        e = (2 * torch.rand(n, n, generator=generator, dtype=torch.float64) - 1) * spread
        e = (e + e.mT) / 2
        if least == 0.0:
            e = (q[:, -1:] @ q[:, -1:].mT) * spread  # what opens the null space the furthest
        moved = samples(mean + off, covariance + e, 5, 3)
        worst = max(worst, float((moved - exact.values).abs().max()))
    assert 1e-3 * float(exact.bound) < worst <= float(exact.bound)
    # Without errors of what is given there is rounding, which is √eps on a null space.
    rounding = sampled(mean, covariance, 5, 3, off * 0, spread * 0).bound
    assert float(rounding) < (1e-5 if least == 0.0 else 1e-11)


def test_how_many_points_may_be_judged_otherwise() -> None:
    """By every way to move two outputs by what they may be off."""
    mean = torch.tensor([[0.9, 0.1, 0.0], [0.3, 0.301, 0.0], [0.1, 0.5, 0.5015], [0.2, 0.2, 0.9]], dtype=torch.float64)
    y = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0]], dtype=torch.float64)
    for bound, expected in ((1e-4, 0.0), (6e-4, 0.25), (8e-4, 0.5), (0.5, 1.0)):
        off = torch.tensor(bound, dtype=torch.float64)
        assert float(accuracy_bound(mean, y, off)) == expected
        way = (2 * y - 1) * off * (1 + 1e-9)
        flipped = abs(float(accuracy(mean + way, y) - accuracy(mean - way, y)))
        assert flipped <= expected
    assert accuracy_bound(mean.expand(3, 4, 3), y, mean.new_tensor(1e-3)).tolist() == [0.5] * 3
    signs = accuracy_bound(torch.tensor([[1e-6], [-1.0]]), torch.ones(2), torch.tensor(1e-3))
    assert float(signs) == 0.5
    # Where means are certain, as those of t = 0 are, so is what equals 0 or another output.
    none, zeros = torch.tensor(0.0), torch.zeros(4, 3)
    assert float(accuracy_bound(zeros, y, none)) == float(accuracy_bound(zeros[:, :1], y[:, :1], none)) == 0.0


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_an_accuracy_as_expected_over_the_ensemble(k: int) -> None:
    """By 30 digits' quadrature of the same chances, one by one, and by draws of the outputs themselves."""
    generator = torch.Generator().manual_seed(k)
    mean = torch.randn(4, k, generator=generator, dtype=torch.float64)
    variance = torch.tensor([0.3, 2.0, 1e-4, 0.0], dtype=torch.float64)
    y = torch.randn(4, k, generator=generator, dtype=torch.float64)

    def chance(i: int) -> float:
        m, s, right = mean[i].tolist(), float(variance[i]) ** 0.5, int(y[i].argmax())
        others = [(m[right] - other) / s for j, other in enumerate(m) if j != right]
        if not others:
            return float(mpmath.ncdf(m[0] / s if float(y[i, 0]) > 0 else -m[0] / s))
        with mpmath.workdps(30):
            ends = [-12, *sorted({max(-12.0, min(12.0, -a)) for a in others}), 12]
            return float(mpmath.quad(lambda u: mpmath.npdf(u) * mpmath.fprod(mpmath.ncdf(a + u) for a in others), ends))

    sure = float(accuracy(mean[3:], y[3:]))
    found = float(expected_accuracy(mean, variance, y))
    assert found == pytest.approx((sum(map(chance, range(3))) + sure) / 4, abs=1e-13)
    drawn = mean + variance.sqrt()[:, None] * torch.randn(20_000, 4, k, generator=generator, dtype=torch.float64)
    right = accuracy(drawn, y)
    # Five standard errors.
    assert abs(float(right.mean()) - found) <= 5 * float(right.std()) / 20_000**0.5


@pytest.mark.parametrize("k", [1, 3])
def test_the_bound_of_an_expected_accuracy(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    mean, y = (torch.randn(50, k, generator=generator, dtype=torch.float64) for _ in range(2))
    variance = 0.1 + torch.rand(50, generator=generator, dtype=torch.float64)
    off, stretched = torch.tensor(1e-3, dtype=torch.float64), torch.tensor(2e-3, dtype=torch.float64)
    allowed = float(expected_accuracy_bound(mean, variance, y, off, stretched))
    value, worst = float(expected_accuracy(mean, variance, y)), 0.0
    towards = torch.where(y > 0, 1.0, -1.0) if k == 1 else 2.0 * (y == y.amax(dim=1, keepdim=True)) - 1.0
    for sign in (-1.0, 1.0):
        for stretch in (-1.0, 1.0):
            moved = expected_accuracy(mean + sign * towards * off, variance + stretch * stretched, y)
            worst = max(worst, abs(float(moved) - value))
    assert 0.2 * allowed < worst <= allowed
    none = torch.zeros((), dtype=torch.float64)
    assert float(expected_accuracy_bound(mean, variance, y, none, none)) < 1e-12
    # Where all is certain, and y's output well ahead, there is no doubt; where it is not ahead, there is.
    sure, tiny = torch.zeros(50, dtype=torch.float64), torch.tensor(1e-15, dtype=torch.float64)
    assert float(expected_accuracy_bound(y, sure, y, tiny, none)) < 1e-12
    assert float(expected_accuracy_bound(y, sure, y, tiny, tiny * tiny)) < 1e-12
    assert float(expected_accuracy_bound(y[:1], sure[:1], y[:1], 2 * y.abs().max(), none)) == pytest.approx(1.0)
