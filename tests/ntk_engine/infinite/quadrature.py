"""The recursion of Section 4.1 by quadrature of σ and σ', in numbers of 64 bits where the machine has them.

For activations whose duals nobody can print. E[σ(z)σ(z')] is an iterated Gauss-Legendre rule on pieces that end where a
factor has its kink, for a few layers and moderate norms.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import mpmath
import numpy as np

from tests.ntk_engine.infinite.textbook import Row

Real = np.longdouble
Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]
ONE, ALPHA, SCALE = Real(1), Real("1.6732632423543772848170429916717"), Real("1.0507009873554804934193349852946")
_NODES, _END = 20, Real(13)
# Pieces narrower than the distance of a pole of σ(√q z), q of a few units, from where it matters.
_PIECES = [Real(sign) * end for sign in (-1, 1) for end in map(Real, (0.3, 0.8, 1.5, 2.5, 4, 6, 9, 13))]


class Layer(NamedTuple):
    """Σ^ℓ and Θ^ℓ of a pair, and √ of the products of those of both rows with themselves."""

    sigma: Any
    theta: Any
    sigma_scale: Any
    theta_scale: Any


class Sigma(NamedTuple):
    """σ, σ', and where they are not smooth."""

    value: Function
    derivative: Function
    kinks: tuple[float, ...] = ()


def _logistic(z: Array) -> Array:
    return ONE / (ONE + np.exp(-z))


def _softplus(z: Array) -> Array:
    return np.maximum(z, 0) + np.log1p(np.exp(-abs(z)))


def _exponential_left(z: Array, alpha: Any) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _slope_left(z: Array, alpha: Any) -> Array:
    return np.where(z > 0, ONE, alpha * np.exp(np.minimum(z, 0)))


FUNCTIONS = {
    "tanh": Sigma(np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "sigmoid": Sigma(_logistic, lambda z: _logistic(z) * _logistic(-z)),
    "arctan": Sigma(np.arctan, lambda z: 1 / (1 + z * z)),
    "softsign": Sigma(lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, (0.0,)),
    "hard_tanh": Sigma(lambda z: np.clip(z, -1, 1), lambda z: (abs(z) < 1).astype(Real), (-1.0, 1.0)),
    "softplus": Sigma(_softplus, _logistic),
    "silu": Sigma(lambda z: z * _logistic(z), lambda z: _logistic(z) * (1 + z * _logistic(-z))),
    "mish": Sigma(
        lambda z: z * np.tanh(_softplus(z)),
        lambda z: np.tanh(_softplus(z)) + z * _logistic(z) / np.cosh(_softplus(z)) ** 2,
    ),
    "elu": Sigma(lambda z: _exponential_left(z, 1), lambda z: _slope_left(z, 1), (0.0,)),
    "selu": Sigma(lambda z: SCALE * _exponential_left(z, ALPHA), lambda z: SCALE * _slope_left(z, ALPHA), (0.0,)),
    "expression": Sigma(lambda z: z * np.cos(z), lambda z: np.cos(z) - z * np.sin(z)),
}


@cache
def layers(name: str, depth: int, beta: float, sigma_w: float, x: Row, y: Row) -> list[Layer]:
    """The pair for ℓ = 1 … depth."""
    gain, bias = Real(sigma_w) ** 2, Real(beta) ** 2
    sigmas = [gain * _dot(u, v) / len(x) + bias for u, v in ((x, x), (x, y), (y, y))]
    thetas, result = sigmas, []
    for _ in range(depth):
        result.append(_layer(sigmas, thetas))
        values, slopes = (_expectations(function, FUNCTIONS[name].kinks, *sigmas) for function in FUNCTIONS[name][:2])
        sigmas = [gain * value + bias for value in values]
        thetas = [theta * gain * slope + sigma for theta, slope, sigma in zip(thetas, slopes, sigmas, strict=True)]
    return result


def _dot(x: Sequence[float], y: Sequence[float]) -> Any:
    return (np.array(x, Real) * np.array(y, Real)).sum()


def _layer(sigmas: Sequence[Any], thetas: Sequence[Any]) -> Layer:
    return Layer(sigmas[1], thetas[1], np.sqrt(sigmas[0] * sigmas[2]), np.sqrt(thetas[0] * thetas[2]))


def _expectations(f: Function, kinks: Sequence[float], q: Any, s: Any, p: Any) -> list[Any]:
    """E[f(z)²], E[f(z)f(z')] and E[f(z')²] for variances q, p and covariance s."""
    a, b = np.sqrt(q), np.sqrt(p)
    rho = s / (a * b)
    rest = (1 - rho) * (1 + rho)
    # Where this is nothing but rounding, z' is a multiple of z.
    z = _rule(_bounds(np.zeros(1, Real), [Real(k) / a for k in kinks]))
    one = [(f(c * z[0]) * f(d * z[0]) * z[1]).sum() for c, d in ((a, a), (a, np.sign(rho) * b), (b, b))]
    if b != a:
        z = _rule(_bounds(np.zeros(1, Real), [Real(k) / b for k in kinks]))
        one[2] = (f(b * z[0]) ** 2 * z[1]).sum()
    if rest > 1e-17:
        one[1] = _pair(f, kinks, a, b, rho, np.sqrt(rest))
    return one


def _pair(f: Function, kinks: Sequence[float], a: Any, b: Any, rho: Any, rest: Any) -> Any:
    # For rows nearly alike, E[f(z')|z] turns within a few `rest` of where z' has its kink.
    turns = [(Real(k) / b + end * rest) / rho for k in kinks for end in _PIECES]
    z, at_z = (part[0] for part in _rule(_bounds(np.zeros(1, Real), [*(Real(k) / a for k in kinks), *turns])))
    w, at_w = _rule(_bounds(z, [(Real(k) / b - rho * z) / rest for k in kinks]))
    return (f(a * z) * at_z * (f(b * (rho * z[:, None] + rest * w)) * at_w).sum(axis=1)).sum()


def _bounds(like: Array, kinks: Sequence[Any]) -> Array:
    """The ends of pieces (n×k), one row for each of `like`."""
    ends = [np.full_like(like, end) for end in _PIECES] + [
        np.full_like(like, 1) * np.clip(k, -_END, _END) for k in kinks
    ]
    return np.sort(np.stack(ends, axis=1), axis=1)


def _rule(bounds: Array) -> tuple[Array, Array]:
    """Nodes, and weights times the normal density, of the pieces between bounds (n×k)."""
    nodes, weights = _legendre()
    middle, half = (bounds[:, 1:, None] + bounds[:, :-1, None]) / 2, np.diff(bounds)[..., None] / 2
    x = middle + half * nodes
    w = half * weights * np.exp(-x * x / 2) / np.sqrt(2 * np.arccos(-ONE))
    return x.reshape(len(bounds), -1), w.reshape(len(bounds), -1)


@cache
def _legendre() -> tuple[Array, Array]:
    """Gauss-Legendre's rule: the roots of P_n, polished by Newton's method, and 2/((1 − x²) P_n'(x)²)."""
    with mpmath.workdps(30):
        roots = [
            mpmath.findroot(lambda x: mpmath.legendre(_NODES, x), x) for x in np.polynomial.legendre.leggauss(_NODES)[0]
        ]
        # (1 − x²) P_n' = n P_{n−1} where P_n = 0.
        weights = [2 * (1 - x * x) / (_NODES * mpmath.legendre(_NODES - 1, x)) ** 2 for x in roots]
        return tuple(np.array([Real(mpmath.nstr(x, 25)) for x in part]) for part in (roots, weights))  # type: ignore[return-value]
