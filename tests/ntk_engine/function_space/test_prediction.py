"""f_t against its slow twins: steps one by one, the exponential of a matrix, parameters that decay."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

from ntk_engine.function_space import Blocks, Dynamics, Flow, GradientDescent, Start, bounds, cost, gaussian, posterior
from ntk_engine.function_space.points import Moments

N, TEST = 8, 5
INF = math.inf


def case(seed: int = 0, k: int = 2, rank: int = 12) -> tuple[Blocks, Blocks, torch.Tensor]:
    """Θ and Σ, Gram matrices of features of N + TEST points, and targets."""
    generator = torch.Generator().manual_seed(seed)
    grams = []
    for _ in range(2):
        features = torch.randn(N + TEST, rank, dtype=torch.float64, generator=generator) / rank**0.5
        gram = features @ features.mT
        grams.append(Blocks(gram[:N, :N], gram[N:, :N], gram[N:, N:]))
    return grams[0], grams[1], torch.randn(N, k, dtype=torch.float64, generator=generator)


def ensemble(ntk: Blocks, nngp: Blocks, y: torch.Tensor, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance on training and test points of f_0 + A (y − f_0(X)), by the joint covariance of f_0."""
    assert nngp.cross is not None
    assert nngp.test is not None
    joint = torch.cat([torch.cat([nngp.train, nngp.cross.mT], dim=1), torch.cat([nngp.cross, nngp.test], dim=1)])
    rest = torch.eye(N + TEST, dtype=a.dtype)
    rest[:, :N] -= a
    return a @ y, rest @ joint @ rest.mT


def whole(ntk: Blocks) -> torch.Tensor:
    """K and κ, one above the other."""
    assert ntk.cross is not None
    return torch.cat([ntk.train, ntk.cross])


def assert_is(found: tuple[Moments, Moments | None], mean: torch.Tensor, covariance: torch.Tensor) -> None:
    for part, rows in zip(found, (slice(N), slice(N, None)), strict=True):
        assert part is not None
        assert part.covariance is not None
        torch.testing.assert_close(part.mean, mean[rows], rtol=0, atol=1e-11)
        torch.testing.assert_close(part.covariance, covariance[rows, rows], rtol=0, atol=1e-11)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_descent_is_its_steps(momentum: float, ridge: float) -> None:
    """f ← f − η v, v ← μ v + K/N (f − y) + r (f − f_0), linear in y − f_0: h = A (y − f_0)."""
    ntk, nngp, y = case()
    rate, steps = 1.5, 40
    h, v = torch.zeros(N + TEST, N, dtype=torch.float64), torch.zeros(N + TEST, N, dtype=torch.float64)
    k, one = whole(ntk) / N, torch.eye(N, dtype=torch.float64)
    for _ in range(steps):
        v = momentum * v + k @ (h[:N] - one) + ridge * h
        h = h - rate * v
    dynamics = GradientDescent(rate, momentum)
    g = gaussian(ntk, nngp, y, [rate * steps], dynamics=dynamics, ridge=ridge)
    assert_is(next(iter(g)), *ensemble(ntk, nngp, y, h))


@pytest.mark.parametrize("t", [0.3, 20.0])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_flow_is_the_exponential_of_a_matrix(t: float, ridge: float) -> None:
    """h' = −(K/N + r) h + K/N on all points: one exponential of the system with its constant."""
    ntk, nngp, y = case()
    total = N + TEST
    system = torch.zeros(total + N, total + N, dtype=torch.float64)
    system[:total, :N] = -whole(ntk) / N
    system[:total, :total] -= ridge * torch.eye(total, dtype=torch.float64)
    system[:total, total:] = whole(ntk) / N
    with mpmath.workdps(40):
        power = mpmath.expm(mpmath.matrix((t * system).tolist()))
        a = torch.tensor([[float(power[i, total + j]) for j in range(N)] for i in range(total)], dtype=torch.float64)
    g = gaussian(ntk, nngp, y, [t], ridge=ridge)
    assert_is(next(iter(g)), *ensemble(ntk, nngp, y, a))


