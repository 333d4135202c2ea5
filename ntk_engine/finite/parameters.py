"""The parameters of finite networks, of one or of many at once, drawn from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ntk_engine.widths import fans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.widths import Fan

__all__ = ["Parameters", "Weights", "draw", "generators", "init"]


class Weights(NamedTuple):
    """The parameters of one dense layer; … stands for any number of networks, or is nothing for one."""

    weight: Tensor
    """W, …×n_{ℓ+1}×n_ℓ."""
    bias: Tensor
    """b, …×n_{ℓ+1}."""


Parameters = tuple[Weights, ...]
"""Of every dense layer, in the order of `ntk_engine.widths.fans`."""


def init(
    arch: Architecture,
    n_inputs: int,
    n_outputs: int,
    seed: int,
    *,
    width: int | None = None,
    device: torch.device | str = "cpu",
) -> Parameters:
    """One network: parameters iid N(0, 1), or of its deviations in standard parametrization, in float64.

    width: neurons of dense layers that name no number. Equal seeds give equal parameters on a kind of device. Raises
    ArchitectureError as `fans` does.
    """
    sizes = fans(arch, n_inputs, n_outputs, width)
    return tuple(
        Weights(*map(torch.Tensor.squeeze, some, (0, 0)))
        for some in draw(sizes, generators(seed, len(sizes), device), 1)
    )


def generators(seed: int, count: int, device: torch.device | str = "cpu") -> list[torch.Generator]:
    """So many independent streams of random numbers.

    Their own seeds are consecutive, because torch's generator on a CPU reads 32 bits of them: hashes could be equal.
    """
    (first,) = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return [torch.Generator(device).manual_seed((int(first) + number) % 2**63) for number in range(count)]


def draw(sizes: Sequence[Fan], streams: Sequence[torch.Generator], count: int) -> Parameters:
    """The next `count` networks of the streams, one stream a dense layer (Section 2; Remark 1)."""
    return tuple(_weights(fan, stream, count) for fan, stream in zip(sizes, streams, strict=True))


def _weights(fan: Fan, stream: torch.Generator, count: int) -> Weights:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=stream, dtype=torch.float64, device=stream.device)

    weight, bias = normal(count, fan.outputs, fan.inputs), normal(count, fan.outputs)
    if fan.dense.parametrization == "standard":
        weight.mul_(fan.dense.sigma_w / fan.inputs**0.5)
        bias.mul_(fan.dense.beta)
    return Weights(weight, bias)
