"""The recursion over layers (Section 4.1, with a gain σ_w), as formulas of one pair of inputs.

Kernels are carried in units of the rows' own deviations, Σ = ρ √q √q' and Θ = τ √q √q', in which nothing overflows at
any depth and for any norms. With √a = σ_w √E[σ²] the root of a variance before the bias, √q = √(a + β²) after it and
α = √a/√q, γ = β/√q, a layer (activation, then dense) is
    ρ ← αα'ρ_σ + γγ',      then τ ← αα' κ τ + ρ,      κ = dρ_σ/dρ = E[σ'σ'] √q √q' / √(E[σ²] E[σ'²])
and keeps the gap 1 − |ρ| by 1 − ρ ← αα'(1 − ρ_σ) + w, w = (1 + α)(1 + α')(t − t')²/2, t = γ/(1 + α): (α, γ) is an
angle's cosine and sine, and t the tangent of its half, in two words, so that its differences are right relative to
themselves: t is nearly 1 where α is small.

The formulas are evaluated on tensors and, recorded, compiled: see `ntk_engine.compiled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ntk_engine.activations.formulas import where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    # (rows of a, rows of b, ρ, gap) → ρ, gap and slope: `Dual.correlate`.
    Correlate = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

# α, γ and the two words of t.
BIAS_ROWS = 4


class Pairs(NamedTuple):
    """Pairs of inputs at one depth."""

    rho: Tensor
    gap: Tensor
    """1 − |ρ|."""
    tau: Tensor
    """Θ in units of √q √q'."""


def add_bias(a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """ρ and its gap after a bias; a, b: α, γ and the words of t. Every term is positive, so none loses digits."""
    share, bias, spread = a[0] * b[0], a[1] * b[1], _spread(a, b)
    below = share * where(rho < 0.0, 1.0 - rho, gap) + spread
    above = share * where(rho < 0.0, gap, 1.0 + rho) + (2.0 * bias + spread)
    rho = share * rho + bias
    return rho, where(rho < 0.0, above, below)


def add_bias_nonnegative(a: Sequence[Tensor], b: Sequence[Tensor], rho: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """`add_bias` where ρ ≥ 0."""
    return a[0] * b[0] * rho + a[1] * b[1], a[0] * b[0] * gap + _spread(a, b)


def _spread(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    apart = (a[2] - b[2]) + (a[3] - b[3])
    half = 0.5 * (1.0 + a[0])
    return apart * apart * (half + half * b[0])


def dense(a: Sequence[Tensor], b: Sequence[Tensor], pairs: Pairs) -> Pairs:
    """A dense layer, given α, γ and t of the rows: its own weights add the new Σ to the Θ of what came before."""
    rho, gap = add_bias(a, b, pairs.rho, pairs.gap)
    return Pairs(rho, gap, a[0] * b[0] * pairs.tau + rho)


def dense_nonnegative(a: Sequence[Tensor], b: Sequence[Tensor], pairs: Pairs) -> Pairs:
    """`dense` where ρ ≥ 0."""
    rho, gap = add_bias_nonnegative(a, b, pairs.rho, pairs.gap)
    return Pairs(rho, gap, a[0] * b[0] * pairs.tau + rho)


def layer(correlate: Correlate, a: Sequence[Tensor], b: Sequence[Tensor], pairs: Pairs) -> Pairs:
    """An activation and the dense layer after it; a, b: what its dual takes of the rows, then α, γ and t's words."""
    rho, gap, slope = correlate(a[:-BIAS_ROWS], b[:-BIAS_ROWS], pairs.rho, pairs.gap)
    return dense(a[-BIAS_ROWS:], b[-BIAS_ROWS:], Pairs(rho, gap, slope * pairs.tau))


def layer_nonnegative(correlate: Correlate, a: Sequence[Tensor], b: Sequence[Tensor], pairs: Pairs) -> Pairs:
    """`layer` where ρ ≥ 0 before and after the activation."""
    rho, gap, slope = correlate(a[:-BIAS_ROWS], b[:-BIAS_ROWS], pairs.rho, pairs.gap)
    return dense_nonnegative(a[-BIAS_ROWS:], b[-BIAS_ROWS:], Pairs(rho, gap, slope * pairs.tau))
