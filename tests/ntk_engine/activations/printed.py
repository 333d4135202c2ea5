"""Duals as they are printed, on mpmath's numbers: E[σ(z)σ(z')] and E[σ'(z)σ'(z')] of every activation that has them.

A `PrintedDual` takes the variances q, q' and the covariance s of (z, z'). The second expectation is the derivative of
the first by s (Price's theorem), except where σ jumps: there σ' = 0.
"""

from collections.abc import Callable, Sequence
from functools import cache, singledispatch
from itertools import zip_longest
from math import factorial
from typing import Any

import mpmath
from mpmath import mpf

from ntk_engine.activations.abrelu import TwoSlopes
from ntk_engine.activations.base import Activation
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.exponential import Exp
from ntk_engine.activations.gaussian import Gaussian
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.polynomial import Hermite, Identity, Monomial, Polynomial
from ntk_engine.activations.rbf import Rbf
from ntk_engine.activations.rectified_power import RectifiedPower
from ntk_engine.activations.relu import Relu
from ntk_engine.activations.sine import Cos, Sin
from ntk_engine.activations.step import Sign, Step
from tests.ntk_engine.activations.exact import PrintedDual
from tests.ntk_engine.activations.homogeneous import Kernel

Both = Callable[[mpf, mpf, mpf], tuple[mpf, mpf]]


@singledispatch
def both(sigma: Activation) -> Both:
    """(q, q', s) ↦ E[σσ'], E[σ'σ']."""
    angles, power = kernel(sigma), degree(sigma)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        root = mpmath.sqrt(q * p)
        if root == 0:
            return mpf(0), mpf(0)
        value, slope = angles(mpmath.acos(max(mpf(-1), min(mpf(1), s / root))))
        return root**power * value, root ** (power - 1) * slope

    return expectations


def printed(sigma: Activation) -> PrintedDual:
    """(q, q', s) ↦ E[σσ']."""
    expectations = both(sigma)
    return lambda q, p, s: expectations(q, p, s)[0]


@singledispatch
def kernel(sigma: Activation) -> Kernel:
    """φ ↦ E[σσ'], E[σ'σ'] of a homogeneous activation, for variances 1 and covariance cos φ."""
    raise TypeError(f"no kernel of the angle is printed for {sigma!r}")


def degree(sigma: Activation) -> int:
    """p in σ(cz) = c^p σ(z), c > 0."""
    return sigma.power if isinstance(sigma, RectifiedPower) else 0 if isinstance(sigma, Step | Sign) else 1


@kernel.register
def _(sigma: Relu) -> Kernel:
    return _two_slopes(mpf(0), mpf(1))


@kernel.register
def _(sigma: TwoSlopes) -> Kernel:
    return _two_slopes(*map(mpf, sigma.slopes))


def _two_slopes(a: mpf, b: mpf) -> Kernel:
    """By the arc-cosine kernels of order 0 and 1: σ(z) = b z₊ − a (−z)₊."""

    def angles(phi: mpf) -> tuple[mpf, mpf]:
        psi, sine, cosine = mpmath.pi - phi, mpmath.sin(phi), mpmath.cos(phi)
        value = (a * a + b * b) * (sine + psi * cosine) - 2 * a * b * (sine - phi * cosine)
        return value / (2 * mpmath.pi), ((a * a + b * b) * psi + 2 * a * b * phi) / (2 * mpmath.pi)

    return angles


@kernel.register
def _(sigma: Step) -> Kernel:
    return lambda phi: ((mpmath.pi - phi) / (2 * mpmath.pi), mpf(0))


@kernel.register
def _(sigma: Sign) -> Kernel:
    return lambda phi: (1 - 2 * phi / mpmath.pi, mpf(0))


# Coefficients of (π − φ)^i sin^j φ cos^k φ, by (i, j, k).
Sum = dict[tuple[int, int, int], int]


def _by_angle_over_sine(terms: Sum) -> Sum:
    """(1/sin φ) ∂/∂φ of such a sum."""
    result: Sum = {}
    for (i, j, k), c in terms.items():
        for key, factor in (
            ((i - 1, j - 1, k), -c * i),
            ((i, j - 2, k + 1), c * j),
            ((i, j, k - 1), -c * k),
        ):
            if factor:
                result[key] = result.get(key, 0) + factor
    return result


@cache
def arc_cosine(power: int) -> Sum:
    """J_p = (−1)^p sin^{2p+1}φ (1/sin φ ∂/∂φ)^p (π − φ)/sin φ, as Cho and Saul (2009) define it."""
    terms: Sum = {(1, -1, 0): 1}
    for _ in range(power):
        terms = _by_angle_over_sine(terms)
    return {(i, j + 2 * power + 1, k): (-1) ** power * c for (i, j, k), c in terms.items()}


def _j(power: int, phi: mpf) -> mpf:
    psi, sine, cosine = mpmath.pi - phi, mpmath.sin(phi), mpmath.cos(phi)
    return sum(c * psi**i * sine**j * cosine**k for (i, j, k), c in arc_cosine(power).items())


