"""What each function of the language does to tensors and to numpy's arrays.

Tensors are reached through their methods alone. Exponents are Python numbers, all else is of one dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import erf, erfc, pi, sqrt
from typing import Any, TypeAlias

import numpy as np

Table: TypeAlias = Mapping[str, Callable[..., Any]]

_COMMON: Table = {
    "+": lambda u, v: u + v,
    "-": lambda u, v: u - v,
    "*": lambda u, v: u * v,
    "/": lambda u, v: u / v,
    "neg": lambda u: -u,
    "<": lambda u, v: u < v,
    "<=": lambda u, v: u <= v,
    ">": lambda u, v: u > v,
    ">=": lambda u, v: u >= v,
}

TENSORS: Table = {
    **_COMMON,
    "number": lambda z, value: z.new_full((), value),
    "^": lambda u, n: u.pow(n),
    # A derivative that has vanished stays 0, whatever has overflown inside of it.
    "chain": lambda outer, inner: (outer * inner).masked_fill(outer == 0.0, 0.0),
    "where": lambda condition, yes, no: yes.where(condition, no),
    "max": lambda u, v: u.maximum(v),
    "min": lambda u, v: u.minimum(v),
    "step": lambda u: (u > 0.0).to(u.dtype),
    "softplus": lambda u: u.logaddexp(u.new_zeros(())),
    "Phi": lambda u: (u * -sqrt(0.5)).erfc() * 0.5,
    "phi": lambda u: (u * u * -0.5).exp() * sqrt(0.5 / pi),
    "exp": lambda u: u.exp(),
    "expm1": lambda u: u.expm1(),
    "log": lambda u: u.log(),
    "log1p": lambda u: u.log1p(),
    "sqrt": lambda u: u.sqrt(),
    "sin": lambda u: u.sin(),
    "cos": lambda u: u.cos(),
    "sinh": lambda u: u.sinh(),
    "cosh": lambda u: u.cosh(),
    "tanh": lambda u: u.tanh(),
    "atan": lambda u: u.atan(),
    "erf": lambda u: u.erf(),
    "erfc": lambda u: u.erfc(),
    "sigmoid": lambda u: u.sigmoid(),
    "relu": lambda u: u.relu(),
    "abs": lambda u: u.abs(),
    "sign": lambda u: u.sign(),
}

_erf, _erfc = np.vectorize(erf, otypes=[float]), np.vectorize(erfc, otypes=[float])

ARRAYS: Table = {
    **_COMMON,
    "number": lambda z, value: np.float64(value),
    "^": np.power,
    "chain": lambda outer, inner: np.where(outer == 0.0, 0.0, outer * inner),
    "where": np.where,
    "max": np.maximum,
    "min": np.minimum,
    "step": lambda u: np.where(u > 0.0, 1.0, 0.0),
    "softplus": lambda u: np.logaddexp(u, 0.0),
    "Phi": lambda u: 0.5 * _erfc(-sqrt(0.5) * u),
    "phi": lambda u: sqrt(0.5 / pi) * np.exp(-0.5 * u * u),
    "atan": np.arctan,
    "erf": _erf,
    "erfc": _erfc,
    "sigmoid": lambda u: 1.0 / (1.0 + np.exp(-u)),
    "relu": lambda u: np.maximum(u, 0.0),
    "abs": np.abs,
    **{
        name: getattr(np, name)
        for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "sign")
    },
}
