"""The recursion of Section 4.1 as it is printed, at 50 digits: slow, obvious, and nothing in common with the engine.

For norms of 1e±100, (1 + 2q)(1 + 2q') − 4Σ² cancels 200 of its digits, so 500 are carried there. What has been computed
is kept: every test runs twice.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import mpmath
from mpmath import mpf

from ntk_engine.activations import AnyActivation, parse
from tests.ntk_engine.activations.printed import both

Row = tuple[float, ...]


class Layer(NamedTuple):
    """A pair of inputs at one depth."""

    sigma: mpf
    """Σ^ℓ(x, y)."""
    theta: mpf
    """Θ^ℓ(x, y)."""
    sigma_scale: mpf
    """√(Σ^ℓ(x,x) Σ^ℓ(y,y))."""
    theta_scale: mpf
    """√(Θ^ℓ(x,x) Θ^ℓ(y,y))."""


def layers(
    activation: str | AnyActivation, depth: int, beta: float, sigma_w: float, x: Sequence[float], y: Sequence[float]
) -> list[Layer]:
    """The pair for ℓ = 1 … depth."""
    sizes = [abs(entry) for entry in (*x, *y) if entry != 0]
    extreme = any(not 1e-9 < size < 1e9 for size in sizes)
    with mpmath.workdps(500 if extreme else 50):
        return _layers(parse(activation), depth, beta, sigma_w, tuple(x), tuple(y), mpmath.mp.prec)


@cache
def _layers(
    activation: AnyActivation, depth: int, beta: float, sigma_w: float, x: Row, y: Row, precision: int
) -> list[Layer]:
    dual, bias, gain = both(activation), mpf(beta) ** 2, mpf(sigma_w) ** 2
    of_x, of_y = (_row(activation, depth, beta, sigma_w, row, precision) for row in (x, y))
    sigma = theta = gain * mpmath.fdot(map(mpf, x), map(mpf, y)) / len(x) + bias
    result = []
    for (q, theta_x), (p, theta_y) in zip(of_x, of_y, strict=True):
        result.append(Layer(sigma, theta, mpmath.sqrt(q * p), mpmath.sqrt(theta_x * theta_y)))
        if len(result) < depth:
            value, slope = dual(q, p, sigma)
            sigma = gain * value + bias
            theta = theta * gain * slope + sigma
    return result


@cache
def _row(
    activation: AnyActivation, depth: int, beta: float, sigma_w: float, x: Row, precision: int
) -> list[tuple[mpf, mpf]]:
    """Σ^ℓ(x, x) and Θ^ℓ(x, x)."""
    dual, bias, gain = both(activation), mpf(beta) ** 2, mpf(sigma_w) ** 2
    sigma = theta = gain * mpmath.fdot(map(mpf, x), map(mpf, x)) / len(x) + bias
    result = [(sigma, theta)]
    for _ in range(depth - 1):
        value, slope = dual(sigma, sigma, sigma)
        sigma = gain * value + bias
        theta = theta * gain * slope + sigma
        result.append((sigma, theta))
    return result
