"""Random functions and their tangent kernels: against sums one by one, theory's moments, and the parameters θ."""

import math
from collections.abc import Iterator
from itertools import chain, islice

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf
from torch import Tensor

from ntk_engine import finite, infinite
from ntk_engine.architecture import Mlp, mlp
from ntk_engine.function_space import (
    Blocks,
    GaussianFunctions,
    GradientDescent,
    NetworkFunctions,
    expected_error,
    expected_error_bound,
    gaussian,
    random_kernels,
    random_predictions,
)
from ntk_engine.function_space.random_functions import root
from tests.ntk_engine.function_space.exactly import DIGITS, matrix

GENERATOR = torch.Generator().manual_seed(13)
X, OTHER = (torch.randn(n, 4, generator=GENERATOR, dtype=torch.float64) for n in (10, 4))
N, ALL = len(X), torch.cat([X, OTHER])
ARCH = mlp(3, beta=0.1)
WHOLE = infinite.kernel(ARCH, ALL).ntk
KERNEL = Blocks(WHOLE[:N, :N], WHOLE[N:, :N], WHOLE[N:, N:])
Y = torch.sin(2.0 * X[:, :2])
# What a mean of so many independent numbers is almost never off by, in its standard errors.
SURE = 5.0


def first(functions: Iterator[Tensor], count: int) -> Tensor:
    """The first functions of a stream."""
    found, size = [], 0
    while size < count:
        found.append(next(functions))
        size += len(found[-1])
    return torch.cat(found)[:count]


def test_the_sum_one_by_one() -> None:
    functions = GaussianFunctions.of(KERNEL, seed=3)
    some = first(iter(functions), 600)
    for of in random_kernels(KERNEL, functions, [1, 3, 255, 256, 257, 600]):
        twin = torch.zeros(N + 4, N, dtype=torch.float64)
        for f in some[: of.functions]:
            twin += torch.outer(f, f[:N]) / of.functions
        assert of.kernel.cross is not None
        # Sums of so many terms of at most some ten.
        torch.testing.assert_close(torch.cat(of.kernel[:2]), twin, rtol=0, atol=1e-12)  # type: ignore[arg-type]
        assert torch.equal(of.kernel.train, of.kernel.train.mT)
        left = of.kernel.train - KERNEL.train
        assert of.frobenius == pytest.approx(float(left.norm() / KERNEL.train.norm()), rel=1e-12)
        two = float(torch.linalg.matrix_norm(left, 2) / torch.linalg.matrix_norm(KERNEL.train, 2))
        assert of.operator == pytest.approx(two, rel=1e-12)


# Repeated rows and near twins: K is singular, and so is every K_P. And one of few dimensions, whose spectrum is steep.
HOSTILE = {
    "plain": WHOLE,
    "repeated": infinite.kernel(ARCH, torch.cat([X[:4], X[:4], X[:2] + 1e-7, OTHER])).ntk,
    "steep": infinite.kernel(mlp(2, beta=0.3), torch.linspace(0.0, 0.1, 14, dtype=torch.float64)[:, None]).ntk,
}


def exact_sum(some: Tensor) -> mpmath.matrix:
    """(1/P) Σ f ⊗ f of all points, 50 digits."""
    f = matrix(some)
    return f.T * f / len(some)


def blocks(whole: Tensor) -> Blocks:
    return Blocks(whole[:N, :N], whole[N:, :N], whole[N:, N:])


@pytest.mark.parametrize("name", HOSTILE)
def test_errors_of_kernels_at_fifty_digits(name: str) -> None:
    kernel = blocks(HOSTILE[name])
    functions = GaussianFunctions.of(kernel, seed=3)
    some, counts = first(iter(functions), 300), [1, 7, 300]
    with mpmath.workdps(DIGITS):
        k = matrix(kernel.train)
        values = mpmath.eigsy(k, eigvals_only=True)
        norm, largest = mpmath.norm(k, 2), max(abs(value) for value in values)
        for of in random_kernels(kernel, functions, counts):
            left = exact_sum(some[: of.functions, :N]) - k
            frobenius = mpmath.norm(left, 2) / norm
            operator = max(abs(value) for value in mpmath.eigsy(left, eigvals_only=True)) / largest
            missed = max(abs(float(of.frobenius - frobenius)), abs(float(of.operator - operator)))
            # Some ten units of sums of 256, of at most 10·trace, and of a norm of a hundred squares.
            assert missed <= of.error_bound <= 1e-13 * max(1.0, of.frobenius)
            expected = mpmath.sqrt((1 + (mpmath.fsum(k[i, i] for i in range(N)) / norm) ** 2) / of.functions)
            found = expected_error(kernel.train, of.functions)
            assert abs(float(found - expected)) <= expected_error_bound(found, N) <= 1e-13 * found


