"""Kernels of any function of parameters, and Taylor expansions, against networks' own and against series."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ntk_engine import finite
from ntk_engine.activations import ACTIVATIONS
from ntk_engine.architecture import mlp, parse
from tests.ntk_engine.finite.cases import NETWORKS
from tests.ntk_engine.finite.test_tangent import STANDARD, X1, X2, close

ARCH = mlp(3, "erf", width=7)
START = finite.init(ARCH, 3, 2, seed=0)


def network(theta: finite.Parameters, x: Tensor) -> Tensor:
    return finite.apply(ARCH, theta, x)


def moved(size: float) -> finite.Parameters:
    """In one direction, so far."""
    stream = torch.Generator().manual_seed(1)

    def part(of: Tensor) -> Tensor:
        return of + size * torch.randn(of.shape, generator=stream, dtype=of.dtype)

    return tuple(finite.Weights(part(some.weight), part(some.bias)) for some in START)


@pytest.mark.parametrize("name", [*NETWORKS, "standard"])
def test_the_kernels_of_networks(name: str) -> None:
    arch = parse(NETWORKS.get(name, STANDARD))
    even = name in ("ends in erf", "ends in a sum", "ends side by side")
    params = finite.init(arch, 3, 6 if even else 2, seed=7, width=6)

    def function(theta: finite.Parameters, x: Tensor) -> Tensor:
        return finite.apply(arch, theta, x)

    gram, cross = finite.kernel(arch, params, X1).ntk, finite.kernel(arch, params, X1, X2).ntk
    for memory in (2**31, 1):
        found = finite.jacobian_kernel(function, params, X1, memory=memory)
        close(found, gram)
        assert torch.equal(found, found.permute(1, 0, 3, 2))
        close(finite.jacobian_kernel(function, params, X1, X2, memory=memory), cross)
    v = torch.randn(3, gram.shape[-1], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    close(finite.product(function, params, X1, v), torch.einsum("abkl,bl->ak", gram, v))
    close(finite.product(function, params, X2, v, X1), torch.einsum("bakl,bk->al", cross, v))


def test_a_function_that_is_no_network() -> None:
    """f = θ_0 sin(x) + cosh(θ_1 x), by hand."""

    def function(theta: dict[str, Tensor], x: Tensor) -> Tensor:
        return theta["a"] * x.sin() + (theta["b"] * x).cosh()

    params = {"a": torch.tensor(0.3, dtype=torch.float64), "b": torch.tensor([0.7], dtype=torch.float64)}
    x = torch.tensor([[0.1], [1.0], [-2.0]], dtype=torch.float64)
    slope = x * (0.7 * x).sinh()
    close(finite.jacobian_kernel(function, params, x)[..., 0, 0], x.sin() @ x.sin().T + slope @ slope.T)
    change = {"a": torch.tensor(1.0, dtype=torch.float64), "b": torch.tensor([0.9], dtype=torch.float64)}
    found = finite.expand(function, params, change, x)
    close(found.constant, function(params, x))
    close(found.linear, 0.7 * x.sin() + 0.2 * slope)
    close(found.quadratic, 0.02 * x.square() * (0.7 * x).cosh())
    close(sum(found), function(change, x))  # type: ignore[arg-type]


def test_each_order_falls_as_its_power() -> None:
    """Halving the step halves the linear part exactly, quarters the quadratic one, and leaves an eighth of the rest."""
    whole, half = (finite.expand(network, START, moved(size), X1) for size in (2e-3, 1e-3))
    close(half.constant, network(START, X1))
    close(half.linear, whole.linear / 2)
    close(half.quadratic, whole.quadratic / 4)
    # The next order is a few thousandths of the rest, and rounding 1e-15 / 1e-9 of it.
    ratio = (half.rest / whole.rest).flatten()
    assert ((ratio - 0.125).abs() < 0.02).all()


def test_expansions_have_the_derivatives_of_the_network_at_the_start() -> None:
    other = moved(0.1)
    kernel = finite.kernel(ARCH, START, X1).ntk
    linear, curved = finite.linearized(network, START), finite.quadratic(network, START)
    close(finite.jacobian_kernel(linear, other, X1), kernel)
    close(finite.jacobian_kernel(curved, START, X1), kernel)
    # Its derivative is that of the network but for the square of the step.
    near = moved(1e-4)
    change = (finite.kernel(ARCH, near, X1).ntk - kernel).abs().max()
    missed = finite.jacobian_kernel(curved, near, X1) - finite.kernel(ARCH, near, X1).ntk
    assert missed.abs().max() < 0.01 * change


@pytest.mark.parametrize("expansion", [finite.linearized, finite.quadratic])
def test_expansions_can_be_trained(expansion: Any) -> None:
    """Gradients by autograd are those by torch.func, and by central differences."""
    function, at = expansion(network, START), moved(0.1)
    leaves = [part.clone().requires_grad_() for some in at for part in some]

    def joined(parts: list[Tensor]) -> finite.Parameters:
        return tuple(finite.Weights(*parts[i : i + 2]) for i in range(0, len(parts), 2))

    def cost(theta: finite.Parameters) -> Tensor:
        return function(theta, X1).square().sum()

    grads = torch.autograd.grad(cost(joined(leaves)), leaves)
    again = [part for some in torch.func.grad(cost)(at) for part in some]
    step = 1e-6
    ahead, back = (
        cost(joined([p.detach() + s * g for p, g in zip(leaves, grads, strict=True)])) for s in (step, -step)
    )
    for one, other in zip(grads, again, strict=True):
        close(one, other)
    square = sum(float(g.square().sum()) for g in grads)
    # h² of the third derivative and eps/h.
    assert abs(float(ahead - back) / (2 * step) / square - 1) < 1e-7


def test_kinks_have_no_slope_in_any_mode() -> None:
    arch = mlp(2, width=4, beta=0.0)
    params = finite.init(arch, 3, 1, seed=0)
    zero = torch.zeros(2, 3, dtype=torch.float64)

    def function(theta: finite.Parameters, x: Tensor) -> Tensor:
        return finite.apply(arch, theta, x)

    assert not finite.jacobian_kernel(function, params, zero).any()
    assert not finite.product(function, params, zero, torch.ones(2, 1, dtype=torch.float64)).any()


EXPRESSIONS = [{"type": "expression", "expression": text} for text in ("max(z, 0.1*z)", "2*z + 1", "z*z", "abs(z) - 1")]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", [*(name for name in ACTIVATIONS if name != "expression"), *EXPRESSIONS], ids=str)
def test_every_activation(activation: Any, dtype: torch.dtype) -> None:
    arch = parse(["dense", activation, "dense", activation, "dense"])
    start = finite.init(arch, 3, 2, seed=0, width=7)
    params = tuple(finite.Weights(some.weight.to(dtype), some.bias.to(dtype)) for some in start)
    # More neurons than are computed at once, and few.
    x = X1.repeat(4000, 1).to(dtype)

    def function(theta: finite.Parameters, some: Tensor) -> Tensor:
        return finite.apply(arch, theta, some)

    expected = finite.jacobian_kernel(function, params, X1.to(dtype))
    # Sums of 7 products in three layers in another order, after activations that magnify roundings some tens of times.
    bound = 500 * torch.finfo(dtype).eps * float(expected.abs().max())
    few, many = finite.kernel(arch, params, X1), finite.kernel(arch, params, x, X1, outputs=1)
    assert few.ntk.dtype == many.ntk.dtype == dtype
    torch.testing.assert_close(few.ntk, expected, rtol=0, atol=bound)
    torch.testing.assert_close(many.ntk, expected[..., 1, 1].repeat(4000, 1), rtol=0, atol=bound)
