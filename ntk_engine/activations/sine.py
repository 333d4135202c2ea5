"""Sine and cosine of any phase.

a sin(bz + c) = a cos c sin bz + a sin c cos bz is the sum of an odd and an even part. With Q = b²q of each row,
M = b²|s| and k = e^{M − (Q + Q')/2}, they have
    |ρ_odd|  = k(1 − e^{−2M})/N,    N² = (1 − e^{−2Q})(1 − e^{−2Q'}),    E[σ²] = a² cos² c (1 − e^{−2Q})/2,
    ρ_even = k(1 + e^{−2M})/N,    N² = (1 + e^{−2Q})(1 + e^{−2Q'}),    E[σ²] = a² sin² c (1 + e^{−2Q})/2.
In both, N² − k²(1 ∓ e^{−2M})² = (1 − k²)(1 − e^{−2M − Q − Q'}) ∓ (e^{−Q} − e^{−Q'})², which cancels where sin is nearly
linear: there, ρ_odd = ρ (1 + S(M))/√((1 + S(Q))(1 + S(Q'))) with S(x) = sinh x/x − 1.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import cos, factorial, sin, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from ntk_engine.activations import formulas as f
from ntk_engine.activations import parts
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.double_functions import exponential
from ntk_engine.activations.double_word import words
from ntk_engine.activations.exponential import MOST
from ntk_engine.activations.parameters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.double_word import Double

# Of b√q: sin is linear below it, to an error of its square in angles.
_LEAST = 1e-20
# Of b√q: e^{−2Q} is 0 above it.
_MOST = 30.0
# sinh x/x − 1 = Σ_k x^{2k}/(2k+1)!; twelve terms are exact to 1e-20 for x ≤ 2.
_SINH = tuple(1.0 / factorial(2 * k + 1) for k in range(1, 13))


class Wave(ClosedForm):
    """odd·sin(bz) + even·cos(bz) for the `amplitudes` (odd, even)."""

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        for name in ("a", "b", "c"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        for name in ("a", "b"):
            if getattr(self, name) == 0.0:
                raise ValueError(f"{name} must not be 0: the activation would be constant")

    @property
    @abstractmethod
    def amplitudes(self) -> tuple[float, float]:
        """Of the odd and of the even part."""

    @property
    def parameters(self) -> tuple[float]:
        """|b|."""
        return (abs(self.b),)

    def rows(self, root: Tensor) -> tuple[Tensor, ...]:
        """`rows_beside` nothing."""
        return self.rows_beside(root, root.detach() * 0.0)

    def rows_beside(self, root: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
        """√E[σ²], the shares of the parts, √q, √(1 − e^{−2Q})/√(2Q), √(1 + e^{−2Q}), e^{−Q}, 1 − e^{−Q}, S(Q), `rest`.

        The last is 0 where √q is held.
        """
        scale = abs(self.b)
        top = root.clamp_max(MOST / scale)
        held = top.clamp_min(_LEAST / scale)
        square = held * scale * (held * scale)
        odd, decay = ((square * -2.0).expm1() / (square * -2.0)).sqrt(), (-square).exp()
        even = (1.0 + decay * decay).sqrt()
        first, second = (abs(amplitude) for amplitude in self.amplitudes)
        exact = self._deviations(words(root, rest)) if first and second else None
        shares = parts.shares(top * scale * odd * first, even * (sqrt(0.5) * second), exact)
        kept = rest.where(held == root, 0.0)
        return *shares, held, odd, even, decay, -(-square).expm1(), _sinh(square.clamp_max(2.0)), kept

    def moment(self, root: Double) -> Double:
        """√E[σ²]."""
        odd, even = self._deviations(root)
        # A square of the odd part may be no number where it is alone.
        return parts.sum_of(odd, even) if all(self.amplitudes) else odd if self.amplitudes[0] else even

    def _deviations(self, root: Double) -> tuple[Double, Double]:
        """Of the odd and of the even part."""
        top = (root * abs(self.b)).clip(0.0, _MOST)
        held = top.clip(_LEAST, _MOST)
        twice = held * held * 2.0
        decay, less = exponential(-twice)
        first, second = (abs(amplitude) for amplitude in self.amplitudes)
        return top * (-less / twice).root() * first, ((decay + 1.0) * 0.5).root() * second

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The two parts as above, mixed."""
        apart, product = ((a[5] - b[5]) + (a[11] - b[11])) * p[0], a[5] * p[0] * (b[5] * p[0])
        near = _Near(
            product,
            distance=f.magnitude(apart) * ((a[5] + b[5]) * p[0]),
            total=apart * apart + product * 2.0,
            half=apart * apart * 0.5 + product * gap,
            twice=product * (1.0 - gap) * 2.0,
        )
        odd, odd_slope = _odd(a, b, rho, gap, near)
        even, even_slope = _even(a, b, near)
        even_slope = f.where(rho < 0.0, -even_slope, even_slope)
        return *parts.together(a[1:5], b[1:5], odd, even), a[1] * b[1] * odd_slope + a[2] * b[2] * even_slope