def test_a_ridge_is_weight_decay_towards_the_first_parameters() -> None:
    """Of f = f_0 + J(θ − θ_0): θ ← θ − η (Jᵀ(f − y)/N + r (θ − θ_0))."""
    generator = torch.Generator().manual_seed(3)
    j = torch.randn(N + TEST, 20, dtype=torch.float64, generator=generator) / 20**0.5
    y, f_0 = (torch.randn(m, 2, dtype=torch.float64, generator=generator) for m in (N, N + TEST))
    change = torch.zeros(20, 2, dtype=torch.float64)
    rate, ridge, steps = 0.7, 0.1, 30
    for _ in range(steps):
        change = change - rate * (j[:N].mT @ (f_0[:N] + j[:N] @ change - y) / N + ridge * change)
    ntk = Blocks(j[:N] @ j[:N].mT, j[N:] @ j[:N].mT)
    start, dynamics = Start(f_0[:N], f_0[N:]), GradientDescent(rate)
    g = gaussian(ntk, None, y, [rate * steps], dynamics=dynamics, start=start, ridge=ridge)
    for part, rows in ((g.train, slice(N)), (g.test, slice(N, None))):
        torch.testing.assert_close(part.mean[0], (f_0 + j @ change)[rows], rtol=0, atol=1e-12)
        assert part.variance is None
        assert part.covariance is None


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_posterior_is_that_of_gaussian_processes(noise: float) -> None:
    ntk, nngp, y = case()
    for kernel in (ntk, nngp):
        assert kernel.cross is not None
        assert kernel.test is not None
        weights = torch.linalg.solve(kernel.train + noise * torch.eye(N, dtype=torch.float64), kernel.cross.mT).mT
        found = posterior(kernel, y, noise=noise)
        torch.testing.assert_close(found.mean, weights @ y, rtol=0, atol=1e-11)
        torch.testing.assert_close(found.covariance, kernel.test - weights @ kernel.cross.mT, rtol=0, atol=1e-11)
        variance = posterior(
            kernel._replace(test=kernel.test.diagonal()), y, noise=noise, covariance="diagonal"
        ).variance
        torch.testing.assert_close(variance, found.variance, rtol=0, atol=1e-13)
    assert float((posterior(ntk, y).mean - gaussian(ntk, None, y, [INF], start="zero").test.mean[0]).abs().max()) == 0.0


DYNAMICS = st.sampled_from([Flow(), GradientDescent(0.5), GradientDescent(0.5, 0.9)])
TIMES = st.sampled_from([0.5, 3.0, 1e3, 1e9, INF])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), rank=st.sampled_from([3, 12]), dynamics=DYNAMICS, t=TIMES)
def test_properties(seed: int, rank: int, dynamics: Dynamics, t: float) -> None:
    """The prior at t = 0; training points as test points; outputs that know nothing of one another; covariances."""
    ntk, nngp, y = case(seed, rank=rank)
    prior = gaussian(ntk, nngp, y, [0.0], dynamics=dynamics).test
    assert bool((prior.mean == 0).all())
    torch.testing.assert_close(prior.covariance, None if nngp.test is None else nngp.test[None], rtol=0, atol=1e-14)
    same = gaussian(
        *(Blocks(kernel.train, kernel.train, kernel.train) for kernel in (ntk, nngp)), y, [t], dynamics=dynamics
    )
    for train, test in zip(same.train[:3], same.test[:3], strict=True):
        torch.testing.assert_close(train, test, rtol=0, atol=1e-9)
    g = gaussian(ntk, nngp, y, [t], dynamics=dynamics).test
    for i in range(2):
        alone = gaussian(ntk, nngp, y[:, i], [t], dynamics=dynamics, covariance="diagonal").test
        torch.testing.assert_close(alone.mean[..., 0], g.mean[..., i], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone.variance, g.variance, rtol=0, atol=1e-12)
        assert alone.covariance is None
    bare = gaussian(ntk, None, y, [t], dynamics=dynamics, covariance="none").test
    assert bool((bare.mean == g.mean).all())
    assert bare.variance is None
    assert bool(g.mean.isfinite().all())


