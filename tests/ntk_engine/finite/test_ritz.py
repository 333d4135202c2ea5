"""λ_1 by products alone, against the matrix."""

import pytest
import torch

from ntk_engine.architecture import mlp, parse
from ntk_engine.finite import kernel, weights
from ntk_engine.finite.parameters import parameters
from ntk_engine.finite.ritz import largest
from tests.ntk_engine.finite.cases import NETWORKS

X = torch.randn(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_a_lower_bound_that_grows_to_the_largest(name: str) -> None:
    """The error of a residual of 1e-3: itself where eigenvalues are near one another."""
    arch = parse(NETWORKS[name])
    some = weights(arch, 3, 2, [4], width=6)
    theta = kernel(arch, parameters(some), X, kernels=("ntk",), outputs="trace").ntk[0]
    exact = torch.linalg.eigvalsh(theta)[-1].item()
    found = [largest(arch, some, X, products) for products in (1, 2, 4, 30)]
    assert found == sorted(found)
    # Rounding of products with 30 inputs.
    assert exact * (1 - 1e-3) < found[-1] < exact * (1 + 30 * 2**-50)
    assert found[0] < 0.9 * exact


def test_one_product_is_the_quotient_of_a_drawn_vector() -> None:
    arch = mlp(3, "erf", beta=0.4)
    some = weights(arch, 3, 2, [4], width=6)
    theta = kernel(arch, parameters(some), X, kernels=("ntk",), outputs="trace").ntk[0]
    v = torch.randn(30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert largest(arch, some, X, 1) == pytest.approx((v @ theta @ v / (v @ v)).item(), rel=1e-13)


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 0.0), (torch.nan, torch.nan)])
def test_of_no_kernel_there_is_none(scale: float, expected: float) -> None:
    arch = mlp(3, "relu", beta=0.0)
    assert largest(arch, weights(arch, 3, 1, [4], width=6), X * scale, 8) == pytest.approx(expected, nan_ok=True)
