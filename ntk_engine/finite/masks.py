"""Random bits as functions of what they are for, so that it does not matter what is computed when: dropout's masks.

They are hashed from the network's key, the layer, the input's place and the neuron, by the finaliser of SplitMix64
(Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Masks", "keys", "signs"]

_BITS = 53


@dataclass(frozen=True)
class Masks:
    """The masks of some inputs, independent for inputs at different places and equal at the same one."""

    keys: Tensor
    """Any int64, one a network (…)."""
    places: Tensor
    """The inputs' places (N, or …×N, int64): any numbers from 0 on, such as their rows in a set of inputs."""

    def kept(self, layer: int, neurons: int, rate: float) -> Tensor:
        """Whether each neuron stays (…×N×neurons), which has the probability 1 − rate; `layer`: which dropout it is."""
        return _bits(self.keys, layer, self.places, neurons).ge(int(rate * 2**_BITS))


def keys(stream: torch.Generator, count: int) -> Tensor:
    """The keys of the next `count` networks of a stream."""
    return torch.randint(-(2**63), 2**63 - 1, (count,), generator=stream, device=stream.device)


def signs(keys: Tensor, count: int) -> Tensor:
    """`count` random signs of every network (…×count, float64), independent of its masks."""
    one = torch.zeros(1, dtype=torch.int64, device=keys.device)
    high = _bits(keys, -1, one, count).ge(2 ** (_BITS - 1))
    return torch.where(high, 1.0, -1.0).squeeze(-2).double()


def _bits(keys: Tensor, layer: int, places: Tensor, neurons: int) -> Tensor:
    """Integers below 2^53 (…×N×neurons)."""
    number = places[..., None] * neurons + torch.arange(neurons, device=places.device)
    stream = _mix(keys + _signed(0xD1B54A32D192ED03 * layer % 2**64))
    return _shift(_mix(stream[..., None, None] + number * _signed(0x9E3779B97F4A7C15)), 64 - _BITS)


def _mix(z: Tensor) -> Tensor:
    # Products of int64 are taken modulo 2^64.
    z = (z ^ _shift(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """z shifted to the right with zeros, whatever its sign."""
    return z.bitwise_right_shift(bits).bitwise_and(2 ** (64 - bits) - 1)


def _signed(constant: int) -> int:
    return constant - 2**64 if constant >= 2**63 else constant
