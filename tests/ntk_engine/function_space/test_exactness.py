"""Singular and nearly singular kernels at every time, against 50 digits: right to 1e-9, and within the stated bounds.

The kernels are taken as they are, in float64; equal inputs have equal rows.
"""

import math
from functools import partial

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import function_space, infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space import Blocks, Dynamics, Flow, GradientDescent, posterior
from ntk_engine.function_space.graded import decompose
from tests.ntk_engine.function_space.exactly import DIGITS, Exact, furthest, largest

TIMES = [1e-6, 1.0, 1e3, 1e6, 1e9, 1e12, math.inf]
# How far near inputs are apart: ReLU's small eigenvalues are proportional to it, those of erf and GELU to its square.
APART = {"relu": [1e-3, 1e-6, 1e-9], "erf": [1e-3, 1e-5, 1e-6], "gelu": [1e-2, 1e-4]}


def kernels(activation: str, n: int = 16) -> tuple[Blocks, Blocks, torch.Tensor]:
    """Θ and Σ of inputs of which two are equal and others nearly so, and targets that know nothing of it.

    Of the test points one is a training point, and one on the line through two near ones.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 5, dtype=torch.float64, generator=generator)
    for i, distance in enumerate(APART[activation]):
        x[n - 1 - i] = x[i] + distance * torch.randn(5, dtype=torch.float64, generator=generator)
    x[n // 2] = x[n // 2 - 1]
    test = torch.randn(4, 5, dtype=torch.float64, generator=generator)
    test[0], test[1] = x[0], 2 * x[n - 1] - x[0]
    network = mlp(3, activation, beta=0.1)
    train, cross, own = (infinite.kernel(network, *pair) for pair in ((x,), (test, x), (test,)))
    y = torch.randn(n, 2, dtype=torch.float64, generator=generator)
    return Blocks(train.ntk, cross.ntk, own.ntk), Blocks(train.nngp, cross.nngp, own.nngp), y


def left(dynamics: Dynamics, t: float, lam: mpf) -> mpf:
    """d_t(λ)."""
    if t == math.inf:
        return mpf(0)
    if isinstance(dynamics, GradientDescent):
        return (1 - mpf(dynamics.learning_rate) * lam) ** round(t / dynamics.learning_rate)
    return mpmath.exp(-mpf(t) * lam)


CASES = [(name, Flow(), 0.0, TIMES) for name in APART]
CASES += [("relu", GradientDescent(1.0), 0.0, [1.0, 1e6, 1e12, math.inf])]
CASES += [(name, Flow(), 1e-10, [1.0, 1e6, 1e12, math.inf]) for name in ("relu", "gelu")]


@pytest.mark.parametrize(("activation", "dynamics", "ridge", "times"), CASES)
def test_near_duplicates_at_every_time(activation: str, dynamics: Dynamics, ridge: float, times: list[float]) -> None:
    ntk, nngp, y = kernels(activation)
    g = function_space.gaussian(ntk, nngp, y, times, dynamics=dynamics, ridge=ridge)
    with mpmath.workdps(DIGITS):
        exact, r = Exact(ntk, nngp, y, rank=len(y) - 1), mpf(ridge)
        for t, (train, test) in zip(times, g, strict=True):
            decay = partial(left, dynamics, t)
            assert test is not None
            _agree(test, *exact.test(lambda lam, d=decay: (1 - d(lam + r)) / (lam + r)))
            _agree(train, *exact.train(lambda lam, d=decay: (r + lam * d(lam + r)) / (lam + r)))


def _agree(found: function_space.Moments, mean: mpmath.matrix, covariance: mpmath.matrix) -> None:
    """To 1e-9 of the largest entry, and to the stated bound, which knows nearly as much."""
    assert found.covariance is not None
    assert found.covariance_bound is not None
    for value, exact, bound in (
        (found.mean, mean, float(found.mean_bound)),
        (found.covariance, covariance, float(found.covariance_bound)),
    ):
        error, size = furthest(value, exact), largest(exact)
        # A covariance that is 0, or nearly, is what two words leave of numbers of the size of 1: (2^−100)².
        assert error <= 1e-9 * size + 2.0**-180
        assert error <= bound
        assert bound <= 1e-9 * max(size, 1.0)


@pytest.mark.parametrize("activation", APART)
def test_posteriors_of_near_duplicates(activation: str) -> None:
    """Without noise the posterior of GP(0, K) is what f_0 ~ GP(0, K) ends at when it learns with K."""
    *both, y = kernels(activation)
    for i, kernel in enumerate(both):
        # Σ of ReLU is smooth where Θ is not: inputs 1e-9 apart have an eigenvalue of 1e-18 there, which is rounding.
        rank = len(y) - (2 if activation == "relu" and i == 1 else 1)
        with mpmath.workdps(DIGITS):
            expected = Exact(kernel, kernel, y, rank).test(lambda lam: 1 / lam)
            _agree(posterior(kernel, y), *expected)


@pytest.mark.parametrize("activation", APART)
def test_small_eigenvalues_are_right_relative_to_themselves(activation: str) -> None:
    ntk, _, y = kernels(activation)
    found = decompose(ntk.train)
    with mpmath.workdps(DIGITS):
        exact = list(mpmath.eigsy(mpmath.matrix(ntk.train.tolist()) / len(y), eigvals_only=True))[::-1]
        assert found.rank == len(y) - 1
        assert float(exact[found.rank - 1] / exact[0]) < 1e-8
        for value, expected in zip(found.values.tolist(), exact, strict=True):
            assert abs(float(value - expected)) <= float(found.values_bound) <= 1e-13 * float(exact[0])
        # Above 2^−14 λ_1 or in a matrix that is so much smaller: 2^−52 · 2^14 times the constant of a decomposition.
        for value, expected in zip(found.values.tolist()[: found.rank], exact, strict=False):
            assert abs(float(value / expected) - 1) <= 2.0**-38 * 10


def test_the_null_space_of_the_circle() -> None:
    """Without a bias, two layers of ReLU on 200 points have rank 102 (odd frequencies above 1 are missing)."""
    angles = torch.arange(200, dtype=torch.float64) * (2 * math.pi / 200)
    x = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert decompose(infinite.kernel(mlp(2, "relu", beta=0.0), x).ntk).rank == 102


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_no_kernel_at_all_and_kernels_of_any_size(scale: float) -> None:
    """f of a kernel of zeros stays what it was; λt decides what a kernel of another size does."""
    none = decompose(torch.zeros(3, 3, dtype=torch.float64))
    assert none.rank == 0
    assert bool((none.values == 0).all())
    k = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    found = decompose(scale * k)
    torch.testing.assert_close(found.values / scale, torch.tensor([1.5, 0.5], dtype=torch.float64))


def test_negative_eigenvalues_are_refused() -> None:
    k = torch.diag(torch.tensor([1.0, -1e-6], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"no negative eigenvalues, and this one has -1\.0e-06"):
        decompose(k)


def test_a_basis_is_orthonormal() -> None:
    ntk, _, y = kernels("erf")
    u = decompose(ntk.train).basis.high
    torch.testing.assert_close(u.mT @ u, torch.eye(len(y), dtype=torch.float64), rtol=0, atol=1e-14)
