"""The slow reading of a finite network: its function as printed, its kernel from the Jacobian over all parameters."""

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor

from ntk_engine.architecture import Architecture, layers
from ntk_engine.finite import Parameters
from ntk_engine.layers import Dense, Dropout, Layer, LayerNorm, Nonlinearity, Parallel, Scale


def output(arch: Architecture, params: Parameters, x: Tensor, masks: list[Tensor]) -> Tensor:
    """f_θ(x), N×k; masks: of each dropout layer, or none."""
    return _serial(list(layers(arch)), x, iter(params), iter(masks))


def _serial(some: list[Layer], z: Tensor, params: Iterator[tuple[Tensor, Tensor]], masks: Iterator[Tensor]) -> Tensor:
    for layer in some:
        z = _layer(layer, z, params, masks)
    return z


def _layer(layer: Layer, z: Tensor, params: Iterator[tuple[Tensor, Tensor]], masks: Iterator[Tensor]) -> Tensor:
    match layer:
        case Dense(parametrization="ntk"):
            weight, bias = next(params)
            return layer.sigma_w / z.shape[1] ** 0.5 * torch.einsum("ij,nj->ni", weight, z) + layer.beta * bias
        case Dense():
            weight, bias = next(params)
            return torch.einsum("ij,nj->ni", weight, z) + bias
        case Nonlinearity():
            return layer.activation.value(z)
        case LayerNorm():
            return (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True, correction=0)
        case Scale():
            return layer.factor * z
        case Dropout():
            mask = next(masks, None)
            return z if mask is None else z * mask / (1 - layer.rate)
        case Parallel():
            ends = [_serial(list(branch), z, params, masks) for branch in layer.branches]
            joined = {"sum": torch.add, "product": torch.mul, "concatenate": lambda a, b: torch.cat([a, b], 1)}
            return reduce(joined[layer.combine], ends)
    raise TypeError(layer.type)


def kernel(
    arch: Architecture, params: Parameters, x1: Tensor, x2: Tensor, masks: tuple[list[Tensor], list[Tensor]] = ([], [])
) -> Tensor:
    """Σ_p ∂_p f(x) ⊗ ∂_p f(x'): N1×N2×k×k."""
    left, right = (
        torch.func.jacrev(lambda p, x=x, some=some: output(arch, p, x, some))(params)
        for x, some in zip((x1, x2), masks, strict=True)
    )
    total = torch.zeros((), dtype=x1.dtype)
    for one, other in zip(_leaves(left), _leaves(right), strict=True):
        total = total + torch.einsum("akp,blp->abkl", one.flatten(2), other.flatten(2))
    return total


def _leaves(found: tuple[tuple[Tensor, Tensor], ...]) -> Iterator[Tensor]:
    for weight, bias in found:
        yield weight
        yield bias
