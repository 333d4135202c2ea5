"""Powers of the rectifier, max(z, 0)^p: the arc-cosine kernels of order p (Cho and Saul, 2009).

E[σσ'] = (√q √q')^p J_p(φ)/(2π),      J_p(φ) = (−1)^p sin^{2p+1}φ (1/sin φ ∂/∂φ)^p (π − φ)/sin φ,
and dJ_p/dcos φ = p² J_{p−1}. J_p(φ) = π P_p(cos φ) − (−1)^p Y_p(φ) and J_p(π − ψ) = Y_p(ψ), with g = 1 − cos ψ and
    P_0 = 1,    P_1 = c,    P_p = (2p − 1) c P_{p−1} + (p − 1)² (1 − c²) P_{p−2},    P_p(1) = (2p − 1)!!,
    Y_p(ψ) = p!²/(2p + 1)!! (2g)^{p+½} ₂F₁(½, ½; p + 3/2; g/2),
which solves dY_p/dψ = p² sin ψ Y_{p−1}, Y_p(0) = 0: nothing cancels, neither near φ = 0 nor near π.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce
from math import factorial, pi, prod, sqrt
from operator import mul
from typing import TYPE_CHECKING, ClassVar, Literal

from ntk_engine.activations import formulas as f
from ntk_engine.activations.base import ClosedForm, Facts
from ntk_engine.activations.double_word import Double, root_of
from ntk_engine.activations.parameters import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MOST = 5
# Coefficients of g^k in Y_p/√g, the first p of them 0; of powers of cos φ in the polynomials.
_TERMS, _POWERS = 20, 5


@dataclass(frozen=True)
class RectifiedPower(ClosedForm):
    """σ(z) = max(z, 0)^power, and the step where power = 0. Raises ValueError where power is no integer from 0 to 5."""

    power: int = 1
    type: Literal["rectified_power"] = "rectified_power"

    facts: ClassVar[Facts] = Facts(
        formula="max(z, 0)^power",
        description="A power of ReLU: the arc-cosine kernels; power 0 is the step, 1 is ReLU.",
        polynomial=False,
        homogeneous=True,
        smoothness="C^(power − 1)",
    )
    nonnegative = True

    def __post_init__(self) -> None:
        integer("power", self.power, 0, MOST)

    def value(self, z: Tensor) -> Tensor:
        """max(z, 0)^power."""
        return (z > 0.0).to(z.dtype) * z.clamp_min(0.0).pow(self.power)

    def derivative(self, z: Tensor) -> Tensor:
        """power·z^(power − 1) where z > 0, else 0."""
        return (z > 0.0).to(z.dtype) * z.clamp_min(0.0).pow(max(self.power - 1, 0)) * self.power

    def rows(self, root: Tensor) -> tuple[Tensor]:
        """√E[σ²] = √((2p − 1)!!/2) √q^p."""
        return ((root > 0.0).to(root.dtype) * root.pow(self.power) * sqrt(_odd_factorial(self.power) / 2),)

    def moment(self, root: Double) -> Double:
        """√((2p − 1)!!/2) √q^p."""
        start = Double.of((root.high > 0.0) * 1.0) * root_of(Fraction(_odd_factorial(self.power), 2))
        return reduce(mul, [root] * self.power, start)

    @property
    def parameters(self) -> tuple[float, ...]:
        """(−1)^p, then the coefficients of the four polynomials of `pair`."""
        return _parameters(self.power)

    @staticmethod
    def pair(
        p: Sequence[float],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        rho: Tensor,
        gap: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """J_p/(πN) and p² J_{p−1}/(πN) with N = P_p(1); P_p(1) − P_p(c) is 1 − c times a sum of positive terms."""
        cosine, root = 1.0 - gap, f.sqrt(gap)
        rest, rest_below = p[1:][:_TERMS], p[1 + _TERMS :][:_TERMS]
        fall, below = p[1 + 2 * _TERMS :][:_POWERS], p[1 + 2 * _TERMS + _POWERS :]
        y, y_below = _polynomial(rest, gap) * root, _polynomial(rest_below, gap) * root
        opposite = rho < 0.0
        after = f.where(opposite, 1.0 - y, _polynomial(fall, cosine) * gap + y * p[0])
        slope = f.where(opposite, y_below, _polynomial(below, cosine) + y_below * p[0])
        return f.where(opposite, y, 1.0 - after), after, slope


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """Σ c_k x^k by Horner's rule."""
    result = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        result = result * x + coefficient
    return result