def limits(k: mpmath.matrix, cross: mpmath.matrix, times: list[float]) -> list[tuple[mpmath.matrix, mpmath.matrix]]:
    """Means of gradient flow from 0 at finite times; directions in which K is rounding alone do not move."""
    values, q = mpmath.eigsy(k / N)
    y, found = q.T * matrix(Y), []
    for t in times:
        gains = [-mpmath.expm1(-t * lam) / lam if lam > 1e-15 * values[N - 1] else mpf(0) for lam in values]
        moved = q * mpmath.diag(gains) * y / N
        found.append((k * moved, cross * moved))
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_what_predictions_miss_at_fifty_digits(name: str) -> None:
    """For the kernels as they were computed."""
    kernel, times = blocks(HOSTILE[name]), [0.0, 0.5, 30.0]
    functions = GaussianFunctions.of(kernel, seed=5)
    with mpmath.workdps(DIGITS):
        limit = limits(matrix(kernel.train), matrix(kernel.cross), times)  # type: ignore[arg-type]
        for of in random_predictions(kernel, functions, Y, [2, 40], times):
            k = of.of.kernel
            found = limits(matrix(k.train), matrix(k.cross), times)  # type: ignore[arg-type]
            assert of.test_missed is not None
            assert of.test_missed_bound is not None
            for i, (mine, twin) in enumerate(zip(found, limit, strict=True)):
                for j, (missed, bound) in enumerate(
                    ((of.train_missed, of.train_missed_bound), (of.test_missed, of.test_missed_bound))
                ):
                    left = mine[j] - twin[j]
                    exact = mpmath.norm(left, 2) / mpmath.sqrt(left.rows * left.cols)
                    assert abs(float(missed[i] - exact)) <= bound <= 1e-11


def test_what_diverges_misses_by_no_number() -> None:
    """Both means leave the numbers, and so does what they differ by."""
    (of,) = random_predictions(KERNEL, GaussianFunctions.of(KERNEL), Y, [20], [1e9], dynamics=GradientDescent(1e3))
    assert of.train_missed == of.test_missed == (math.inf,)
    assert of.train_missed_bound == of.test_missed_bound == math.inf


def test_no_bit_depends_on_batches_or_other_counts() -> None:
    functions = GaussianFunctions.of(KERNEL, seed=4)
    whole = {of.functions: of for of in random_kernels(KERNEL, functions, [5, 300, 700])}
    some = first(iter(functions), 1024)
    for size in (1, 7, 256, 1000):
        for counts in ([700], [5, 6, 511, 512, 700]):
            for of in random_kernels(KERNEL, some.split(size), counts):
                if of.functions in whole:
                    twin = whole[of.functions].kernel
                    assert all(torch.equal(a, b) for a, b in zip(of.kernel[:2], twin[:2], strict=True))  # type: ignore[arg-type]


def test_a_function_follows_from_the_seed_and_its_number() -> None:
    some = first(iter(GaussianFunctions(torch.eye(3, dtype=torch.float64), seed=8)), 600)
    bits = np.random.Generator(np.random.Philox(key=8, counter=[0, 0, 2, 0]))
    assert np.array_equal(some[512:].numpy(), bits.standard_normal((88, 3)))
    assert len(some.unique(dim=0)) == 600
    assert not torch.equal(some, first(iter(GaussianFunctions(torch.eye(3, dtype=torch.float64), seed=9)), 600))


@pytest.mark.parametrize("functions", [1, 8, 64])
def test_the_error_is_that_of_wishart_matrices(functions: int) -> None:
    """E‖K_P − K‖²_F = (‖K‖_F² + (tr K)²)/P: it falls as P^(−½)."""
    stream, draws = iter(GaussianFunctions.of(Blocks(KERNEL.train), seed=functions)), 400
    squares = []
    for some in first(stream, draws * functions).split(functions):
        (of,) = random_kernels(Blocks(KERNEL.train), [some], [functions])
        squares.append(of.frobenius**2)
    mean, error = np.mean(squares), np.std(squares, ddof=1) / draws**0.5
    expected = expected_error(KERNEL.train, functions) ** 2
    assert abs(mean - expected) < SURE * error
    assert error < 0.2 * expected


