"""Expectations of two functions of correlated Gaussians by quadrature, for correlations ±cos ψ, 0 < ψ ≤ π/2.

With u, v, v' independent, z = √ρ u + √(1−ρ) v and z' = √ρ u + √(1−ρ) v' have correlation ρ = cos ψ. Given u they are
independent: with F(u) = E_v f(√q z) and V(u) = Var_v f(√q z)
    E[f f'] = E_u[F F'],      E[(f − f')²] = E_u[V + V' + (F − F')²],
where no term of the latter cancels. F is, row by row, an integral over the line, whose nodes know where √q z passes a
kink; the sum over u is shared by all pairs of rows. Correlation −ρ is F'(−u).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from ntk_engine.activations.quadrature import Rule, density

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ntk_engine.activations.numeric import Numeric

# Nodes (u, v) that are held at a time: half a mebibyte, which stays in cache.
_CHUNK = 2**16
# The widths of F that the first panel beside a kink spans.
_LAYER = 1.4


class Nodes(NamedTuple):
    """Points z at which P correlations of R rows are integrated; u in rising order and symmetric about 0."""

    outer: Tensor
    """Weights of E_u: P×1×M."""
    blocks: list[tuple[Tensor, Tensor]]
    """z and weights of E_v, two P×R×m×N with R = 1 where all rows share them; the blocks' m are the M nodes u."""

    def given(self, function: Callable[[Tensor], Tensor], roots: Tensor) -> Tensor:
        """E_v of a function of √q z for all u: P×R×M."""
        return torch.cat([_inner(function, roots, *block) for block in self.blocks], -1)


