"""Σ and Θ of a network estimated from networks that are drawn: means over draws, with their standard errors.

Where a network has several outputs, f·f'/k is the mean over all of them, and Θ is that of v·f/√k for random signs v,
whose mean over v is trace(Θ)/k (Hutchinson, 1990): one reverse pass whatever k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.finite.forward import apply
from ntk_engine.finite.masks import Masks, keys, signs
from ntk_engine.finite.moments import Moments
from ntk_engine.finite.parameters import Parameters, Weights, draw, generators
from ntk_engine.finite.products import mirrored, nngp, tangent
from ntk_engine.finite.reverse import Passed, passed
from ntk_engine.infinite import KERNELS
from ntk_engine.widths import fans

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.widths import Fan

__all__ = ["Estimate", "monte_carlo", "running"]

# Numbers that are drawn at once where networks are small: which ones, must not depend on the inputs.
_DRAWN = 2**18


@dataclass(frozen=True)
class Estimate:
    """Estimates of kernels from the draws so far, N1×N2 each, as far as they were asked for."""

    moments: dict[str, Moments]
    gram: bool = False

    @property
    def draws(self) -> int:
        """How many networks were drawn."""
        return next(iter(self.moments.values())).count

    @property
    def nngp(self) -> Tensor:
        """The estimate of Σ."""
        return self.arrays["nngp"]

    @property
    def ntk(self) -> Tensor:
        """The estimate of Θ."""
        return self.arrays["ntk"]

    @property
    def arrays(self) -> dict[str, Tensor]:
        """By name: `ntk`, `nngp`, and the standard errors of their entries, `ntk_standard_error` and so on."""
        means = {name: found.mean for name, found in self.moments.items()}
        errors = {f"{name}_standard_error": found.standard_error() for name, found in self.moments.items()}
        # Sums over draws are taken in an order that depends on the entry's place.
        return {name: mirrored(array) if self.gram else array for name, array in (means | errors).items()}


def monte_carlo(
    arch: Architecture,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    draws: int,
    width: int | None = None,
    seed: int = 0,
    kernels: Collection[str] = KERNELS,
    places: tuple[int, int] | None = None,
) -> Estimate:
    """Mean and standard error of a network's kernels over draws ≥ 2 of it, between the rows of x1 and x2, or of x1.

    In float64, reproducible from the seed on a kind of device. width: of dense layers that name none. places: of the
    first rows of x1 and x2 among all inputs; inputs at one place have the same dropout masks, and without `places`
    those of x2 are others than those of x1. Raises ArchitectureError as `fans` does.
    """
    *_, last = running(arch, x1, x2, draws=draws, width=width, seed=seed, kernels=kernels, places=places)
    return last


def running(
    arch: Architecture,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    draws: int,
    width: int | None = None,
    seed: int = 0,
    kernels: Collection[str] = KERNELS,
    places: tuple[int, int] | None = None,
    numbers: int = 2**22,
) -> Iterator[Estimate]:
    """`monte_carlo` as it goes: the same object, ever better. numbers: how many may be held at once for the inputs."""
    if draws < 2:
        raise ValueError("a standard error needs two draws or more")
    a, b = x1.double(), (x1 if x2 is None else x2).double()
    shape = a.new_empty(len(a), len(b))
    result = Estimate({name: Moments.none(shape) for name in KERNELS if name in kernels}, x2 is None)
    sizes = fans(arch, x1.shape[1], None, width)
    at = places or (0, 0 if x2 is None else len(a))
    # Both sides' neurons, their derivatives and what lies between them, and the matrices.
    held = 6 * (len(a) + len(b)) * sum(fan.outputs for fan in sizes) + 6 * shape.numel()
    for networks in _networks(sizes, draws, seed, a.device):
        for some in networks.cut(max(1, numbers // held)):
            for name, samples in _samples(arch, some, a, None if x2 is None else b, at, kernels):
                result.moments[name].add(samples)
            yield result


class _Networks(NamedTuple):
    """Some of the networks that are drawn."""

    params: Parameters
    keys: Tensor
    """From which each one's dropout masks and signs follow."""

    def cut(self, count: int) -> Iterator[_Networks]:
        """The same, `count` at a time."""
        for first in range(0, len(self.keys), count):
            part = slice(first, first + count)
            params = tuple(Weights(some.weight[part], some.bias[part]) for some in self.params)
            yield _Networks(params, self.keys[part])


def _networks(sizes: Sequence[Fan], draws: int, seed: int, device: torch.device) -> Iterator[_Networks]:
    at_once = max(1, _DRAWN // sum(fan.parameters for fan in sizes))
    *streams, last = generators(seed, len(sizes) + 1, device)
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        yield _Networks(draw(sizes, streams, count), keys(last, count))


def _samples(
    arch: Architecture,
    networks: _Networks,
    x1: Tensor,
    x2: Tensor | None,
    places: tuple[int, int],
    kernels: Collection[str],
) -> Iterator[tuple[str, Tensor]]:
    """What is drawn of each kernel, one a network (n×N1×N2)."""

    def through(x: Tensor, place: int) -> Passed:
        masks = Masks(networks.keys, torch.arange(place, place + len(x), device=x.device))
        return passed(arch, networks.params, x, readout.unsqueeze(-2), masks, back="ntk" in kernels)

    k = apply(arch, networks.params, x1[:0]).shape[-1]
    readout = signs(networks.keys, k) / k**0.5
    a = through(x1, places[0])
    b = a if x2 is None else through(x2, places[1])
    for name, write in (("nngp", _covariance), ("ntk", _tangent)):
        if name in kernels:
            out = x1.new_empty(len(networks.keys), a.outputs.shape[-2], b.outputs.shape[-2])
            write(a, b, out)
            yield name, out


def _covariance(a: Passed, b: Passed, out: Tensor) -> None:
    nngp(a.outputs, b.outputs, out, full=False)


def _tangent(a: Passed, b: Passed, out: Tensor) -> None:
    tangent(a, b, out, full=False)