def test_errors_of_small_kernels_are_those_of_large_ones() -> None:
    """Squares of their entries underflow."""
    unit, functions = 2.0**-600, torch.randn(5, len(WHOLE), generator=GENERATOR, dtype=torch.float64)
    pairs = [(KERNEL, functions), (Blocks(*(unit * part for part in KERNEL)), unit**0.5 * functions)]
    one, other = (next(random_kernels(kernel, iter([some]), [5])) for kernel, some in pairs)
    assert (one.frobenius, one.operator) == pytest.approx((other.frobenius, other.operator), rel=1e-13)
    assert expected_error(unit * WHOLE, 5) == pytest.approx(expected_error(WHOLE, 5), rel=1e-14)


def test_the_covariance_of_gaussian_functions() -> None:
    """Of all points: the mean of f f' over P is K, entries having the variance (K_ii K_jj + K_ij²)/P."""
    count = 20_000
    some = first(iter(GaussianFunctions.of(KERNEL, seed=1)), count)
    diagonal = WHOLE.diagonal()
    spread = ((torch.outer(diagonal, diagonal) + WHOLE.square()) / count).sqrt()
    assert float(((some.mT @ some / count - WHOLE) / spread).abs().max()) < SURE
    assert float((some.mean(dim=0) / (diagonal / count).sqrt()).abs().max()) < SURE


def test_the_root_of_a_singular_kernel() -> None:
    """Symmetric, semidefinite and with K as its square there is but one; 200 points of the circle have the rank 102."""
    angles = torch.arange(200, dtype=torch.float64) * (2 * math.pi / 200)
    k = infinite.kernel(mlp(2, beta=0.0), torch.stack([angles.cos(), angles.sin()], dim=1)).ntk
    half, top = root(k), float(torch.linalg.matrix_norm(k, 2))
    torch.testing.assert_close(half, half.mT, rtol=0, atol=0)
    # What is left out is 200 eps of the largest, and so much is rounding of the square.
    torch.testing.assert_close(half @ half, k, rtol=0, atol=400 * 2.0**-52 * top)
    assert float(torch.linalg.eigvalsh(half).min()) > -1e-13 * top
    turned = torch.randperm(200, generator=GENERATOR)
    # √ of what is left out is what the root may differ by.
    torch.testing.assert_close(root(k[turned][:, turned]), half[turned][:, turned], rtol=0, atol=(1e-13 * top) ** 0.5)
    (of,) = random_kernels(Blocks(k), GaussianFunctions(half, 2), [5000])
    found = gaussian(of.kernel, None, torch.ones(200, 1), [1.0], start="zero", covariance="none")
    assert int((found.eigenvalues > 0).sum()) == 102
    with pytest.raises(ValueError, match="negative"):
        root(k - 1e-3 * torch.eye(200))


def test_duplicates_have_equal_functions() -> None:
    x = torch.cat([X[:3], X[:3], OTHER])
    k = infinite.kernel(ARCH, x).ntk
    some = first(iter(GaussianFunctions.of(Blocks(k[:6, :6], k[6:, :6], k[6:, 6:]))), 50)
    torch.testing.assert_close(some[:, :3], some[:, 3:6], rtol=0, atol=1e-6)


def test_networks_are_those_of_monte_carlo() -> None:
    """The same streams: 57 networks of 4545 parameters are drawn at once there too."""
    arch, draws = mlp(3, width=64, beta=0.1), 2 * (2**18 // 4545)
    twin = finite.monte_carlo(arch, ALL, draws=draws, seed=5, kernels=["nngp"]).nngp
    sigma = infinite.kernel(arch, ALL).nngp
    (of,) = random_kernels(Blocks(sigma[:N, :N], sigma[N:, :N]), NetworkFunctions(arch, ALL, seed=5), [draws])
    torch.testing.assert_close(torch.cat(of.kernel[:2]), twin[:, :N], rtol=0, atol=1e-13)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arch", "width", "same"),
    [(mlp(2, "tanh", beta=0.3), 2, True), (mlp(4, beta=0.1), 3, False)],
    ids=["one hidden layer", "rectifiers"],
)
def test_the_covariance_of_networks(arch: Mlp, width: int, same: bool) -> None:
    """One hidden layer: Σ at any width. More, of rectifiers: Σ(x, x) at any width, and elsewhere another one."""
    count, sigma = 40_000, infinite.kernel(arch, ALL).nngp
    some = first(iter(NetworkFunctions(arch, ALL, width=width, seed=2)), count)
    products = some[:, :, None] * some[:, None, :]
    off = (products.mean(dim=0) - sigma) / (products.std(dim=0) / count**0.5)
    assert float(off.diagonal().abs().max()) < SURE
    assert (float(off.abs().max()) < SURE) == same


