"""How wide the dense layers of a finite network are: by the widths that are named, what is added, and one for the rest.

Loads without torch, for whoever only counts parameters.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

from ntk_engine.architecture import Mlp, Network, layers
from ntk_engine.fields import ArchitectureError, Faults
from ntk_engine.layers import Dense, Layer, Parallel

__all__ = ["Fan", "fans", "fitted", "names"]


class Fan(NamedTuple):
    """A dense layer and its numbers of neurons before and after it."""

    dense: Dense
    inputs: int
    outputs: int

    @property
    def parameters(self) -> int:
        """(n_ℓ + 1) n_{ℓ+1}."""
        return (self.inputs + 1) * self.outputs


def fans(arch: Mlp | Network, n_inputs: int, n_outputs: int | None = None, width: int | None = None) -> tuple[Fan, ...]:
    """The dense layers of the network's one form, in the order of `layers` and, inside those, of branches.

    n_outputs: neurons at the end; None: what is named there, or 1 after a dense layer, or what follows from the rest.
    width: for dense layers that name none. Where weights of branches want other proportions it is the widest's, rounded
    down to what they allow. Raises ArchitectureError where no such network is, or a width is missing.
    """
    some, found = tuple(layers(arch)), _Widths()
    end = found.after(some, _Size(Fraction(n_inputs)))
    if n_outputs is not None:
        found.equate(end, _Size(Fraction(n_outputs)))
    elif isinstance(some[-1], Dense) and found.plain(end).unknown is not None:
        found.equate(end, _Size(Fraction(1)))
    return found.fans(width)


def fitted(arch: Mlp | Network, n_inputs: int, sizes: Sequence[int]) -> tuple[Fan, ...]:
    """The same layers, where numbers of neurons are known: one a dense layer, in the order of `fans`.

    Raises ArchitectureError where the network has other numbers; a fault's field is the place of the dense layer.
    """
    found = _Widths()
    found.after(tuple(layers(arch)), _Size(Fraction(n_inputs)))
    faults = Faults()
    for number, ((_, _, made), size) in enumerate(zip(found.dense, sizes, strict=True)):
        try:
            found.equate(made, _Size(Fraction(size)))
        except ArchitectureError:
            faults.at(number).add(f"{found.plain(made).factor} neurons, not {size}")
    faults.settle()
    return found.fans(None)


def names(arch: Mlp | Network) -> Iterator[str]:
    """Of the same layers, their places in the one form: `layers.0`, or in a branch `layers.2.branches.1.0`."""
    return _names(layers(arch), "layers")


def _names(some: Iterable[Layer], place: str) -> Iterator[str]:
    for number, layer in enumerate(some):
        if isinstance(layer, Dense):
            yield f"{place}.{number}"
        for branch, inside in enumerate(layer.inner):
            yield from _names(inside, f"{place}.{number}.branches.{branch}")


@dataclass(frozen=True, slots=True)
class _Size:
    """A number of neurons: `factor` times an unknown, or times 1."""

    factor: Fraction
    unknown: int | None = None


@dataclass
class _Widths:
    """Linear equations between the widths of the dense layers, each an unknown of its own."""

    dense: list[tuple[Dense, _Size, _Size]] = field(default_factory=list)
    known: dict[int, _Size] = field(default_factory=dict)

    def after(self, some: Sequence[Layer], size: _Size) -> _Size:
        """The neurons after some layers, given those before."""
        for layer in some:
            if isinstance(layer, Dense):
                size = self._through(layer, size)
            elif isinstance(layer, Parallel):
                size = self._join(layer, [self.after(branch, size) for branch in layer.branches])
        return size

    def _through(self, layer: Dense, size: _Size) -> _Size:
        made = _Size(Fraction(1), len(self.dense))
        self.dense.append((layer, size, made))
        if layer.width is not None:
            self.equate(made, _Size(Fraction(layer.width)))
        return made

    def _join(self, layer: Parallel, ends: list[_Size]) -> _Size:
        shares = layer.weights or (1,) * len(ends)
        unit = _Size(ends[0].factor / shares[0], ends[0].unknown)
        for share, end in zip(shares, ends, strict=True):
            self.equate(_Size(unit.factor * share, unit.unknown), end)
        return _Size(unit.factor * sum(shares), unit.unknown) if layer.combine == "concatenate" else unit

    def plain(self, size: _Size) -> _Size:
        """The same number by what is known."""
        while size.unknown is not None and size.unknown in self.known:
            of = self.known[size.unknown]
            size = _Size(size.factor * of.factor, of.unknown)
        return size

    def equate(self, one: _Size, other: _Size) -> None:
        """Learn that two numbers are the same. Raises ArchitectureError where they cannot be."""
        # The later unknown by the earlier one, which keeps chains short.
        one, other = sorted(
            (self.plain(one), self.plain(other)), key=lambda size: -1 if size.unknown is None else size.unknown
        )
        if other.unknown is not None and other.unknown != one.unknown:
            self.known[other.unknown] = _Size(one.factor / other.factor, one.unknown)
        elif one.factor != other.factor:
            raise _refusal("the widths of branches, and of the network's ends, contradict one another")

    def fans(self, width: int | None) -> tuple[Fan, ...]:
        """The layers with their numbers of neurons; `width` is that of layers of which nothing is known."""
        units = self.units(width)

        def count(size: _Size) -> int:
            plain = self.plain(size)
            number = plain.factor * (1 if plain.unknown is None else units[plain.unknown])
            if number.denominator != 1:
                raise _refusal(f"a layer would have {number} neurons, by the widths and weights of its branches")
            return int(number)

        return tuple(Fan(layer, count(before), count(after)) for layer, before, after in self.dense)

    def units(self, width: int | None) -> dict[int, int | Fraction]:
        """What the unknowns are that remain: the widest layer that depends on one is as wide as `width` allows."""
        factors: dict[int, list[Fraction]] = {}
        for _, _, made in self.dense:
            size = self.plain(made)
            if size.unknown is not None:
                factors.setdefault(size.unknown, []).append(size.factor)
        if factors and width is None:
            raise _refusal("a finite network needs a width for its dense layers that name none")
        return {unknown: _unit(some, width or 1) for unknown, some in factors.items()}


def _unit(factors: list[Fraction], width: int) -> Fraction:
    """The largest unit, if not so small that a layer has no neurons, in which no factor exceeds `width`."""
    whole = lcm(*(factor.denominator for factor in factors))
    least = Fraction(whole, gcd(*(int(factor * whole) for factor in factors)))
    return least * max(1, width // int(max(factors) * least))


def _refusal(sentence: str) -> ArchitectureError:
    return ArchitectureError((("", sentence),))
