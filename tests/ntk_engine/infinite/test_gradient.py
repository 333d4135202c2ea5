"""Derivatives block by block, and those of networks in each of their numbers."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks

from ntk_engine import infinite
from ntk_engine.architecture import mlp, parse
from tests.ntk_engine.infinite.test_differentiable import inputs, leaf, numbers, scales
from tests.ntk_engine.layers.networks import networks

DENSE = {"type": "dense", "width": 6}
STANDARD = [
    {**DENSE, "beta": 0.2, "parametrization": "standard"},
    "relu",
    {**DENSE, "beta": 0},
    {"type": "residual", "layers": ["layer_norm", "erf", DENSE]},
    {"type": "dropout", "rate": 0.25},
    {"type": "dense", "sigma_w": 1.5, "parametrization": "standard"},
]


@pytest.fixture(autouse=True)
def evaluation() -> str:
    """Once: what is differentiated is evaluated in one way."""
    return "compiled"


def tensors(arch: Any) -> dict[str, Tensor]:
    """All numbers of a network."""
    return {name: leaf(value) for name, value in infinite.numbers_of(arch).items()}


def weights(*shape: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name in infinite.KERNELS}


def whole(arch: Any, cotangents: dict[str, Tensor], *x: Tensor) -> list[Tensor]:
    """The derivatives from one graph of the whole matrix."""
    sides, of_network = [leaf(side) for side in x], tensors(arch)
    k = infinite.differentiable(arch, *sides, numbers=of_network)
    value = sum((k.arrays[name] * weight).sum() for name, weight in cotangents.items())
    parts = torch.autograd.grad(torch.as_tensor(value), [*sides, *of_network.values()], materialize_grads=True)
    return list(parts)


def assert_close(found: infinite.Gradient, exact: list[Tensor]) -> None:
    parts = [found.x1, *([] if found.x2 is None else [found.x2]), *found.numbers.values()]
    for part, true in zip(parts, exact, strict=True):
        assert part.shape == true.shape
        assert ((part - true).abs() <= 1e-12 * true.abs().max().clamp_min(1.0)).all()


@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("arch", [mlp(3), mlp(4, "gelu", 0.0), parse(STANDARD)], ids=["relu", "gelu", "standard"])
def test_blocks_give_what_the_whole_gives(arch: Any, block: int) -> None:
    x, y = inputs()[:9], inputs()[5:8] + 0.1
    found = infinite.gradient(arch, x, y, cotangents=weights(9, 3), block=block)
    assert_close(found, whole(arch, weights(9, 3), x, y))
    gram = infinite.gradient(arch, x, cotangents=weights(9, 9), block=block)
    assert gram.x2 is None
    assert_close(gram, whole(arch, weights(9, 9), x))
    one = {"nngp": weights(9, 9)["nngp"]}
    assert_close(infinite.gradient(arch, x, cotangents=one, block=block), whole(arch, one, x))


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_special_rows_have_one_derivative_in_any_block(beta: float) -> None:
    """Duplicates, antipodes and zero rows; near-duplicates too, but for the last digits of their norms."""
    arch, x = mlp(3, "relu", beta), inputs()
    exact = whole(arch, weights(len(x), len(x)), x)
    found = infinite.gradient(arch, x, cotangents=weights(len(x), len(x)), block=4)
    assert ((found.x1 - exact[0]).abs() <= 1e-8 * exact[0].abs().max()).all()


def test_float32_is_kept() -> None:
    arch, x = mlp(3, "erf"), inputs()[:9]
    found = infinite.gradient(arch, x.float(), cotangents={"ntk": weights(9, 9)["ntk"].float()}, block=4)
    exact = infinite.gradient(arch, x, cotangents={"ntk": weights(9, 9)["ntk"]})
    assert found.x1.dtype == torch.float32
    assert ((found.x1 - exact.x1).abs() <= 1e-5 * exact.x1.abs().max()).all()


def test_memory_is_that_of_a_block() -> None:
    """Nothing that autograd keeps is larger than a block, or than what one number of all rows takes."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with saved_tensors_hooks(note, lambda tensor: tensor):
        infinite.gradient(mlp(3), x, cotangents=weights(200, 200), block=32)
    assert max(sizes) == 32 * 32


