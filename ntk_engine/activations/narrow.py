"""erf and GELU for rows whose roots lie in a narrow range: what rows of different norm need is interpolated."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ntk_engine.activations import arcs, parts
from ntk_engine.activations import formulas as f
from ntk_engine.activations.apart import Apart, apart, on_range
from ntk_engine.activations.base import ClosedForm, Formula
from ntk_engine.activations.double_word import words
from ntk_engine.activations.gelu import apart_at_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double
    from ntk_engine.activations.erf import Erf
    from ntk_engine.activations.gelu import Gelu


class Narrow(Formula):
    """A closed form for rows whose roots lie in a narrow range."""

    def __init__(self, whole: ClosedForm, apart: Apart, scale: float = 1.0) -> None:
        """scale: what roots are multiplied by before they are given to `apart`."""
        self._whole, self._apart, self._scale = whole, apart, scale
        self.error = apart.error

    @property
    def whole(self) -> Formula:
        """The closed form."""
        return self._whole

    def beside(self, root: Tensor, rest: Tensor) -> list[Tensor]:
        """As `Apart.rows`."""
        return self._apart.rows(root * self._scale, words(root, rest) * self._scale)

    def rows(self, root: Tensor) -> list[Tensor]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> list[Tensor]:
        """Those of the closed form, then what is beside them."""
        return [*self._whole.rows_beside(root, rest), *self.beside(root, rest)]

    def moment(self, root: Double) -> Double | None:
        """That of the closed form."""
        return self._whole.moment(root)


class NarrowErf(Narrow):
    """erf for rows whose roots lie in a narrow range."""

    @staticmethod
    def pair(
        p: Sequence[float], a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of erf ψ/C, w + δ/C and R/(C cos ψ), with w = 1 − ψ₁/C from `apart`."""
        inverse, distance = a[10] * b[10], apart(a[12:], b[12:])
        turn = arcs.turn(a[5:12], b[5:12], rho, gap, distance)
        return turn.psi * inverse, distance + turn.delta * inverse, turn.product * inverse * turn.inverse


class NarrowShiftedErf(NarrowErf):
    """The same with a constant beside it."""

    @staticmethod
    def pair(
        p: Sequence[float], a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of erf, then of the constant."""
        *odd, slope = NarrowErf.pair(p, a, b, rho, gap)
        after, opened = parts.together(a[1:5], b[1:5], (odd[0], odd[1]), (1.0, 0.0))
        return after, opened, a[1] * b[1] * slope


@lru_cache(256)
def erf(whole: Erf, least: float, most: float) -> Formula:
    def gap(x: Tensor, y: Tensor) -> Tensor:
        a, b = [item[:, None] for item in arcs.rows(x, x * 0.0)], arcs.rows(y, y * 0.0)
        one = x.new_ones(len(x), len(y))
        return arcs.arcs(a, b, one, one * 0.0).spread * (a[5] * b[5])

    found = on_range(least * abs(whole.b), most * abs(whole.b), gap)
    if found is None:
        return whole
    family = NarrowShiftedErf if whole.c else NarrowErf
    return family(whole, found, abs(whole.b))


class NarrowGelu(Narrow):
    """GELU for rows whose roots lie in a narrow range."""

    @staticmethod
    def pair(
        p: Sequence[float], a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Gelu.pair`, with one division and without what rows of different norm need there."""
        product, gg, unit, inner = a[9] * b[9], a[10] * b[10], a[15] * b[15], 1.0 - gap
        less = gap * (2.0 - gap)
        rest, mixed = a[10] * a[10] + a[9] * b[10] * (a[9] * b[10]), product * product
        cosine1, cosine = f.sqrt(rest), f.sqrt(rest + mixed * less)
        cos_delta = cosine * cosine1 + mixed * inner
        half = f.sqrt((1.0 + cos_delta) * 0.5)
        ends, middles = (cosine + inner * cosine1) * cosine, (1.0 + half) * (cosine + cosine1)
        once = 1.0 / (ends * middles * cosine1)
        over_ends, over_middles = once * middles * cosine1, once * ends * cosine1
        inverse, inverse1 = over_ends * (cosine + inner * cosine1), once * ends * middles
        delta = f.angle(product * less * (over_ends * cosine), cos_delta)
        psi = f.angle(product * rho, cosine)
        short = arcs.shortfall(delta * 0.5)
        sine = delta * 0.5 * (1.0 - short)
        steep = (
            cosine1 * cosine1 + mixed * (sine * sine * (over_middles * (cosine + cosine1))) + product * cosine1 * sine
        )
        last = product * (gg * gg) * less * (over_middles * (1.0 + half)) * (1.0 + inverse * inverse1)
        turned = delta * short + 2.0 * sine * steep + abs(psi) * gap + last
        gap_even = turned * unit + apart(a[16:], b[16:])
        rho_next, gap_next = parts.together(a[1:5], b[1:5], (rho, gap), (1.0 - gap_even, gap_even))
        inside = cosine1 * cosine1 + gg * gg * (1.0 + inverse * inverse)
        slope = (psi + product * rho * inverse * inside) * unit
        return rho_next, gap_next, a[1] * b[1] + a[2] * b[2] * slope


@lru_cache(256)
def gelu(whole: Gelu, least: float, most: float) -> Formula:
    def gap(x: Tensor, y: Tensor) -> Tensor:
        a, b = [item[:, None] for item in whole.rows(x)], whole.rows(y)
        one = x.new_ones(len(x), len(y))
        arc, gg = arcs.arcs(a[8:15], b[8:15], one, one * 0.0), a[10] * b[10]
        return apart_at_one(a, b, arc, gg) / (arc.product * (a[5] * b[5]))

    found = on_range(least, most, gap)
    return whole if found is None else NarrowGelu(whole, found)