@pytest.mark.parametrize("t", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("dynamics", [Flow(), GradientDescent(0.5, 0.5)])
def test_bounds_follow_a_perturbation_that_is_known(t: float, dynamics: Dynamics) -> None:
    """K/N + E with |E| = 1e-7, whose columns take the place of residuals: above what changes, and not by 100."""
    ntk, nngp, y = case()
    generator = torch.Generator().manual_seed(9)
    e = torch.randn(N, N, dtype=torch.float64, generator=generator) * 1e-8
    e = e + e.mT
    exact = gaussian(ntk, nngp, y, [t], dynamics=dynamics)
    moved = gaussian(ntk._replace(train=ntk.train + N * e), nngp, y, [t], dynamics=dynamics)
    u = moved.train_points.shared.found.basis.high
    residuals = torch.linalg.vector_norm(u.mT @ e @ u, dim=0).max().expand(N)
    found = replace(moved.train_points.shared.found, residuals=residuals)
    shared = replace(moved.train_points.shared, found=found)
    assert moved.test_points is not None
    for points, expected in (
        (replace(moved.train_points, shared=shared), exact.train_at(t)),
        (replace(moved.test_points, shared=shared), exact.test_at(t)),
    ):
        got = points.at(t)
        assert got.covariance is not None
        assert got.covariance_bound is not None
        for value, truth, bound in (
            (got.mean, expected.mean, got.mean_bound),
            (got.covariance, expected.covariance, got.covariance_bound),
        ):
            change = float((value - truth).abs().max())
            assert change <= float(bound) <= 100 * change


def test_the_expected_cost_falls_and_ends_at_the_null_space() -> None:
    ntk, nngp, y = case(rank=5)
    g = gaussian(ntk, nngp, y, [0.0, 1.0, 10.0, 100.0, INF])
    costs = cost(g.train.mean, g.train.variance, y)
    assert bool((costs.diff() < 0).all())
    first = (y.square().sum() + 2 * nngp.train.trace()) / (2 * N)
    torch.testing.assert_close(costs[0], first)
    # Three directions of eight are out of the kernel's reach.
    u = torch.linalg.eigh(ntk.train).eigenvectors[:, :3]
    last = ((u.mT @ y).square().sum() + 2 * (u.mT @ nngp.train @ u).trace()) / (2 * N)
    torch.testing.assert_close(costs[-1], last)


@pytest.mark.parametrize("dynamics", [Flow(), GradientDescent(0.1, 0.9)])
def test_means_are_f_0_at_first_and_known_exactly(dynamics: Dynamics) -> None:
    ntk, nngp, y = case()
    start = Start(y.flip(0), y[:TEST])
    at = next(iter(gaussian(ntk, nngp, y, [0.0], dynamics=dynamics, start=start, ridge=0.3)))
    for part, first in zip(at, start, strict=True):
        assert part is not None
        assert first is not None
        assert torch.equal(part.mean, first)
        assert float(part.mean_bound) == 0.0


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("t", [2000.0, 1e9, INF])
def test_what_diverges_is_no_nan(t: float, momentum: float) -> None:
    """Beyond 2(1 + μ)/λ_1, with a component that is 0 and a null space."""
    ntk, nngp, y = case(rank=5)
    rate = 2.1 * (1 + momentum) / float(torch.linalg.eigvalsh(ntk.train)[-1] / N)
    y = y - ntk.train @ torch.linalg.lstsq(ntk.train, y).solution
    steps = t if t == INF else round(t) * rate
    for part in next(iter(gaussian(ntk, nngp, y, [steps], dynamics=GradientDescent(rate, momentum)))):
        assert part is not None
        for value in part:
            assert value is not None
            assert not bool(value.isnan().any())


def test_tensors_stay_on_their_device(device: str) -> None:
    ntk, nngp, y = case()
    moved = [Blocks(*(None if block is None else block.to(device) for block in kernel)) for kernel in (ntk, nngp)]
    for t in (1.0, INF):
        here, there = gaussian(ntk, nngp, y, [t]).test, gaussian(moved[0], moved[1], y.to(device), [t]).test
        for a, b in zip(here, there, strict=True):
            assert a is not None
            assert b is not None
            assert b.device.type == device
        torch.testing.assert_close(here.mean, there.mean.cpu(), rtol=0, atol=1e-11)
        torch.testing.assert_close(here.covariance, None if there.covariance is None else there.covariance.cpu())


def test_float32_kernels_are_singular_to_their_own_rounding() -> None:
    ntk, _, y = case(rank=5)
    single = Blocks(*(None if block is None else block.float() for block in ntk))
    found = gaussian(single, None, y, [INF], start="zero").test
    assert found.mean.dtype == torch.float64
    expected = gaussian(ntk, None, y, [INF], start="zero").test.mean
    np.testing.assert_allclose(found.mean, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


FAULTS = {
    "square": (lambda ntk, nngp, y: gaussian(ntk._replace(train=ntk.train[1:]), nngp, y, [1.0])),
    "column for each": (lambda ntk, nngp, y: gaussian(ntk._replace(cross=ntk.cross[:, 1:]), nngp, y, [1.0])),
    "nngp.test has the shape": (lambda ntk, nngp, y: gaussian(ntk, nngp._replace(test=None), y, [1.0])),
    "same test points": (lambda ntk, nngp, y: gaussian(ntk, nngp._replace(cross=None), y, [1.0])),
    "same training points": (lambda ntk, nngp, y: gaussian(ntk, Blocks(nngp.train[1:, 1:]), y, [1.0])),
    "row for each": (lambda ntk, nngp, y: gaussian(ntk, nngp, y[1:], [1.0])),
    "times rise": (lambda ntk, nngp, y: gaussian(ntk, nngp, y, [1.0, 1.0])),
    "a time is": (lambda ntk, nngp, y: gaussian(ntk, nngp, y, [-1.0])),
    "a ridge is": (lambda ntk, nngp, y: gaussian(ntk, nngp, y, [1.0], ridge=-1.0)),
    "needs the kernel nngp": (lambda ntk, nngp, y: gaussian(ntk, None, y, [1.0])),
    "y needs finite": (lambda ntk, nngp, y: gaussian(ntk, nngp, y / 0, [1.0])),
    "train needs finite": (lambda ntk, nngp, y: gaussian(ntk._replace(train=ntk.train / 0), nngp, y, [1.0])),
    "f_0 on the test points": (lambda ntk, nngp, y: gaussian(ntk, None, y, [1.0], start=Start(y))),
    "no test points": (lambda ntk, nngp, y: gaussian(Blocks(ntk.train), Blocks(nngp.train), y, [1.0]).test),
    "a noise is": (lambda ntk, nngp, y: posterior(ntk, y, noise=-1.0)),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_faults_are_said(sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FAULTS[sentence](*case())


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("t", [1e-3, 1.0, 30.0, 1e4, INF])
def test_bounds_by_half_octaves_are_those_of_all_pairs(t: float, equal: bool) -> None:
    """Never below what F_ij at 50 digits come to, and above that of all pairs by √2 at most, as 1/(λ_i λ_j) is."""
    ntk, _, y = case(rank=5)
    n, rank, ridge = 60, 55, 1e-3
    shared = gaussian(ntk, None, y, [t], start="zero", ridge=ridge).train_points.shared
    lam = torch.logspace(0, -12, n, dtype=torch.float64)
    lam[rank:] = 0.0
    reach = torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * lam.sqrt() + 1e-9
    rho = torch.full_like(lam, 1e-15)
    if not equal:
        rho[25:] = 1e-20
    found = replace(shared.found, values=lam, residuals=rho, rank=rank)
    shared = replace(shared, found=found)
    for function, exact in ((shared.gain, exact_gain), (shared.left, exact_left)):
        every, few = (
            bounds.moved(found, partial(function, t=t), function(lam, t), reach, convex=convex)
            for convex in (False, True)
        )
        with mpmath.workdps(50):
            divided = differences([mpf(x) for x in lam.tolist()[:rank]], n, lambda x, f=exact: f(x, mpf(ridge), t))
        sizes = (reach[:, None] * divided).square()
        above = rho[:, None] >= rho
        larger = torch.where(above, sizes, 0.0).sum(dim=0).sqrt() * rho
        smaller = torch.where(above, 0.0, sizes * rho[:, None].square()).sum(dim=0).sqrt() * n**0.5
        # A step of 10⁻⁶ λ is that far from a slope.
        assert bool((few >= (larger + smaller) * (1 - 2e-6)).all())
        assert bool((few <= every * 2**0.5 * (1 + 1e-5)).all())


def exact_gain(lam: mpf | None, r: mpf, t: float) -> mpf:
    """g_t(λ + r); 0 on the null space."""
    return mpf(0) if lam is None else (1 - mpmath.exp(-mpf(t) * (lam + r))) / (lam + r)


def exact_left(lam: mpf | None, r: mpf, t: float) -> mpf:
    """1 − λ g_t(λ + r); 1 on the null space."""
    return mpf(1) if lam is None else 1 - lam * exact_gain(lam, r, t)


def differences(lam: list[mpf], n: int, f: Callable[[mpf | None], mpf]) -> torch.Tensor:
    """|F_ij| (n×n), of eigenvalues and of n − rank zeros; slopes on the diagonal."""
    found = torch.zeros(n, n, dtype=torch.float64)
    places, values = lam + [mpf(0)] * (n - len(lam)), [f(x) for x in lam] + [f(None)] * (n - len(lam))
    for i in range(n):
        for j in range(n):
            if places[i] != places[j]:
                found[i, j] = float(abs((values[i] - values[j]) / (places[i] - places[j])))
            elif i < len(lam):
                found[i, j] = float(abs(mpmath.diff(f, lam[i], h=lam[i] * mpf("1e-20"))))
    return found
