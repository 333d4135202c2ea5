"""Expectations of piecewise linear activations, for kinks anywhere: integrals of elementary functions.

With J_j the jumps of σ' at the kinks c_j, and h_j = c_j/√q, h'_k = c_k/√q', Price's theorem gives for ρ = ± cos τ
    dE[σ'σ']/dρ = Σ_jk J_j J_k φ₂(h_j, h'_k; ρ) = e(τ)/sin τ,
    e(τ) = (1/2π) Σ_jk J_j J_k exp(−(h_j² + h'_k² ∓ 2 h_j h'_k cos τ)/(2 sin² τ)).
At ρ = 0 a mean of a product is the product of the means: E[σ'σ'] at ψ is E[σ'] E[σ''] ± ∫_ψ^{π/2} e dτ, and
    ∫_0^ψ E[σ'σ'] sin t dt = (1 − cos ψ) E[σ'σ'](ψ) ± ∫_0^ψ e (1 − cos τ) dτ.
"""

from __future__ import annotations

from itertools import pairwise, product
from math import ceil, inf, log, pi
from typing import TYPE_CHECKING

import torch

from ntk_engine.activations import formulas as f
from ntk_engine.activations.correlation import Correlated
from ntk_engine.activations.numeric import MOST_KINKS
from ntk_engine.activations.quadrature import GROWTH, Rule, density

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ntk_engine.activations.numeric import Numeric

# Pairs that are integrated at a time: about half a mebibyte of each quantity.
_CHUNK = 2**9
# Kinks beyond so many deviations count for nothing, and their squares are numbers still.
_FAR = 1e4


def jumps(activation: Numeric) -> list[tuple[float, float]] | None:
    """The kinks and the jumps of σ' there, if σ is piecewise linear with few kinks; else None."""
    kinks = sorted(set(activation.kinks))
    if not 0 < len(kinks) <= MOST_KINKS:
        return None
    pieces = [_slopes(activation, *piece) for piece in pairwise([-inf, *kinks, inf])]
    if any(bool((slopes != slopes[0]).any()) for slopes in pieces):
        return None
    return [(kink, float(right[0] - left[0])) for kink, (left, right) in zip(kinks, pairwise(pieces), strict=True)]


def _slopes(activation: Numeric, low: float, high: float) -> Tensor:
    """σ' at points of a piece, no two of which are evenly spaced: what repeats itself is not taken for constant."""
    inside = (torch.arange(1, 25, dtype=torch.float64) * 0.6180339887498949) % 1.0
    if low == -inf:
        return activation.derivative(high - inside / (1.0 - inside))
    return activation.derivative(low + (inside / (1.0 - inside) if high == inf else (high - low) * inside))


def _sorted(function: Callable[..., Tensor], rule: Rule, psi: Tensor, *others: Tensor) -> Tensor:
    """A function of N pairs, chunk by chunk of pairs of similar ψ, whose integrals have as many panels."""
    order = psi.detach().argsort()
    parts = [function(rule, psi[some], *(item[some] for item in others)) for some in torch.split(order, _CHUNK)]
    found = torch.cat(parts, -1)
    return torch.zeros_like(found).scatter(1, order.expand_as(found), found)