class Correlated(Protocol):
    """Expectations of an activation's values at correlated Gaussians."""

    def derivatives(self, roots: Tensor, psi: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
        """E[σ'σ'] of all pairs among R rows at P correlations cos ψ and −cos ψ: two P×R×R. roots: R, positive."""

    def pairs(
        self, roots: Tensor, scales: Tensor, psi: Tensor, turned: Tensor, rule: Rule
    ) -> tuple[Tensor, Tensor, Tensor]:
        """½E[(σ/s − σ'/s')²], ½E[(σ/s + σ'/s')²] and E[σ'σ'] of P pairs, at cos ψ or, where `turned`, −cos ψ.

        roots, scales: P×2, √q and s.
        """


class Quadrature(Correlated):
    """By quadrature in u and v."""

    def __init__(self, activation: Numeric) -> None:
        self._activation = activation

    def derivatives(self, roots: Tensor, psi: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
        """See Correlated."""
        same, opposite = [], []
        for _, nodes in _chunks(self._activation, roots[None], psi, rule):
            f = nodes.given(self._activation.derivative, roots[None])
            same.append((f * nodes.outer) @ f.mT)
            opposite.append((f * nodes.outer) @ f.flip(-1).mT)
        return torch.cat(same), torch.cat(opposite)

    def pairs(
        self, roots: Tensor, scales: Tensor, psi: Tensor, turned: Tensor, rule: Rule
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See Correlated."""
        activation, parts = self._activation, []
        for some, nodes in _chunks(activation, roots, psi, rule):
            root, scale = roots[some], scales[some, :, None]
            mean = nodes.given(activation.value, root) / scale
            spread = torch.cat([_variance(activation, root, *block) for block in nodes.blocks], -1) / scale.square()
            slope = nodes.given(activation.derivative, root)
            turn = turned[some, None]
            (m, n), (v, w), (s, t) = ((x[:, 0], x[:, 1].flip(-1).where(turn, x[:, 1])) for x in (mean, spread, slope))
            terms = [0.5 * (v + w + (m - n).square()), 0.5 * (v + w + (m + n).square()), s * t]
            parts.append(torch.stack([(term * nodes.outer[:, 0]).sum(-1) for term in terms]))
        below, above, product = torch.cat(parts, -1)
        return below, above, product


def _inner(function: Callable[[Tensor], Tensor], roots: Tensor, z: Tensor, weights: Tensor) -> Tensor:
    """E_v of a function of √q z: P×R×m, row by row, so that memory does not grow with their number."""
    split = [z[:, r : r + 1] if z.shape[1] > 1 else z for r in range(roots.shape[1])]
    weight = [weights[:, r : r + 1] if z.shape[1] > 1 else weights for r in range(roots.shape[1])]
    return torch.cat(
        [(function(roots[:, r : r + 1, None, None] * split[r]) * weight[r]).sum(-1) for r in range(roots.shape[1])], 1
    )


def _variance(activation: Numeric, roots: Tensor, z: Tensor, weights: Tensor) -> Tensor:
    value = activation.value(roots[..., None, None] * z)
    mean = (value * weights).sum(-1, keepdim=True)
    return ((value - mean).square() * weights).sum(-1)


def _chunks(activation: Numeric, roots: Tensor, psi: Tensor, rule: Rule) -> Iterator[tuple[slice, Nodes]]:
    """As many correlations at a time as memory allows."""
    start = 0
    while start < len(psi):
        size = _size(activation, roots, psi[start:], rule)
        some = slice(start, min(len(psi), start + max(1, _CHUNK // size)))
        yield some, _nodes(activation, roots if len(roots) == 1 else roots[some], psi[some], rule)
        start = some.stop


def _size(activation: Numeric, roots: Tensor, psi: Tensor, rule: Rule) -> int:
    """A bound on the nodes (u, v) of one correlation."""
    kinks = {0.0, *activation.kinks}
    root, finest = roots.max().item(), psi.min().item()
    outer = 2 * rule.levels(finest if activation.kinks else max(finest, 1.0 / root)) + 1
    inner = 2 * rule.levels(1.0 / (root * psi.max().item())) + 1
    centers = 1 + 2 * (len(kinks) - 1) * roots.shape[-1]
    rows = 1 if len(kinks) == 1 else roots.shape[-1]
    return (rule.even_panels + outer * centers) * (rule.even_panels + inner * len(kinks)) * rule.nodes**2 * rows


def _nodes(activation: Numeric, roots: Tensor, psi: Tensor, rule: Rule) -> Nodes:
    half = (psi * 0.5).sin()
    share, spread = (1.0 - 2.0 * half * half).clamp_min(0.0).sqrt(), half * 2.0**0.5
    u, weights = rule.panels(_outer_edges(activation, roots, share, spread, rule))
    near = ((share[:, None] * u).abs() <= spread[:, None] * (2.0 * rule.reach)).any(0)
    if not set(activation.kinks) <= {0.0}:
        near[:] = True
    first = int(near.nonzero()[0]) if bool(near.any()) else len(near) // 2
    blocks = []
    for start, stop in ((0, first), (first, len(near) - first), (len(near) - first, len(near))):
        if start < stop:
            blocks.append(_block(activation, roots, share, spread, u[:, start:stop], start == first, rule))
    return Nodes((weights * density(u))[:, None], blocks)


def _block(
    activation: Numeric, roots: Tensor, share: Tensor, spread: Tensor, u: Tensor, near: bool, rule: Rule
) -> tuple[Tensor, Tensor]:
    """Nodes z and weights of E_v for some u; near: whether z may pass 0 or a kink.

    v is counted from where z passes 0, if that is in reach: σ may vary over no more than 1/√q there.
    """
    share, spread, u = share[:, None, None, None], spread[:, None, None, None], u[:, None, :, None]
    zero = -(share / spread) * u
    counted = zero.abs() <= 2.0 * rule.reach
    anchor, base = zero.where(counted, 0.0), (share * u).masked_fill(counted, 0.0)
    edges = [rule.even_edges(u) - anchor]
    scale = 1.0 / (roots.amax(1)[:, None, None] * spread[..., 0])
    levels = rule.levels(scale.min().item())
    if near and (activation.kinks or levels):
        around = rule.graded(scale, levels) - base / spread
        kinks = {0.0, *activation.kinks}
        edges += [around + kink / (roots[..., None, None] * spread) if kink else around for kink in sorted(kinks)]
    low, high = -rule.reach - anchor, rule.reach - anchor
    # The last of them depends on all that any of them depends on.
    shape = edges[-1].shape[:-1]
    ordered = torch.cat([item.clamp(low, high).expand(*shape, -1) for item in edges], -1).sort(-1).values
    t, weights = rule.panels(ordered)
    return base + spread * t, weights * density(t + anchor)


def _outer_edges(activation: Numeric, roots: Tensor, share: Tensor, spread: Tensor, rule: Rule) -> Tensor:
    """Panels of u, symmetric about 0: P×(E+1).

    F has a layer of the width √((1−ρ)/ρ) around a kink, and nothing finer than that or than 1/√q elsewhere.
    """
    share = share.clamp_min(1e-9)
    width = spread / share * _LAYER
    if not activation.kinks:
        width = width.maximum(1.0 / roots.amax(-1))
    graded = rule.graded(width, rule.levels(width.min().item()))
    edges = [rule.even_edges(width).expand(len(width), -1), graded]
    for kink in {abs(kink) for kink in activation.kinks} - {0.0}:
        centers = kink / (roots * share[:, None])
        at = (centers[..., None] + graded[:, None, :]).flatten(1)
        edges += [at, -at]
    ordered = torch.cat(edges, -1).clamp(-rule.reach, rule.reach).sort(-1).values
    # Symmetric in derivatives, too: of equal edges, sorting does not take the mirror images to each other.
    return 0.5 * (ordered - ordered.flip(-1))
