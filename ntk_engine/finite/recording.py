"""What is recorded of networks while they are trained: functions of their parameters, S networks at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.finite.forward import apply
from ntk_engine.finite.parameters import flattened, joined
from ntk_engine.finite.reverse import there
from ntk_engine.finite.tangent import kernel

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.expanded import Around
    from ntk_engine.finite.parameters import Parameters

__all__ = ["Recording", "kernel_drift", "kernels", "movement", "numbers", "outputs", "parameter_drift", "projections"]


Measure = Callable[["Parameters", "Sequence[int]"], "Tensor"]
"""Of S networks that are still trained, from their parameters, and which of all they are: S×…"""


class Recording(NamedTuple):
    """A quantity, and when it is recorded."""

    name: str
    steps: Collection[int]
    measure: Measure


def outputs(arch: Architecture, x: Tensor, less: Parameters | None = None, around: Around | None = None) -> Measure:
    """f_θ(x) of the rows of x, S×N×k; `less` what it is at other parameters, where these are given.

    around: of the expansion in place of f.
    """
    shift = None if less is None else apply(arch, less, x)

    def measure(params: Parameters, which: Sequence[int]) -> Tensor:
        f = apply(arch, params, x) if around is None else around.of(which).value(arch, joined(params), x)
        return f if shift is None else f - shift[which]

    return measure


def kernels(arch: Architecture, x: Tensor) -> Measure:
    """trace Θ(θ)(x, x')/k between the rows of x: S×N×N."""
    return lambda params, _: kernel(arch, params, x, kernels=("ntk",), outputs="trace").ntk


def kernel_drift(arch: Architecture, x: Tensor, initial: Parameters) -> Measure:
    """‖Θ_t − Θ_0‖/‖Θ_0‖ in the Frobenius norm on the rows of x (S): 0 where Theorem 2 holds exactly."""
    theta = kernels(arch, x)
    before = theta(initial, ()).flatten(1)
    return lambda params, which: _drift(theta(params, which).flatten(1), before[which])


def parameter_drift(initial: Parameters) -> Measure:
    """‖W_t − W_0‖/‖W_0‖ of every dense layer, biases left out: S×L."""

    def measure(params: Parameters, which: Sequence[int]) -> Tensor:
        both = zip(params, initial, strict=True)
        return torch.stack([_drift(now.weight.flatten(1), then.weight[which].flatten(1)) for now, then in both], dim=1)

    return measure


def movement(arch: Architecture, x: Tensor, initial: Parameters) -> Measure:
    """‖α_t − α_0‖/‖α_0‖ of what enters each dense layer but the first and, last, of f, over all rows of x: S×L."""

    def neurons(params: Parameters) -> list[Tensor]:
        found = there(arch, params, x, None)
        alphas = [term.alpha for term in found.terms[1:]]
        return [item.expand(len(found.outputs), *item.shape[-2:]).flatten(1) for item in (*alphas, found.outputs)]

    before = neurons(initial)

    def measure(params: Parameters, which: Sequence[int]) -> Tensor:
        both = zip(neurons(params), before, strict=True)
        return torch.stack([_drift(now, then[which]) for now, then in both], dim=1)

    return measure


def numbers(params: Parameters, _: Sequence[int]) -> Tensor:
    """θ itself, S×P: of every dense layer [W, b] row by row."""
    return flattened(joined(params))


def projections(
    arch: Architecture, x: Tensor, components: Tensor, less: Parameters | None = None, around: Around | None = None
) -> Measure:
    """(1/N) Σ_j v_m(x_j) f_θ(x_j) for functions v_m given by their values on the rows of x (N×M): S×M×k."""
    f = outputs(arch, x, less, around)

    def measure(params: Parameters, which: Sequence[int]) -> Tensor:
        found: Tensor = components.mT @ f(params, which) / len(x)
        return found

    return measure


def _drift(now: Tensor, then: Tensor) -> Tensor:
    """‖now − then‖/‖then‖, row by row."""
    found: Tensor = (now - then).norm(dim=1) / then.norm(dim=1)
    return found