def test_points_do_not_change_networks() -> None:
    few, all_ = (first(iter(NetworkFunctions(ARCH, x, width=9, seed=1)), 30) for x in (X, ALL))
    torch.testing.assert_close(few, all_[:, :N], rtol=0, atol=1e-13)


@pytest.mark.parametrize("count", [4, 30])
def test_descent_on_theta_is_kernel_descent(count: int) -> None:
    """Section 3.1: θ ← θ − η ∂C/∂θ of f_θ = (1/√P) Σ_p θ_p f^{(p)}, for P below N and above."""
    functions = GaussianFunctions.of(KERNEL, seed=6)
    f = first(iter(functions), count) / count**0.5
    theta, rate = torch.zeros(count, 2, dtype=torch.float64), 0.5
    for _ in range(100):
        theta = theta - rate * f[:, :N] @ (f[:, :N].mT @ theta - Y) / N
    (of,) = random_predictions(KERNEL, functions, Y, [count], [50.0], dynamics=GradientDescent(rate))
    for mean, rows in ((of.found.train, slice(N)), (of.found.test, slice(N, None))):
        torch.testing.assert_close(mean.mean[0], f[:, rows].mT @ theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [3, 9, 40])
def test_the_end_is_the_regression_of_least_norm(count: int) -> None:
    functions = GaussianFunctions.of(KERNEL, seed=7)
    f = first(iter(functions), count) / count**0.5
    theta = torch.linalg.pinv(f[:, :N].mT) @ Y
    (of,) = random_predictions(KERNEL, functions, Y, [count], [math.inf])
    assert int((of.found.eigenvalues > 0).sum()) == min(count, N)
    torch.testing.assert_close(of.found.test.mean[0], f[:, N:].mT @ theta, rtol=0, atol=1e-10)
    ends = gaussian(KERNEL, None, Y, [math.inf], start="zero", covariance="none")
    for missed, mean, twin in (
        (of.train_missed, f[:, :N].mT @ theta, ends.train),
        (of.test_missed, f[:, N:].mT @ theta, ends.test),
    ):
        assert missed is not None
        assert missed[0] == pytest.approx(float((mean - twin.mean[0]).square().mean().sqrt()), abs=1e-10)


def test_predictions_come_nearer() -> None:
    """As P^(−½): a hundred times as many functions are ten times as near, over thirty seeds, at every time."""
    times, missed = [1.0, 30.0], []
    for seed in range(30):
        functions = GaussianFunctions.of(KERNEL, seed=seed)
        missed.append(
            [
                of.train_missed + (of.test_missed or ())
                for of in random_predictions(KERNEL, functions, Y, [200, 20_000], times)
            ]
        )
    few, many = torch.tensor(missed, dtype=torch.float64).square().mean(dim=0).sqrt()
    # Each of the two is known to 1/√60 at best, and the points of one seed are not independent.
    assert float((few / many).min()) > 6
    assert float((few / many).max()) < 16


def test_device(device: str) -> None:
    there = Blocks(*(block.to(device) for block in KERNEL))  # type: ignore[union-attr]
    (a,), (b,) = (random_kernels(k, GaussianFunctions.of(k, seed=1), [300]) for k in (there, KERNEL))
    assert a.kernel.train.device.type == device
    torch.testing.assert_close(a.kernel.train.cpu(), b.kernel.train, rtol=0, atol=1e-11)
    some = next(iter(NetworkFunctions(ARCH, ALL.to(device), width=9)))
    assert some.device.type == device
    assert some.shape[1] == N + 4


def test_what_is_refused() -> None:
    some = torch.ones(4, N + 4, dtype=torch.float64)
    for counts in ([], [0], [3, 3]):
        with pytest.raises(ValueError, match="rise"):
            list(random_kernels(KERNEL, [some], counts))
    with pytest.raises(ValueError, match="there are 4, and not 5"):
        list(random_kernels(KERNEL, [some], [5]))
    with pytest.raises(ValueError, match="14 points"):
        list(random_kernels(KERNEL, [some[:, 1:]], [2]))
    with pytest.raises(ValueError, match="test"):
        GaussianFunctions.of(KERNEL._replace(test=None))
    assert len(list(random_kernels(KERNEL, islice(chain([some], [some]), 2), [8]))) == 1