@cache
def _parameters(power: int) -> tuple[float, ...]:
    n, square, arc_cosine = _odd_factorial(power), power * power, _arc_cosine_polynomials(power)
    nothing = [0.0] * _TERMS
    rest_below = [square / n * c for c in _rest(power - 1)] if power else nothing
    fall = [sum(arc_cosine[power][j + 1 :]) / n for j in range(_POWERS)]
    below = [square * c / n for c in arc_cosine[power - 1][:_POWERS]] if power else nothing[:_POWERS]
    # J_{p−1} = πP_{p−1} + (−1)^p Y_{p−1}, and 1 − J_p/(πN) = (P_p(1) − P_p)/N + (−1)^p Y_p/(πN).
    return ((-1.0) ** power, *(c / n for c in _rest(power)), *rest_below, *fall, *below)


def _odd_factorial(power: int) -> int:
    """(2p − 1)!!."""
    return prod(range(1, 2 * power, 2))


def _arc_cosine_polynomials(power: int) -> list[list[int]]:
    """The coefficients of P_0, …, P_p, of rising powers up to c^5."""
    p = [[1] + [0] * MOST, [0, 1] + [0] * (MOST - 1)]
    for k in range(2, power + 1):
        last, before = [0, *p[k - 1][:-1]], p[k - 2]
        shifted = [0, 0, *before[:-2]]
        p.append([(2 * k - 1) * x + (k - 1) ** 2 * (y - z) for x, y, z in zip(last, before, shifted, strict=True)])
    return p


def _rest(power: int) -> list[float]:
    """The coefficients of Y_p/(π√g), of rising powers of g."""
    scale = sqrt(2.0) * 2.0**power * factorial(power) ** 2 / _odd_factorial(power + 1) / pi
    series = [0.0] * power + [c * scale for c in _hypergeometric(power)]
    return series + [0.0] * (_TERMS - len(series))


def _hypergeometric(power: int) -> list[float]:
    """Coefficients of ₂F₁(½, ½; p + 3/2; g/2), right to 2^−57 for 0 ≤ g ≤ 1: its series, economised (Lanczos).

    The last term c x^n is replaced by c (x^n − T_n(2x − 1)/2^{2n−1}), of lower degree, as long as that is close enough.
    Integers in units of 2^−200 hold what the powers' coefficients magnify.
    """
    unit = 1 << 200
    series = [unit]
    for k in range(90):
        series.append(series[-1] * (2 * k + 1) ** 2 // (4 * (2 * k + 2 * power + 3) * (k + 1)))
    chebyshev, error = _shifted_chebyshev(len(series)), 0.0
    while (error := error + abs(series[-1]) / unit / 2.0 ** (2 * len(series) - 3)) < 2.0**-57:
        last, polynomial = series.pop(), chebyshev[len(series)]
        series = [c - last * t // polynomial[-1] for c, t in zip(series, polynomial, strict=False)]
    return [c / unit for c in series]


def _shifted_chebyshev(count: int) -> list[list[int]]:
    """The coefficients of T_n(2x − 1) for n = 0 … count − 1, of rising powers."""
    t = [[1], [-1, 2]]
    for _ in range(2, count):
        twice = [4 * high - 2 * low for high, low in zip([0, *t[-1]], [*t[-1], 0], strict=True)]
        t.append([c - d for c, d in zip(twice, [*t[-2], 0, 0], strict=True)])
    return t
