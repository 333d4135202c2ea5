"""Hermite coefficients of smooth activations, c_k = E[σ(√q z) h_k(z)] = √(q/k) E[σ'(√q z) h_{k−1}(z)].

The second form, for k ≥ 1, is accurate relative to itself where σ is nearly constant. E is a sum over equally spaced z:
for a function that is analytic about the real line, the error of that rule falls exponentially with 1/h.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.series import Series, unit

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.numeric import Numeric

# The longest series that is worth it.
_MOST_TERMS = 256
_SEEN = 512
_STEP = 1.0 / 16.0
_REACH = 13.0
# What may be left of Σ k ĉ_k², relative to itself.
_TAIL = 1e-16
_ROUNDING = 2e-15
_ROWS = 2**12


@lru_cache(4)
def _rule(step: float, terms: int) -> tuple[Tensor, Tensor]:
    """Nodes z (N), and h_k(z) times the weights of E_z (N×K)."""
    count = round(_REACH / step)
    z = torch.arange(-count, count + 1, dtype=torch.float64) * step
    # h_k times the root of the density, which does not overflow; the other root is in the weights.
    root = (z * z * -0.25).exp()
    rows = [root, root * z]
    for k in range(1, terms - 1):
        rows.append((z * rows[k] - sqrt(k) * rows[k - 1]) / sqrt(k + 1.0))
    return z, torch.stack(rows[:terms], -1) * (root / root.square().sum())[:, None]


class Coefficients:
    """√E[σ²] and ĉ_0, …, ĉ_{K−1} of rows, as `Series` takes them."""

    def __init__(self, activation: Numeric, terms: int, step: float = _STEP) -> None:
        self._activation = activation
        self._terms = terms
        self._step = step

    def __call__(self, root: Tensor) -> list[Tensor]:
        """K + 1 tensors of the shape of `root`."""
        flat = torch.cat([self._of(part) for part in torch.split(root.double().flatten(), _ROWS)])
        return unit([item.reshape(root.shape) for item in flat.unbind(-1)])

    def _of(self, root: Tensor) -> Tensor:
        z, polynomials = (item.to(root) for item in _rule(self._step, self._terms))
        root = root[:, None]
        mean = root * 0.0 if self._activation.odd else self._activation.value(root * z) @ polynomials[:, :1]
        order = torch.arange(1, self._terms, dtype=torch.float64, device=root.device)
        rest = self._activation.derivative(root * z) @ polynomials[:, :-1] * (root / order.sqrt())
        return torch.cat([mean, rest], -1)


def series(activation: Numeric, least: float, most: float) -> Series | None:
    """The series for roots in [least, most], or None where it is long, or not certain to 1e-15."""
    if activation.kinks:
        return None
    root = torch.tensor([max(least, 1e-150), max(most, 1e-150)], dtype=torch.float64)
    rough, fine = (torch.stack(Coefficients(activation, _SEEN, step)(root), -1) for step in (_STEP, _STEP / 2.0))
    error = float((rough[:, 1:] - fine[:, 1:]).abs().max())
    # Σ_{j ≥ k} j ĉ_j² relative to all of it; what is not seen is less, where the last terms seen are nothing.
    energies = torch.arange(_SEEN, dtype=torch.float64) * fine[:, 1:].square()
    tails = (energies.flip(-1).cumsum(-1).flip(-1) / energies.sum(-1, keepdim=True)).amax(0)
    short = (tails < _TAIL).nonzero()
    if not error < _ROUNDING or len(short) == 0 or int(short[0]) > _MOST_TERMS or float(tails[-32]) > _TAIL * 1e-6:
        return None
    if _is_inconsistent(activation, root, rough):
        return None
    terms = max(int(short[0]), 2)
    nonnegative = bool((activation.value(root[:, None] * _rule(_STEP, _SEEN)[0]) >= 0.0).all())
    return Series(Coefficients(activation, terms), _left(rough, fine, terms), nonnegative=nonnegative)


def _left(rough: Tensor, fine: Tensor, terms: int) -> float:
    """`Dual.error`, from √E[σ²] and ĉ of some rows by two rules: with δ = ĉ − ĉ' a row's unit vector turns by |δ|, and
    √(Σ k δ_k²), relative to √(Σ k ĉ_k²), is what it adds to the slope, by Cauchy-Schwarz; a pair has two rows."""
    wrong, right = rough[:, 1 : terms + 1] - fine[:, 1 : terms + 1], fine[:, 1 : terms + 1]
    order = torch.arange(terms, dtype=torch.float64)
    turned = torch.linalg.vector_norm(wrong, dim=-1)
    slope = ((order * wrong.square()).sum(-1) / (order * right.square()).sum(-1)).sqrt()
    scale = (rough[:, 0] / fine[:, 0] - 1.0).abs()
    return 2.0 * float(torch.stack([turned, slope, scale]).max()) + _TAIL


def _is_inconsistent(activation: Numeric, root: Tensor, found: Tensor) -> bool:
    """Whether Σ c_k² is not E[σ²]: σ' is not the derivative of σ."""
    z, polynomials = _rule(_STEP, _SEEN)
    value = activation.value(root[:, None] * z) / found[:, :1]
    return bool(((value.square() @ polynomials[:, 0] - 1.0).abs() > 10.0 * _ROUNDING).any())
