"""Kernels of tanh and hard tanh networks at 25 digits: mpmath, and nothing in common with the engine."""

from collections.abc import Callable, Sequence
from functools import cache

import mpmath
from mpmath import mpf

Expectations = tuple[mpf, mpf]
_END, _STEP = 11, mpf(1) / 7


def kernels(name: str, depth: int, beta: float, sigma_w: float, x: Sequence[float], y: Sequence[float]) -> Expectations:
    """Σ^L(x, y) and Θ^L(x, y) (Section 4.1)."""
    with mpmath.workdps(25):
        gain, bias = mpf(sigma_w) ** 2, mpf(beta) ** 2
        p, s, q = (gain * mpmath.fdot(map(mpf, u), map(mpf, v)) / len(x) + bias for u, v in ((x, x), (x, y), (y, y)))
        theta = s
        for _ in range(depth - 1):
            value, slope = EXPECTATIONS[name](p, s, q)
            p, s, q = (
                gain * item + bias for item in (EXPECTATIONS[name](p, p, p)[0], value, EXPECTATIONS[name](q, q, q)[0])
            )
            theta = theta * gain * slope + s
        return s, theta


@cache
def _tanh(p: mpf, s: mpf, q: mpf) -> Expectations:
    """E[σσ'] and E[σ'σ'] by sums over equally spaced points: their error falls as exp(−2π·(π/2√q)/step) to 1e-20."""
    a, b, rho = mpmath.sqrt(p), mpmath.sqrt(q), s / mpmath.sqrt(p * q)
    rest = mpmath.sqrt(max(mpf(0), (1 - rho) * (1 + rho))) if p != s or s != q else mpf(0)
    points = [i * _STEP for i in range(round(-_END / _STEP), round(_END / _STEP) + 1)]
    weights = [_STEP * mpmath.npdf(z) for z in points]
    value = slope = mpf(0)
    for z, u in zip(points, weights, strict=True):
        left = mpmath.tanh(a * z)
        inner = (
            [(mpmath.tanh(b * (rho * z + rest * w)), v) for w, v in zip(points, weights, strict=True)] if rest else []
        )
        right = inner or [(mpmath.tanh(b * rho * z), mpf(1))]
        value += u * left * mpmath.fsum(v * t for t, v in right)
        slope += u * (1 - left**2) * mpmath.fsum(v * (1 - t * t) for t, v in right)
    return value, slope


@cache
def _hard_tanh(p: mpf, s: mpf, q: mpf) -> Expectations:
    """E[σ'σ'] = P(|z| < 1, |z'| < 1) by Plackett's identity for its derivative in ρ; E[σσ'] is its integral over s.

    With r = sin t, so that nothing is singular: dr/√(1 − r²) = dt.
    """
    a, b = 1 / mpmath.sqrt(p), 1 / mpmath.sqrt(q)
    rho = s / mpmath.sqrt(p * q)

    def density(t: mpf) -> mpf:
        return (_corner(a, b, mpmath.sin(t)) - _corner(a, -b, mpmath.sin(t))) / mpmath.pi

    at_zero = mpmath.erf(a / mpmath.sqrt(2)) * mpmath.erf(b / mpmath.sqrt(2))
    angle = mpmath.asin(rho)
    # For unlike rows, the last of it is flat.
    ends = [angle * (1 - mpf(2) ** -k) for k in range(8)] + [angle]
    slope = at_zero + mpmath.quad(density, ends)
    covariance = at_zero * rho + mpmath.quad(lambda t: (rho - mpmath.sin(t)) * density(t), ends)
    return mpmath.sqrt(p * q) * covariance, slope


def _corner(a: mpf, b: mpf, r: mpf) -> mpf:
    """exp(−(a² − 2rab + b²)/(2(1 − r²))), where the numerator is (a ∓ b)² ± 2(1 ∓ r)ab."""
    sign = 1 if r >= 0 else -1
    near, far = (1 - sign * r), (1 + sign * r)
    apart = (a - sign * b) ** 2
    if near == 0:
        return mpf(0) if apart else mpmath.exp(-sign * a * b / far)
    return mpmath.exp(-(apart / near + 2 * sign * a * b) / (2 * far))


EXPECTATIONS: dict[str, Callable[[mpf, mpf, mpf], Expectations]] = {"tanh": _tanh, "hard_tanh": _hard_tanh}
