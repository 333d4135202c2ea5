"""The recursion of Section 4.1 as it is printed, at 50 digits: slow, obvious, and nothing in common with the engine.

For norms of 1e±100, (1 + 2q)(1 + 2q') − 4Σ² cancels 200 of its digits, so 500 are carried there.
"""

from collections.abc import Iterator, Sequence

import mpmath
from mpmath import mpf


def _relu(q: mpf, s: mpf, p: mpf) -> tuple[mpf, mpf]:
    """E[σσ'] and E[σ'σ'] for variances q, p and covariance s: the arc-cosine kernels."""
    if q * p == 0:
        return mpf(0), mpf(0)
    rho = max(mpf(-1), min(mpf(1), s / mpmath.sqrt(q * p)))
    phi = mpmath.acos(rho)
    value = mpmath.sqrt(q * p) / (2 * mpmath.pi) * (mpmath.sin(phi) + (mpmath.pi - phi) * mpmath.cos(phi))
    return value, (mpmath.pi - phi) / (2 * mpmath.pi)


def _erf(q: mpf, s: mpf, p: mpf) -> tuple[mpf, mpf]:
    """E[σσ'] and E[σ'σ'] for variances q, p and covariance s: the arc sine and its derivative."""
    product = (1 + 2 * q) * (1 + 2 * p)
    value = 2 / mpmath.pi * mpmath.asin(2 * s / mpmath.sqrt(product))
    return value, 4 / mpmath.pi / mpmath.sqrt(product - 4 * s * s)


DUALS = {"relu": _relu, "erf": _erf}


def layers(
    activation: str, depth: int, beta: float, sigma_w: float, x: Sequence[float], y: Sequence[float]
) -> Iterator[tuple[mpf, mpf, mpf, mpf]]:
    """Σ^ℓ(x,y), Θ^ℓ(x,y), √(Σ^ℓ(x,x) Σ^ℓ(y,y)) and √(Θ^ℓ(x,x) Θ^ℓ(y,y)) for ℓ = 1 … depth."""
    sizes = [abs(entry) for entry in (*x, *y) if entry != 0]
    extreme = any(not 1e-9 < size < 1e9 for size in sizes)
    with mpmath.workdps(500 if extreme else 50):
        yield from _layers(activation, depth, beta, sigma_w, x, y)


def _layers(
    activation: str, depth: int, beta: float, sigma_w: float, x: Sequence[float], y: Sequence[float]
) -> Iterator[tuple[mpf, mpf, mpf, mpf]]:
    dual, bias, gain = DUALS[activation], mpf(beta) ** 2, mpf(sigma_w) ** 2

    def first(a: Sequence[float], b: Sequence[float]) -> mpf:
        return gain * mpmath.fdot(map(mpf, a), map(mpf, b)) / len(a) + bias

    sigma = [first(x, x), first(x, y), first(y, y)]
    theta = list(sigma)
    for layer in range(depth):
        yield sigma[1], theta[1], mpmath.sqrt(sigma[0] * sigma[2]), mpmath.sqrt(theta[0] * theta[2])
        if layer == depth - 1:
            return
        q, s, p = sigma
        duals = [dual(q, q, q), dual(q, s, p), dual(p, p, p)]
        sigma = [gain * value + bias for value, _ in duals]
        theta = [t * gain * slope + value for t, (_, slope), value in zip(theta, duals, sigma, strict=True)]
