"""Pairs of inputs on which kernels lose their digits first, and the bound that a kernel is held to."""

from collections.abc import Iterator

import numpy as np
import torch
from mpmath import mpf

Pair = tuple[str, np.ndarray, np.ndarray]

ANGLES = (1e-3, 1e-5, 1e-7, 1e-9)


def _unit(rng: np.random.Generator, d: int = 5) -> np.ndarray:
    x = rng.standard_normal(d)
    return x / np.linalg.norm(x)


def at_norm(norm: float, seed: int = 0) -> Iterator[Pair]:
    """Random, equal, opposite, collinear, zero, and near-equal and near-opposite pairs of about this norm."""
    rng = np.random.default_rng(seed)
    x, y = norm * _unit(rng), norm * _unit(rng)
    yield from [("random", x, y), ("equal", x, x), ("opposite", x, -x), ("zero", x, 0 * x), ("zeros", 0 * x, 0 * x)]
    yield from [(f"collinear {c}", x, c * x) for c in (2.0, 0.7, -3.0)]
    for angle in ANGLES:
        near = x + angle * y
        same_norm = near * (np.linalg.norm(x) / np.linalg.norm(near))
        yield from [(f"angle {angle}", x, near), (f"angle {angle}, one norm", x, same_norm)]
        yield from [(f"antipodal {angle}", x, -near), (f"angle {angle}, norm ×1.7", x, 1.7 * near)]


def mixed(small: float, large: float, seed: int = 1) -> Iterator[Pair]:
    """Pairs whose norms differ."""
    rng = np.random.default_rng(seed)
    x, y = _unit(rng), _unit(rng)
    yield from [("random", small * x, large * y), ("collinear", small * x, large * x)]
    yield from [("opposite", small * x, -large * x), ("angle 1e-6", small * x, large * (x + 1e-6 * y))]


def stacked(pairs: list[Pair], dtype: torch.dtype, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Both sides of the pairs as rows of two matrices."""
    left, right = (torch.from_numpy(np.stack([pair[side] for pair in pairs])) for side in (1, 2))
    return left.to(device, dtype), right.to(device, dtype)


def excess(value: float, exact: mpf, scale: mpf, relative: float, rounding: float) -> float:
    """|value − exact| in units of what is allowed: `relative` of the value or, where terms cancel, `rounding` of their
    scale √(K(x,x) K(x',x'))."""
    allowed = max(relative * abs(exact), rounding * scale)
    error = abs(mpf(value) - exact)
    return 0.0 if error == 0 else float(error / allowed) if allowed > 0 else float("inf")
