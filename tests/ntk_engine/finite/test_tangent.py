"""The kernel of one network against its Jacobian over all parameters."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from ntk_engine import finite, infinite
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
    x2, other = (None, X1) if gram else (X2, X2)
    some = masks(1, X1), masks(1 if gram else 2, other)
    lists = written_out(arch, some[0], 6), written_out(arch, some[1], 6)
    full = jacobians.kernel(arch, params, X1, other, lists)
    f1, f2 = (jacobians.output(arch, params, x, m) for x, m in zip((X1, other), lists, strict=True))
    products = torch.einsum("ak,bl->abkl", f1, f2)
    close(finite.apply(arch, params, X1, some[0]), f1)
    for memory in (2**31, 1):
        found = finite.kernel(arch, params, X1, x2, masks=some, memory=memory)
        one = finite.kernel(arch, params, X1, x2, outputs=1, masks=some, memory=memory)
        traces = finite.kernel(arch, params, X1, x2, outputs="trace", masks=some, memory=memory)
        for array, expected in (("ntk", full), ("nngp", products)):
            close(found.arrays[array], expected)
            close(one.arrays[array], expected[:, :, 1, 1])
            close(traces.arrays[array], expected.diagonal(dim1=2, dim2=3).mean(-1))
        if gram:
            symmetric(found, one, traces)


def symmetric(*found: infinite.Kernel) -> None:
    """To the last bit."""
    for kernel in found:
        for matrix in kernel.arrays.values():
            turned = matrix.permute(1, 0, 3, 2) if matrix.dim() == 4 else matrix.mT
            assert torch.equal(matrix, turned)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [300, 17])
def test_blocks_and_panels(k: int, dtype: torch.dtype, rows: int, device: str) -> None:
    """More inputs than a block has, duplicates and zeros among them; as one panel and as many."""
    x = torch.randn(rows, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(device)
    x[7] = x[3]
    x[10:12] = 0.0
    arch = mlp(3, "erf", width=12, beta=0.3)
    params = finite.init(arch, 6, k, seed=2, device=device)
    expected = jacobians.kernel(arch, params, x, x)
    some = tuple(finite.Weights(layer.weight.to(dtype), layer.bias.to(dtype)) for layer in params)
    # Sums of 12 products and of 3 layers, of numbers that passed 3 layers: some 50 roundings of either dtype.
    bound = 50 * torch.finfo(dtype).eps * float(expected.abs().max())
    for memory in (2**31, 2**18):
        found = finite.kernel(arch, some, x, memory=memory)
        cross = finite.kernel(arch, some, x[:290], x[5:], memory=memory)
        traces = finite.kernel(arch, some, x, outputs="trace", memory=memory)
        assert found.ntk.dtype == traces.nngp.dtype == dtype
        symmetric(found, traces)
        torch.testing.assert_close(found.ntk.double(), expected, rtol=0, atol=bound)
        torch.testing.assert_close(cross.ntk.double(), expected[:290, 5:], rtol=0, atol=bound)
        mean = expected.diagonal(dim1=2, dim2=3).mean(-1)
        torch.testing.assert_close(traces.ntk.double(), mean, rtol=0, atol=bound)


@pytest.mark.parametrize("name", [*NETWORKS])
def test_many_networks_are_each_of_them(name: str) -> None:
    arch = parse(NETWORKS[name])
    even = name in ("ends in erf", "ends in a sum", "ends side by side")
    each = [finite.init(arch, 3, 6 if even else 2, seed=seed, width=6) for seed in range(6)]
    weights = [tuple(torch.stack(some) for some in zip(*layer, strict=True)) for layer in zip(*each, strict=True)]
    together = tuple(finite.Weights(w.unflatten(0, (2, 3)), b.unflatten(0, (2, 3))) for w, b in weights)
    for outputs in ("full", "trace", 1):
        found = finite.kernel(arch, together, X1, outputs=outputs)
        cross = finite.kernel(arch, together, X1, X2, outputs=outputs, memory=1)
        for number, params in enumerate(each):
            at = divmod(number, 3)
            for array, matrix in finite.kernel(arch, params, X1, outputs=outputs).arrays.items():
                close(found.arrays[array][at], matrix)
            close(cross.ntk[at], finite.kernel(arch, params, X1, X2, outputs=outputs).ntk)
    close(finite.apply(arch, together, X1)[1, 2], finite.apply(arch, each[5], X1))


def test_finite_differences() -> None:
    """Θ v = ∂_ε f(θ + ε Jᵀv): central differences of step h err by h²/6 of the third derivative, and by eps/h."""
    arch = mlp(3, "erf", width=5)
    params = finite.init(arch, 3, 2, seed=4)
    v = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaves = [part.clone().requires_grad_() for some in params for part in some]
    pairs = tuple(finite.Weights(*leaves[i : i + 2]) for i in range(0, len(leaves), 2))
    step = torch.autograd.grad((finite.apply(arch, pairs, X1) * v).sum(), leaves)

    def moved(size: float) -> Tensor:
        parts = [part.detach() + size * change for part, change in zip(leaves, step, strict=True)]
        return finite.apply(arch, tuple(finite.Weights(*parts[i : i + 2]) for i in range(0, len(parts), 2)), X1)

    expected = (moved(1e-5) - moved(-1e-5)) / 2e-5
    found = torch.einsum("abkl,bl->ak", finite.kernel(arch, params, X1).ntk, v)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks(most=2))
def test_the_jacobian_of_random_networks(network: list[Any]) -> None:
    arch = parse(network)
    params = finite.init(arch, 3, None, seed=1, width=6)
    found = finite.kernel(arch, params, X1, X2, outputs="trace")
    close(found.ntk, jacobians.kernel(arch, params, X1, X2).diagonal(dim1=2, dim2=3).mean(-1))
    f1, f2 = (jacobians.output(arch, params, x, []) for x in (X1, X2))
    close(found.nngp, f1 @ f2.T / f1.shape[1])


def test_the_derivative_at_a_kink_is_zero_and_a_step_learns_in_its_last_layer() -> None:
    zero = torch.zeros(1, 3, dtype=torch.float64)
    params = finite.init(mlp(2, beta=0.0, width=4), 3, 1, seed=0)
    assert finite.kernel(mlp(2, beta=0.0, width=4), params, zero).ntk.item() == 0.0
    step = mlp(2, "step", width=4, beta=0.5)
    found = finite.kernel(step, params, X1, outputs=0).ntk
    hidden = (0.5 * params[0].bias + X1 @ params[0].weight.T / 3**0.5 > 0).double()
    close(found, hidden @ hidden.T / 4 + 0.25)


def test_equal_neurons_are_normalised_to_zero() -> None:
    arch = parse(["dense", "layer_norm", "relu", "dense"])
    params = finite.init(arch, 3, 1, seed=0, width=1)
    found = finite.kernel(arch, params, X1, outputs=0)
    close(found.ntk, torch.full((3, 3), 0.01, dtype=torch.float64))


def test_what_is_not_asked_for_is_not_computed() -> None:
    arch = mlp(2, width=4)
    params = finite.init(arch, 3, 1, seed=0)
    assert set(finite.kernel(arch, params, X1, kernels=["nngp"]).arrays) == {"nngp"}
    assert set(finite.kernel(arch, params, X1, kernels=["ntk"]).arrays) == {"ntk"}


@pytest.mark.parametrize("outputs", [2, -1, "all"])
def test_outputs_that_are_not_there(outputs: Any) -> None:
    with pytest.raises(ValueError, match="output"):
        finite.kernel(mlp(2, width=4), finite.init(mlp(2, width=4), 3, 2, seed=0), X1, outputs=outputs)


def test_parameters_can_be_learned() -> None:
    arch = mlp(2, "erf", width=4)
    params = finite.init(arch, 3, 2, seed=0)
    leaves = [part.requires_grad_() for some in params for part in some]
    grads = torch.autograd.grad(finite.apply(arch, params, X1).square().sum(), leaves)
    expected = torch.func.grad(lambda p: jacobians.output(arch, p, X1, []).square().sum())(params)
    for found, same in zip(grads, [part for some in expected for part in some], strict=True):
        close(found, same.detach())