class _Near(NamedTuple):
    """What both parts take of a pair."""

    product: Tensor
    """√(QQ')."""
    distance: Tensor
    """|Q − Q'|."""
    total: Tensor
    """Q + Q'."""
    half: Tensor
    """(Q + Q')/2 − M."""
    twice: Tensor
    """2M."""

    def differences(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(1 − k²)(1 − e^{−2M − Q − Q'}) and (e^{−Q} − e^{−Q'})²."""
        fade = f.where(a[8] < b[8], b[8], a[8]) * f.expm1(-self.distance)
        far = a[9] + a[8] * (b[9] - b[8] * f.expm1(-self.twice))
        return -f.expm1(self.half * -2.0) * far, fade * fade


def _even(a: Sequence[Tensor], b: Sequence[Tensor], near: _Near) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """ρ and 1 − ρ, and the size of the slope."""
    norm, k = a[7] * b[7], f.exp(-near.half)
    value = k * (2.0 + f.expm1(-near.twice))
    cross, fade = near.differences(a, b)
    slope = near.product * (-k * f.expm1(-near.twice) / norm)
    return (value / norm, (cross + fade) / (norm * (norm + value))), slope


def _odd(
    a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor, near: _Near
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """ρ and 1 − |ρ|, and the slope.

    Where |Q − Q'| < 2QQ', by the differences, right to eps (Q − Q')²/QQ'; elsewhere by S, right to eps QQ', so that the
    angle errs by a few eps. Where S is large, so is 1 − |ρ|.
    """
    unit, k = a[6] * b[6], f.exp(-near.half)
    fall = -f.expm1(-near.twice)
    some = near.twice > 1e-200
    value = rho * (k * f.where(some, fall / f.where(some, near.twice, 1.0), 1.0) / unit)
    norm = near.product * unit * 2.0
    cross, fade = near.differences(a, b)
    close = (cross - fade) / (norm * (norm + k * fall))
    linear = near.total < 2.0
    sinh = _sinh(f.where(linear, near.twice * 0.5, near.twice * 0.0))
    mean = (a[10] + b[10] + a[10] * b[10]) / (1.0 + f.sqrt((1.0 + a[10]) * (1.0 + b[10])))
    other = f.where(linear, (gap * (1.0 + sinh) + (mean - sinh)) / (1.0 + mean), 1.0 - abs(value))
    after = f.where(near.distance / near.product < near.product * 2.0, close, other)
    slope = k * (2.0 - fall) / (unit * 2.0)
    return (value, f.where(after < 0.0, after * 0.0, after)), slope


def _sinh(x: Tensor) -> Tensor:
    """S(x) = sinh x/x − 1 for x ≤ 2, accurate relative to itself."""
    square = x * x
    series: Tensor = square * _SINH[-1] + _SINH[-2]
    for coefficient in _SINH[-3::-1]:
        series = series * square + coefficient
    return series * square


@dataclass(frozen=True)
class Sin(Wave):
    """σ(z) = a sin(bz + c). Raises ValueError where one is no finite number, or a or b is 0."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    type: Literal["sin"] = "sin"

    facts: ClassVar[Facts] = Facts(
        formula="a·sin(bz + c)",
        description="A wave, odd where c = 0; its kernels are in closed form.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )

    @property
    def amplitudes(self) -> tuple[float, float]:
        """a cos c and a sin c."""
        return self.a * cos(self.c), self.a * sin(self.c)

    def value(self, z: Tensor) -> Tensor:
        """a sin(bz + c)."""
        return (z * self.b + self.c).sin() * self.a

    def derivative(self, z: Tensor) -> Tensor:
        """ab cos(bz + c)."""
        return (z * self.b + self.c).cos() * (self.a * self.b)


@dataclass(frozen=True)
class Cos(Wave):
    """σ(z) = a cos(bz + c). Raises ValueError where one is no finite number, or a or b is 0."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    type: Literal["cos"] = "cos"

    facts: ClassVar[Facts] = Facts(
        formula="a·cos(bz + c)",
        description="A wave, even where c = 0; its kernels are in closed form.",
        polynomial=False,
        homogeneous=False,
        smoothness="C^inf",
    )

    @property
    def amplitudes(self) -> tuple[float, float]:
        """−a sin c and a cos c."""
        return -self.a * sin(self.c), self.a * cos(self.c)

    def value(self, z: Tensor) -> Tensor:
        """a cos(bz + c)."""
        return (z * self.b + self.c).cos() * self.a

    def derivative(self, z: Tensor) -> Tensor:
        """−ab sin(bz + c)."""
        return (z * self.b + self.c).sin() * (-self.a * self.b)