@settings(max_examples=25, deadline=None)
@given(network=networks(widths=False, most=2))
def test_random_networks(network: Any) -> None:
    """In the inputs and in every number of every layer; finite at all inputs, and of the kernel's values."""
    arch, x = parse(network), inputs()
    of_network, exact, scale = tensors(arch), infinite.kernel(arch, x), scales(arch, x)
    points = leaf(x)
    k = infinite.differentiable(arch, points, numbers=of_network)
    for name in infinite.KERNELS:
        assert ((k.arrays[name] - exact.arrays[name]).abs() <= 1e-13 * scale[name]).all()
        leaves = [points, *of_network.values()]
        for part in torch.autograd.grad(k.arrays[name].sum(), leaves, retain_graph=True, materialize_grads=True):
            assert part.isfinite().all()
    check(arch, x)


@pytest.mark.parametrize("network", [STANDARD, ["dense"], ["dense", "relu", "dense"], ["dense", "gelu", "dense"]])
def test_some_networks(network: Any) -> None:
    check(parse(network), inputs())


def check(arch: Any, x: Tensor) -> None:
    """Derivatives in inputs and numbers, in random directions, at an orthogonal pair and others, for β > 0."""
    of_network = tensors(arch)
    size = {name: float(array.abs().max()) for name, array in infinite.kernel(arch, x[:6]).arrays.items()}

    def both(a: Tensor, b: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        k = infinite.differentiable(arch, a, b, numbers=dict(zip(of_network, values, strict=True)))
        return tuple(array / size[name] for name, array in k.arrays.items())

    moved = [leaf(value.detach() + 0.2 * (value.detach() == 0.0)) for value in of_network.values()]
    assert gradcheck(both, (leaf(x[[0, 3]]), leaf(x[[13, 2, 4]]), *moved), fast_mode=True, atol=1e-6, rtol=1e-4)


def test_numbers_are_named_by_their_paths() -> None:
    assert infinite.numbers_of(mlp(3, "relu", 0.5, 2.0)) == {"beta": 0.5, "sigma_w": 2.0}
    inner = [{"type": "serial", "layers": ["relu", {"type": "dense", "beta": 0.3}]}]
    arch = parse(["dense", {"type": "residual", "layers": inner}, {"type": "parallel", "branches": [[], ["dense"]]}])
    places = ["layers/0", "layers/1/layers/0/layers/1", "layers/2/branches/1/0"]
    assert list(infinite.numbers_of(arch)) == [f"{place}/{name}" for place in places for name in ("beta", "sigma_w")]
    assert infinite.numbers_of(arch)["layers/1/layers/0/layers/1/beta"] == 0.3


def test_equal_layers_have_derivatives_of_their_own() -> None:
    """Those of a dense network's layers sum up to that of the number that they share."""
    arch = parse(["dense", "relu", "dense", "relu", "dense"])
    x, (beta, sigma_w) = inputs()[:9], numbers(0.1, 1.0).values()
    shared = infinite.differentiable(mlp(3), x, numbers={"beta": beta, "sigma_w": sigma_w}).ntk.sum()
    found = infinite.gradient(arch, x, cotangents={"ntk": torch.ones(9, 9)}).numbers
    for name, exact in zip(("beta", "sigma_w"), torch.autograd.grad(shared, [beta, sigma_w]), strict=True):
        parts = [found[f"layers/{layer}/{name}"] for layer in (0, 2, 4)]
        assert sum(parts) == pytest.approx(exact.item(), rel=1e-12)
        assert len({round(part.item(), 9) for part in parts}) == 3


@pytest.mark.parametrize("cotangents", [{}, {"gram": torch.ones(9, 9)}, {"ntk": torch.ones(9, 8)}])
def test_wrong_cotangents_are_refused(cotangents: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="cotangent"):
        infinite.gradient(mlp(2), inputs()[:9], cotangents=cotangents)
