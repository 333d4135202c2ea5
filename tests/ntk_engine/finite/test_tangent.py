"""The kernel of one network against its Jacobian over all parameters."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from ntk_engine import finite
from ntk_engine.architecture import Architecture, layers, mlp, parse
from ntk_engine.layers import Dropout
from tests.ntk_engine.finite import jacobians
from tests.ntk_engine.finite.cases import NETWORKS, standard
from tests.ntk_engine.layers.networks import networks

X1, X2 = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).split([3, 2])
# Sums of a few hundred products in another order, in some ten layers.
TOLERANCE = 1e-12
STANDARD = [standard(5), "erf", standard(4, beta=0.0, sigma_w=2.0), "relu", standard(beta=0.7)]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * max(1.0, float(expected.abs().max())))


def masks(seed: int, x: Tensor) -> finite.Masks:
    return finite.Masks(torch.tensor(seed), torch.arange(len(x)))


def written_out(arch: Architecture, some: finite.Masks, neurons: int) -> list[Tensor]:
    """The masks of the dropout layers, where all have so many neurons but one of the inputs."""
    rates = [layer.rate for layer in layers(arch) if isinstance(layer, Dropout)]
    first = 3 if isinstance(next(iter(layers(arch))), Dropout) else neurons
    return [some.kept(i, first if i == 0 else neurons, rate).double() for i, rate in enumerate(rates)]


@pytest.mark.parametrize("name", [*NETWORKS, "standard"])
@pytest.mark.parametrize("gram", [True, False])
def test_the_jacobian(name: str, gram: bool) -> None:
    arch = parse(NETWORKS.get(name, STANDARD))
    even = name in ("ends in erf", "ends in a sum", "ends side by side")
    params = finite.init(arch, 3, 6 if even else 2, seed=7, width=6)
    x2 = None if gram else X2
    some = masks(1, X1), masks(1 if gram else 2, X1 if gram else X2)
    found = finite.kernel(arch, params, X1, x2, masks=some)
    lists = written_out(arch, some[0], 6), written_out(arch, some[1], 6)
    full = jacobians.kernel(arch, params, X1, X1 if gram else X2, lists)
    close(found.ntk, full.diagonal(dim1=2, dim2=3).mean(-1))
    f1, f2 = (jacobians.output(arch, params, x, m) for x, m in zip((X1, X1 if gram else X2), lists, strict=True))
    close(finite.apply(arch, params, X1, some[0]), f1)
    close(found.nngp, f1 @ f2.T / f1.shape[1])
    if gram:
        assert torch.equal(found.ntk, found.ntk.mT)
        assert torch.equal(found.nngp, found.nngp.mT)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks(most=2))
def test_the_jacobian_of_random_networks(network: list[Any]) -> None:
    arch = parse(network)
    params = finite.init(arch, 3, None, seed=1, width=6)
    found = finite.kernel(arch, params, X1, X2)
    close(found.ntk, jacobians.kernel(arch, params, X1, X2).diagonal(dim1=2, dim2=3).mean(-1))
    f1, f2 = (jacobians.output(arch, params, x, []) for x in (X1, X2))
    close(found.nngp, f1 @ f2.T / f1.shape[1])


def test_many_networks_are_each_of_them() -> None:
    arch = mlp(3, "erf", width=4)
    each = [finite.init(arch, 3, 2, seed=seed) for seed in range(3)]
    together = tuple(finite.Weights(*map(torch.stack, zip(*some, strict=True))) for some in zip(*each, strict=True))
    found = finite.kernel(arch, together, X1)
    for number, params in enumerate(each):
        one = finite.kernel(arch, params, X1)
        close(found.ntk[number], one.ntk)
        close(found.nngp[number], one.nngp)
        close(finite.apply(arch, together, X1)[number], finite.apply(arch, params, X1))


def test_the_derivative_at_a_kink_is_zero_and_a_step_learns_in_its_last_layer() -> None:
    zero = torch.zeros(1, 3, dtype=torch.float64)
    params = finite.init(mlp(2, beta=0.0, width=4), 3, 1, seed=0)
    assert finite.kernel(mlp(2, beta=0.0, width=4), params, zero).ntk.item() == 0.0
    step = mlp(2, "step", width=4, beta=0.5)
    found = finite.kernel(step, params, X1).ntk
    hidden = (0.5 * params[0].bias + X1 @ params[0].weight.T / 3**0.5 > 0).double()
    close(found, hidden @ hidden.T / 4 + 0.25)


def test_equal_neurons_are_normalised_to_zero() -> None:
    arch = parse(["dense", "layer_norm", "relu", "dense"])
    params = finite.init(arch, 3, 1, seed=0, width=1)
    found = finite.kernel(arch, params, X1)
    close(found.ntk, torch.full((3, 3), 0.01, dtype=torch.float64))


def test_what_is_not_asked_for_is_not_computed() -> None:
    arch = mlp(2, width=4)
    params = finite.init(arch, 3, 1, seed=0)
    assert set(finite.kernel(arch, params, X1, kernels=["nngp"]).arrays) == {"nngp"}
    assert set(finite.kernel(arch, params, X1, kernels=["ntk"]).arrays) == {"ntk"}


def test_parameters_can_be_learned() -> None:
    arch = mlp(2, "erf", width=4)
    params = finite.init(arch, 3, 2, seed=0)
    leaves = [part.requires_grad_() for some in params for part in some]
    grads = torch.autograd.grad(finite.apply(arch, params, X1).square().sum(), leaves)
    expected = torch.func.grad(lambda p: jacobians.output(arch, p, X1, []).square().sum())(params)
    for found, same in zip(grads, [part for some in expected for part in some], strict=True):
        close(found, same.detach())