@kernel.register
def _(sigma: RectifiedPower) -> Kernel:
    power = sigma.power

    def angles(phi: mpf) -> tuple[mpf, mpf]:
        slope = power**2 * _j(power - 1, phi) if power else mpf(0)
        return _j(power, phi) / (2 * mpmath.pi), slope / (2 * mpmath.pi)

    return angles


@both.register
def _(sigma: Erf) -> Both:
    a, b, c = mpf(sigma.a), mpf(sigma.b), mpf(sigma.c)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        product, twice = (1 + 2 * b * b * q) * (1 + 2 * b * b * p), 2 * b * b * s
        value = 2 * a * a / mpmath.pi * mpmath.asin(twice / mpmath.sqrt(product)) + c * c
        return value, 4 * a * a * b * b / mpmath.pi / mpmath.sqrt(product - twice * twice)

    return expectations


@both.register
def _(sigma: Gelu) -> Both:
    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        determinant = (1 + q) * (1 + p) - s * s
        root, inverses = mpmath.sqrt(determinant), 1 / (1 + q) + 1 / (1 + p)
        arc = mpmath.asin(s / mpmath.sqrt((1 + q) * (1 + p)))
        rest = q * p - s * s + s * s * inverses
        # (s·arc)' = arc + s/√D and (rest/√D)' = rest'/√D + rest s/D^{3/2}, as D' = −2s.
        slope = arc + (s + 2 * s * (inverses - 1) + rest * s / determinant) / root
        return s / 4 + (s * arc + rest / root) / (2 * mpmath.pi), mpf(1) / 4 + slope / (2 * mpmath.pi)

    return expectations


@both.register(Sin)
@both.register(Cos)
def _(sigma: Sin | Cos) -> Both:
    a, b, c = mpf(sigma.a), mpf(sigma.b), mpf(sigma.c)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        sine, cosine = mpmath.sin(c) ** 2, mpmath.cos(c) ** 2
        odd, even = (cosine, sine) if sigma.type == "sin" else (sine, cosine)
        scale, waves = a * a * mpmath.exp(-b * b * (q + p) / 2), (mpmath.sinh(b * b * s), mpmath.cosh(b * b * s))
        return scale * (odd * waves[0] + even * waves[1]), scale * b * b * (odd * waves[1] + even * waves[0])

    return expectations


@both.register
def _(sigma: Rbf) -> Both:
    gamma = mpf(sigma.gamma)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        value = mpmath.exp(-gamma * (q + p - 2 * s))
        return value, 2 * gamma * value

    return expectations


@both.register
def _(sigma: Gaussian) -> Both:
    a, b = mpf(sigma.a), mpf(sigma.b)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        determinant = (1 - 2 * b * q) * (1 - 2 * b * p) - 4 * b * b * s * s
        value = a * a / mpmath.sqrt(determinant)
        return value, 4 * b * b * s * value / determinant

    return expectations


@both.register
def _(sigma: Exp) -> Both:
    a, b = mpf(sigma.a), mpf(sigma.b)

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        value = a * a * mpmath.exp(b * b * (q + p + 2 * s) / 2)
        return value, b * b * value

    return expectations


@both.register(Polynomial)
@both.register(Monomial)
@both.register(Hermite)
@both.register(Identity)
def _(sigma: Activation) -> Both:
    """Isserlis' theorem: E[zⁿ z'ᵐ] counts the pairings of n + m Gaussian factors.

    k factors of zⁿ meet factors of z'ᵐ; the other n − k = 2i and m − k = 2j pair up among themselves.
    """
    count = len(coefficients(sigma))

    @cache
    def alone(k: int, q: mpf, precision: int) -> mpf:
        a = coefficients(sigma)
        return mpmath.fsum(
            a[n] * factorial(n) * q ** ((n - k) // 2) / (factorial((n - k) // 2) * 2 ** ((n - k) // 2))
            for n in range(k, len(a), 2)
        )

    def expectations(q: mpf, p: mpf, s: mpf) -> tuple[mpf, mpf]:
        precision = mpmath.mp.prec
        shared = [alone(k, q, precision) * alone(k, p, precision) / factorial(k) for k in range(count)]
        value, slope = mpmath.polyval(shared, s, derivative=True, asc=True)
        return value, slope

    return expectations


def coefficients(sigma: Activation) -> Sequence[Any]:
    """a_n in σ(z) = Σ a_n zⁿ, at the precision there is."""
    if isinstance(sigma, Polynomial):
        return [mpf(a) for a in sigma.coefficients]
    if isinstance(sigma, Monomial):
        return [mpf(n == sigma.degree) for n in range(sigma.degree + 1)]
    return _hermite(sigma.degree) if isinstance(sigma, Hermite) else [mpf(0), mpf(1)]


def _hermite(order: int) -> list[mpf]:
    """The coefficients of He_order/√order!."""
    last, this = [mpf(0)], [mpf(1)]
    for n in range(order):
        last, this = this, [x - n * y for x, y in zip_longest([0, *this], last, fillvalue=0)]
    return [x / mpmath.sqrt(factorial(order)) for x in this]
