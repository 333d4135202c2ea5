"""Estimates from networks that are drawn, against what they must tend to, and their errors."""

import numpy as np
import pytest
import torch

from ntk_engine import finite, infinite
from ntk_engine.architecture import mlp, parse
from ntk_engine.finite.moments import Moments
from tests.ntk_engine.finite.cases import CIRCLE, NETWORKS, standard
from tests.ntk_engine.finite.test_tangent import TOLERANCE

NAMES = ["ntk", "nngp", "ntk_standard_error", "nngp_standard_error"]


def test_the_diagonal_of_relu_networks_is_exact_at_every_width() -> None:
    """E f(x)² = Σ(x, x) and E Θ(θ)(x, x) = Θ(x, x) for n = 8, L = 4: ReLU halves squares, and its slope their means.

    Three standard errors: of four such values, one seed in a hundred would fail, by the normal law of means.
    """
    found = finite.monte_carlo(mlp(4), CIRCLE[:2], draws=40_000, width=8, seed=1)
    for name, value in (("nngp", 0.08125), ("ntk", 0.2825)):
        error = found.arrays[f"{name}_standard_error"].diagonal()
        assert ((found.arrays[name].diagonal() - value).abs() < 3 * error).all()
        assert (error < 0.02 * value).all()


@pytest.mark.parametrize("name", [*NETWORKS, "standard"])
def test_estimates_tend_to_the_limit(name: str) -> None:
    """Four standard errors, and 1/n for each of some three dense layers, by which a width n moves expectations.

    Of the 168 entries of all networks, one would be outside the former in one seed of a hundred.
    """
    width, draws = 64, 1500
    arch = parse(NETWORKS.get(name, [standard(width), "erf", standard(width, sigma_w=1.5), "relu", standard()]))
    exact = infinite.kernel(arch, CIRCLE)
    found = finite.monte_carlo(arch, CIRCLE, draws=draws, width=width, seed=5)
    for kernel in ("ntk", "nngp"):
        scale = exact.arrays[kernel].diagonal().sqrt()
        allowed = 4 * found.arrays[f"{kernel}_standard_error"] + 3 / width * scale[:, None] * scale
        assert ((found.arrays[kernel] - exact.arrays[kernel]).abs() < allowed).all()


def test_the_distance_to_the_limit_falls_with_the_width() -> None:
    def bias(width: int, draws: int) -> tuple[float, float]:
        found = finite.monte_carlo(mlp(4), CIRCLE, draws=draws, width=width, seed=2)
        error = found.arrays["ntk_standard_error"][0, 2].item()
        return (found.ntk - infinite.kernel(mlp(4), CIRCLE).ntk)[0, 2].item(), error

    (narrow, first), (wide, second) = bias(4, 20_000), bias(64, 2000)
    assert abs(narrow) > 8 * first
    # O(1/n): a sixteenth of it.
    assert abs(wide) < abs(narrow) / 8 + 4 * second


def test_the_mean_and_its_error_are_those_of_single_networks() -> None:
    """The twin: networks one after another, numpy's mean and deviation."""
    arch = parse(NETWORKS["relu"])
    found = finite.monte_carlo(arch, CIRCLE, draws=7, width=300, seed=9)
    streams = finite.parameters.generators(9, 4)[:3]
    sizes = finite.parameters.fans(arch, 2, None, 300)
    each = [finite.parameters.draw(sizes, streams, 2) for _ in range(3)] + [finite.parameters.draw(sizes, streams, 1)]
    samples = torch.cat([finite.kernel(arch, some, CIRCLE, outputs="trace").ntk for some in each]).numpy()
    np.testing.assert_allclose(found.ntk, samples.mean(0), rtol=0, atol=TOLERANCE)
    expected = samples.std(0, ddof=1) / 7**0.5
    np.testing.assert_allclose(found.arrays["ntk_standard_error"], expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["relu", "ends in a sum", "dropout", "dropped inputs"])
def test_what_is_drawn_does_not_depend_on_the_inputs(name: str) -> None:
    """Blocks of a Gram matrix are blocks of it."""
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = finite.monte_carlo(parse(NETWORKS[name]), x, draws=50, width=20, seed=3)
    block = finite.monte_carlo(parse(NETWORKS[name]), x[:10], x[10:], draws=50, width=20, seed=3, places=(0, 10))
    corner = finite.monte_carlo(parse(NETWORKS[name]), x[10:], draws=50, width=20, seed=3, places=(10, 10))
    assert list(whole.arrays) == NAMES[1::-1] + NAMES[:1:-1]
    for array, matrix in whole.arrays.items():
        # Sums over neurons and draws in another order.
        bound = TOLERANCE * float(matrix.abs().max())
        torch.testing.assert_close(block.arrays[array], matrix[:10, 10:], rtol=0, atol=bound)
        torch.testing.assert_close(corner.arrays[array], matrix[10:, 10:], rtol=0, atol=bound)
        assert torch.equal(matrix, matrix.mT)


def test_as_many_networks_at_once_as_fit() -> None:
    x = CIRCLE.float()
    fast = finite.monte_carlo(mlp(3), x, draws=33, width=20, seed=3)
    *_, slow = finite.running(mlp(3), x, draws=33, width=20, seed=3, numbers=1)
    assert fast.draws == slow.draws == 33
    for name in NAMES:
        assert fast.arrays[name].dtype == torch.float64
        torch.testing.assert_close(fast.arrays[name], slow.arrays[name], rtol=1e-11, atol=0)


def test_two_sets_of_inputs_are_dropped_apart() -> None:
    """A duplicate in the other set has masks of its own, and so the covariance of two inputs; itself has more."""
    arch = parse(NETWORKS["dropout"])
    gram = finite.monte_carlo(arch, CIRCLE, draws=300, width=64, seed=4)
    cross = finite.monte_carlo(arch, CIRCLE, CIRCLE.clone(), draws=300, width=64, seed=4)
    exact = infinite.kernel(arch, CIRCLE, CIRCLE.clone()).nngp.diagonal()
    error = cross.arrays["nngp_standard_error"].diagonal()
    assert ((cross.nngp.diagonal() - exact).abs() < 4 * error + 0.05 * exact).all()
    assert (gram.nngp.diagonal() > 1.3 * cross.nngp.diagonal()).all()


def test_only_what_is_asked_for() -> None:
    found = finite.monte_carlo(mlp(2), CIRCLE, draws=2, width=3, kernels=["nngp"])
    assert list(found.arrays) == ["nngp", "nngp_standard_error"]
    with pytest.raises(ValueError, match="two draws"):
        finite.monte_carlo(mlp(2), CIRCLE, draws=1, width=3)


def test_moments_keep_their_digits_far_from_zero() -> None:
    samples = np.random.default_rng(0).standard_normal((1000, 4))
    found = Moments.none(torch.empty(4, dtype=torch.float64))
    for part in np.split(samples + 1e8, [1, 5, 400]):
        found.add(torch.from_numpy(part))
    assert found.count == 1000
    # The samples themselves are rounded to 1e-8.
    np.testing.assert_allclose(found.mean - 1e8, samples.mean(0), rtol=0, atol=2e-8)
    np.testing.assert_allclose(found.standard_error(), samples.std(0, ddof=1) / 1000**0.5, rtol=1e-7)
