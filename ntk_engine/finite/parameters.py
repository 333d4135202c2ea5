"""The parameters of finite networks, of one or of many at once, drawn from a seed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ntk_engine.widths import fans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.widths import Fan

__all__ = [
    "Parameters",
    "Weights",
    "augmented",
    "draw",
    "empty",
    "flattened",
    "generators",
    "init",
    "joined",
    "parameters",
    "unflattened",
    "weights",
]

# Numbers that are drawn at once.
_DRAWN = 2**20


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
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Parameters:
    """One network: parameters iid N(0, 1), or of its deviations in standard parametrization.

    width: neurons of dense layers that name no number. Equal seeds give equal parameters on a kind of device, those of
    float32 rounded from those of float64. Raises ArchitectureError as `fans` does.
    """
    found = weights(arch, n_inputs, n_outputs, [seed], width=width, dtype=dtype, device=device)
    return parameters([item[0] for item in found])


def weights(
    arch: Architecture,
    n_inputs: int,
    n_outputs: int,
    seeds: Sequence[int],
    *,
    width: int | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """V = [W, b] of every dense layer of S networks (S×n_{ℓ+1}×(n_ℓ + 1)), each as `init` gives it."""
    found = empty(arch, n_inputs, n_outputs, len(seeds), width=width, dtype=dtype, device=device)
    sizes = fans(arch, n_inputs, n_outputs, width)
    for network, seed in enumerate(seeds):
        for fan, stream, joined in zip(sizes, generators(seed, len(sizes), device), found, strict=True):
            _fill(joined[network, :, :-1], stream)
            _fill(joined[network, :, -1:], stream)
            if fan.dense.parametrization == "standard":
                joined[network, :, :-1] *= fan.dense.sigma_w / fan.inputs**0.5
                joined[network, :, -1] *= fan.dense.beta
    return found


def empty(
    arch: Architecture,
    n_inputs: int,
    n_outputs: int,
    count: int,
    *,
    width: int | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """Room for `weights`; rows are a whole number of 64 bytes apart, which products with few inputs gain from."""
    return [
        _room((count, fan.outputs), fan.inputs + 1, dtype, device) for fan in fans(arch, n_inputs, n_outputs, width)
    ]


def _room(front: Sequence[int], columns: int, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    pitch = -(-columns * dtype.itemsize // 64) * 64 // dtype.itemsize
    return torch.zeros(*front, pitch, dtype=dtype, device=device)[..., :columns]


def augmented(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """V = [W, b] of dtype (…×n_{ℓ+1}×(n_ℓ + 1)), a copy with rows as `empty` has them."""
    room = _room(weight.shape[:-1], weight.shape[-1] + 1, dtype, weight.device)
    room[..., :-1] = weight
    room[..., -1] = bias
    return room


def parameters(joined: Sequence[Tensor]) -> Parameters:
    """W and b apart, as views of V."""
    return tuple(Weights(item[..., :-1], item[..., -1]) for item in joined)


def joined(params: Parameters) -> list[Tensor]:
    """V = [W, b] of every dense layer."""
    return [torch.cat([some.weight, some.bias.unsqueeze(-1)], dim=-1) for some in params]


def flattened(joined: Sequence[Tensor]) -> Tensor:
    """All numbers of S networks, S×P: layer by layer V row by row."""
    return torch.cat([item.flatten(1) for item in joined], dim=1)


def unflattened(flat: Tensor, into: Sequence[Tensor]) -> list[Tensor]:
    """The same numbers in `into`, which has their shapes."""
    at = 0
    for item in into:
        size = item.shape[1:].numel()
        item.copy_(flat[:, at : at + size].view(item.shape))
        at += size
    return list(into)


def _fill(out: Tensor, stream: torch.Generator) -> None:
    """Normal numbers, some rows at a time: no second copy of a large matrix is made."""
    rows, columns = out.shape
    # Whole sixteens of numbers, and no fewer at the end: so the generator gives those that it would for all rows.
    at_once = max(16, _DRAWN // columns // 16 * 16)
    ends = [*range(at_once, rows - 16, at_once), rows]
    for first, end in pairwise([0, *ends]):
        some = out[first:end]
        some.copy_(torch.randn(some.shape, generator=stream, dtype=torch.float64, device=stream.device))


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