class PiecewiseLinear(Correlated):
    """Those of an activation whose slope is constant between its kinks."""

    def __init__(self, activation: Numeric, jumps: Sequence[tuple[float, float]]) -> None:
        self._activation = activation
        self.jumps = jumps
        self._first = float(_slopes(activation, -inf, jumps[0][0])[0])
        self._nearest = min((abs(c) for c, _ in jumps if c), default=1.0)
        # Terms of kinks (c, c') and (−c, −c') are equal.
        self.terms: dict[tuple[float, float], float] = {}
        for (c, jump), (d, other) in product(jumps, jumps):
            sign = -1.0 if (c, d) < (0.0, 0.0) else 1.0
            key = (sign * c + 0.0, sign * d + 0.0)
            self.terms[key] = self.terms.get(key, 0.0) + jump * other

    def derivatives(self, roots: Tensor, psi: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
        """See Correlated."""
        shape = (len(psi), len(roots), len(roots))
        pairs = torch.stack([roots[:, None].expand(shape), roots.expand(shape)], -1).reshape(-1, 2)
        angles = psi[:, None, None].expand(shape).flatten()
        signs = [torch.full_like(angles, sign) for sign in (1.0, -1.0)]
        same, opposite = (_sorted(self._slope_integrals, rule, angles, pairs, sign)[0] for sign in signs)
        return same.view(shape), opposite.view(shape)

    def pairs(
        self, roots: Tensor, scales: Tensor, psi: Tensor, turned: Tensor, rule: Rule
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See Correlated."""
        below, above, slope = _sorted(self._pairs, rule, psi, roots, scales, 1.0 - 2.0 * turned.to(psi.dtype))
        return below, above, slope

    def _pairs(self, rule: Rule, psi: Tensor, roots: Tensor, scales: Tensor, sign: Tensor) -> Tensor:
        slope, moved = self._slope_integrals(rule, psi, roots, sign)
        moved = moved * sign * (roots / scales).prod(-1)
        near, far = self._apart(roots, scales, sign, rule)
        return torch.stack([near + moved, far - moved, slope])

    def _slope_integrals(self, rule: Rule, psi: Tensor, roots: Tensor, sign: Tensor) -> Tensor:
        """E[σ'σ'], and its integral with sin t dt, of N pairs at ρ = sign · cos ψ, in rising order of ψ: 2×N."""
        distance = roots.max().item() / self._nearest
        near = distance > 4.0
        # The weight of an angle below ψ is τ² dτ. Where √q is large, e τ² is constant down to where kinks are apart.
        below = list(range(12 + ceil(log(distance, GROWTH)), 0, -1)) if near else [8, 5, 3, 2, 1]
        levels = ceil(log(pi / 2 / psi[0].item(), GROWTH) + 1e-9)
        ratios = psi.new_tensor([0.0, *(GROWTH**-k for k in below), *(GROWTH**k for k in range(levels + 1))])
        tau, weights = rule.panels((psi[:, None] * ratios).clamp_max(pi / 2))
        e = self._density(roots[..., None], sign[:, None], tau, near) * weights * sign[:, None]
        inner = (len(below) + 1) * rule.nodes
        slope = self._mean(roots).prod(-1) + e[:, inner:].sum(-1)
        within = (e[:, :inner] * (0.5 * tau[:, :inner]).sin().square()).sum(-1)
        return torch.stack([slope, 2.0 * ((0.5 * psi).sin().square() * slope + within)])

    def _mean(self, roots: Tensor) -> Tensor:
        """E[σ'] of rows: the slope of each piece by its probability."""
        kinks = roots.new_tensor([c for c, _ in self.jumps]) / roots[..., None]
        one = torch.ones_like(roots)[..., None]
        shares = torch.cat([-one, (kinks * 0.5**0.5).erf(), one], -1).diff(dim=-1) * 0.5
        slopes = torch.tensor([0.0, *(jump for _, jump in self.jumps)], dtype=torch.float64).cumsum(0) + self._first
        return (shares * slopes.to(shares)).sum(-1)

    def _density(self, roots: Tensor, sign: Tensor, tau: Tensor, near: bool) -> Tensor:
        """e(τ) of N pairs; near: whether kinks are so near to one another that their terms cancel."""
        a, b = roots.unbind(1)
        sine, cosine = tau.sin(), tau.cos()
        spread, half = -0.5 / (sine * sine), -1.0 / (1.0 + cosine)
        total = self._margin(a, spread) * self._margin(b, spread) if near else tau * 0.0
        for (c, d), weight in self.terms.items():
            h, k = ((kink / root).clamp(-_FAR, _FAR) for kink, root in ((c, a), (sign * d, b)))
            term = (spread * (h - k).square() + half * (h * k)).exp()
            if near:
                # Less the product of the margins.
                apart, mixed = (spread * (h * h + k * k)).exp(), spread * cosine * (-2.0 * h * k)
                term = f.where(mixed.abs() < 1.0, apart * mixed.clamp(-1.0, 1.0).expm1(), term - apart)
            total = total.add(term, alpha=weight)
        return total * (0.5 / pi)

    def _margin(self, root: Tensor, spread: Tensor) -> Tensor:
        """Σ J_j exp(−h_j²/(2 sin² τ)), which may be small as Σ J_j is; spread: −1/(2 sin² τ)."""
        total = spread * 0.0 + sum(jump for _, jump in self.jumps)
        for c, jump in self.jumps:
            total = total + jump * (spread * (c / root).square()).expm1()
        return total

    def _apart(self, roots: Tensor, scales: Tensor, sign: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
        """½E[(X(z) − X'(±z))²] and ½E[(X(z) + X'(±z))²] of N pairs, X = σ(√q z)/s."""
        kinks = roots.new_tensor(sorted({abs(c) for c, _ in self.jumps} - {0.0}))
        edges = (kinks / roots[..., None]).flatten(1)
        even = rule.even_edges(roots)[rule.even_panels // 2 :].expand(len(roots), -1)
        z, weights = rule.panels(torch.cat([even, edges], -1).clamp_max(rule.reach).sort(-1).values)
        weights = weights * density(z) * 0.5
        near = far = 0.0 * z
        for side in (z, -z):
            x = self._activation.value(roots[:, :1] * side) / scales[:, :1]
            y = self._activation.value(roots[:, 1:] * sign[:, None] * side) / scales[:, 1:]
            near, far = near + (x - y).square(), far + (x + y).square()
        return (near * weights).sum(-1), (far * weights).sum(-1)
