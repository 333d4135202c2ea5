"""The end of training by a factor, against 50 digits: within the stated bounds, or none where they would be wide."""

import math

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.function_space import Blocks, Start, final, gaussian
from ntk_engine.function_space.points import Moments
from tests.ntk_engine.function_space.exactly import DIGITS, Exact, furthest, largest
from tests.ntk_engine.function_space.test_exactness import kernels

N, TEST, INF = 20, 4, math.inf


def case(decades: float, k: int = 2) -> tuple[Blocks, Blocks, torch.Tensor]:
    """Θ of so wide a spectrum and Σ, both Gram matrices of N + TEST points, and targets."""
    generator = torch.Generator().manual_seed(0)
    grams = []
    for spread in (decades, 1.0):
        vectors = torch.randn(N + TEST, N + TEST, dtype=torch.float64, generator=generator)
        q = torch.linalg.qr(vectors).Q * torch.logspace(0, -spread / 2, N + TEST, dtype=torch.float64)
        gram = q @ q.mT
        gram = (gram + gram.mT) / 2
        grams.append(Blocks(gram[:N, :N], gram[N:, :N], gram[N:, N:]))
    return grams[0], grams[1], torch.randn(N, k, dtype=torch.float64, generator=generator)


def assert_within(found: Moments, mean: mpmath.matrix, covariance: mpmath.matrix) -> None:
    """Bounds are those of all errors, and no wider than 1e-9 of what is there."""
    assert found.covariance is not None
    assert found.covariance_bound is not None
    assert furthest(found.mean, mean) <= float(found.mean_bound) <= 1e-9 * 3
    assert furthest(found.covariance, covariance) <= float(found.covariance_bound) <= 1e-9 * max(1, largest(covariance))


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
@pytest.mark.parametrize("decades", [0.5, 2.0, 4.0])
def test_the_end_at_fifty_digits(decades: float, ridge: float, device: str) -> None:
    ntk, nngp, y = case(decades)
    moved = [Blocks(*(None if block is None else block.to(device) for block in kernel)) for kernel in (ntk, nngp)]
    found = final(moved[0], moved[1], y.to(device), ridge=ridge)
    assert found is not None
    assert found.test is not None
    with mpmath.workdps(DIGITS):
        exact, r = Exact(ntk, nngp, y, rank=N), mpf(ridge)
        assert_within(found.test, *exact.test(lambda lam: 1 / (lam + r)))
        assert_within(found.train, *exact.train(lambda lam: r / (lam + r)))
    assert found.test.mean.device.type == device


@pytest.mark.parametrize("decades", [6.0, 8.0])
def test_means_are_known_where_covariances_are_not(decades: float) -> None:
    """A weight of 10⁸ and a product in which it cancels: κw is right to what y is."""
    ntk, nngp, y = case(decades)
    found = final(ntk, None, y, start="zero")
    assert found is not None
    assert found.test is not None
    with mpmath.workdps(DIGITS):
        mean, _ = Exact(ntk, nngp, y, rank=N).test(lambda lam: 1 / lam)
        size = max(1.0, largest(mean))
        assert furthest(found.test.mean, mean) <= float(found.test.mean_bound)
        assert furthest(found.test.mean, mean) <= 1e-13 * size


def test_a_given_start_and_variances_alone() -> None:
    ntk, nngp, y = case(2.0)
    start = Start(2 * y, torch.ones(TEST, 2, dtype=torch.float64))
    for ridge in (0.0, 0.1):
        given, expected = (
            final(ntk, None, y, start=start, ridge=ridge),
            gaussian(ntk, None, y, [INF], start=start, ridge=ridge),
        )
        assert given is not None
        assert given.test is not None
        torch.testing.assert_close(given.test.mean, expected.test.mean[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(given.train.mean, expected.train.mean[0], rtol=0, atol=1e-12)
        assert given.train.variance is None
        whole, own = (final(ntk, nngp, y, ridge=ridge, covariance=some) for some in ("full", "diagonal"))
        assert whole is not None
        assert own is not None
        for all_of_it, alone in ((whole.train, own.train), (whole.test, own.test)):
            assert all_of_it is not None
            assert alone is not None
            assert alone.covariance is None
            torch.testing.assert_close(alone.variance, all_of_it.variance, rtol=0, atol=1e-13)
    diagonal = final(
        ntk, nngp._replace(test=None if nngp.test is None else nngp.test.diagonal()), y, covariance="diagonal"
    )
    assert diagonal is not None


def test_singular_kernels_are_left_to_the_decomposition() -> None:
    """Duplicates have none, but with a ridge, and float32 has none where its rounding is as large as an eigenvalue."""
    near, both, y = kernels("relu")
    assert final(near, both, y) is None
    assert final(near, None, y, start="zero", ridge=1e-18) is None
    found, expected = final(near, both, y, ridge=0.01), gaussian(near, both, y, [INF], ridge=0.01)
    assert found is not None
    assert found.test is not None
    torch.testing.assert_close(found.test.mean, expected.test.mean[0], rtol=0, atol=1e-11)
    torch.testing.assert_close(found.test.covariance, expected.test.covariance[0], rtol=0, atol=1e-11)
    ntk, _, y = case(7.0)
    assert final(ntk, None, y, start="zero") is not None
    assert final(Blocks(*(None if x is None else x.float() for x in ntk)), None, y, start="zero") is None
    assert final(Blocks(torch.zeros(3, 3)), None, torch.ones(3), start="zero") is None


def test_faults_are_said() -> None:
    ntk, nngp, y = case(1.0)
    with pytest.raises(ValueError, match="row for each"):
        final(ntk, nngp, y[1:])
    with pytest.raises(ValueError, match="f_0 on the test points"):
        final(ntk, None, y, start=Start(y))
    with pytest.raises(ValueError, match="needs the kernel nngp"):
        final(ntk, None, y)
    with pytest.raises(ValueError, match="a ridge is"):
        final(ntk, None, y, start="zero", ridge=-1.0)
