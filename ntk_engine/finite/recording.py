"""What is recorded of networks while they are trained: functions of their parameters, S networks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.finite.forward import Way, apply, forward
from ntk_engine.finite.tangent import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.parameters import Parameters

__all__ = ["Recording", "kernel_drift", "kernels", "movement", "numbers", "outputs", "parameter_drift", "projections"]


class Recording(NamedTuple):
    """A quantity, and when it is recorded."""

    name: str
    steps: Collection[int]
    measure: Callable[[Parameters], Tensor]
    """Of S networks, from their parameters: S×…"""


def outputs(arch: Architecture, x: Tensor) -> Callable[[Parameters], Tensor]:
    """f_θ(x) of the rows of x: S×N×k."""
    return lambda params: apply(arch, params, x)


def kernels(arch: Architecture, x: Tensor) -> Callable[[Parameters], Tensor]:
    """trace Θ(θ)(x, x')/k between the rows of x: S×N×N."""
    return lambda params: kernel(arch, params, x, kernels=("ntk",)).ntk


def kernel_drift(arch: Architecture, x: Tensor, initial: Parameters) -> Callable[[Parameters], Tensor]:
    """‖Θ_t − Θ_0‖/‖Θ_0‖ in the Frobenius norm on the rows of x (S): 0 where Theorem 2 holds exactly."""
    before = kernels(arch, x)(initial)
    scale = before.flatten(1).norm(dim=1)
    return lambda params: (kernels(arch, x)(params) - before).flatten(1).norm(dim=1) / scale


def parameter_drift(initial: Parameters) -> Callable[[Parameters], Tensor]:
    """‖W_t − W_0‖/‖W_0‖ of every dense layer, biases left out: S×L."""

    def measure(params: Parameters) -> Tensor:
        apart = [(now.weight - then.weight).flatten(1).norm(dim=1) for now, then in zip(params, initial, strict=True)]
        return torch.stack(apart, dim=1) / torch.stack([item.weight.flatten(1).norm(dim=1) for item in initial], dim=1)

    return measure


def movement(arch: Architecture, x: Tensor, initial: Parameters) -> Callable[[Parameters], Tensor]:
    """‖α̃_t − α̃_0‖/‖α̃_0‖ of the neurons after every dense layer, over all rows of x: S×L."""

    def neurons(params: Parameters) -> list[Tensor]:
        way = Way(params)
        forward(arch, way, x)
        return [layer.after.flatten(1) for layer in way.dense]

    before = neurons(initial)

    def measure(params: Parameters) -> Tensor:
        apart = [(now - then).norm(dim=1) / then.norm(dim=1) for now, then in zip(neurons(params), before, strict=True)]
        return torch.stack(apart, dim=1)

    return measure


def numbers(params: Parameters) -> Tensor:
    """θ itself, S×P: of every dense layer [W, b] row by row."""
    return torch.cat([torch.cat([some.weight, some.bias[..., None]], dim=-1).flatten(1) for some in params], dim=1)


def projections(arch: Architecture, x: Tensor, components: Tensor) -> Callable[[Parameters], Tensor]:
    """(1/N) Σ_j v_m(x_j) f_θ(x_j) for functions v_m given by their values on the rows of x (N×M): S×M×k."""
    return lambda params: components.mT @ apply(arch, params, x) / len(x)
