"""Piecewise polynomials for the correlation of σ', over a rectangle of roots and all angles.

With D² = E[σ'²] and R(ψ) = E[σ'σ']/(D D') at the correlation ±cos ψ, tabulated are R and its mean over the gap,
    G(ψ) = (1/gap) ∫_0^ψ R sin t dt,      gap = 1 − cos ψ.
R is smooth in τ = log(1 + √q/√q_0) of both rows, and in ψ on panels that are halved until it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntk_engine.activations.chebyshev import basis

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.chebyshev import Interval

# √q_0: below it σ(√q z) is nearly linear, or a power of z, and R nearly constant in the root.
_KNEE = 0.25
# Coefficients below this, of a panel's largest value, are left out.
NEGLIGIBLE = 2e-16
# Numbers of a chunk of pairs: 2 MiB.
_CHUNK = 2**18


def tau(root: Tensor) -> Tensor:
    """The coordinate in which roots are tabulated."""
    return (root * (1.0 / _KNEE)).log1p()


def root_of(value: Tensor) -> Tensor:
    """The root at a τ; not quite 0, where a kink would have no side."""
    return (value.expm1() * _KNEE).clamp_min(1e-30)


class Patch:
    """R and G for rows whose τ lie in two intervals."""

    def __init__(self, a: Interval, b: Interval, panels: list[Interval], coefficients: Tensor, error: float) -> None:
        """coefficients of T_k(ψ) T_p(τ) T_q(τ'): S×L×K×2×A×B, for both signs of ρ (or S = 1), L panels, and R and G.

        Where a is b they are symmetric in p and q.
        """
        self.error = error
        self._sides, self._sizes = (a, b), coefficients.shape[-2:]
        self.panels = panels
        self._breaks = torch.tensor([panel.low for panel in panels[1:]], dtype=torch.float64)
        size = coefficients.abs().amax((0, 2, 3))
        kept = (size > NEGLIGIBLE * size.amax((1, 2), keepdim=True)).any(0)
        self._symmetric = a is b
        self._p, self._q = (kept.triu() if self._symmetric else kept).nonzero(as_tuple=True)
        self._coefficients = coefficients[..., self._p, self._q]
        if self._symmetric:
            self._coefficients = self._coefficients * torch.where(self._p == self._q, 0.5, 1.0)

    def full(self) -> Tensor:
        """All coefficients, S×L×K×2×A×B: 0 where one was left out."""
        full = self._coefficients.new_zeros(*self._coefficients.shape[:-1], *self._sizes)
        full[..., self._p, self._q] = self._coefficients
        return full + full.mT if self._symmetric else full

    def evaluate(self, a: Tensor, b: Tensor, psi: Tensor, turned: Tensor) -> tuple[Tensor, Tensor]:
        """R and G of N pairs; a, b: their τ; turned: where the correlation is −cos ψ."""
        panel = torch.bucketize(psi.detach(), self._breaks.to(psi), right=True)
        group = panel + len(self.panels) * (turned & (len(self._coefficients) > 1))
        order, values = [], []
        for index in torch.bincount(group).nonzero().flatten().tolist():
            some = (group == index).nonzero().squeeze(-1)
            for part in torch.split(some, _CHUNK // (2 * len(self._p) + self._coefficients.shape[2])):
                order.append(part)
                values.append(self._panel(index, a[part], b[part], psi[part]))
        found, place = torch.cat(values, 1), torch.cat(order).expand(2, -1)
        r, g = torch.zeros_like(found).scatter(1, place, found)
        return r, g

    def _panel(self, index: int, a: Tensor, b: Tensor, psi: Tensor) -> Tensor:
        turned, panel = divmod(index, len(self.panels))
        coefficients = self._coefficients[turned, panel].to(psi)
        k, _, terms = coefficients.shape
        mixed = coefficients.flatten(1).mT @ basis(self.panels[panel].to_unit(psi), k)
        both: Tensor = (mixed.view(2, terms, -1) * self._roots(a, b)).sum(1)
        return both

    def _roots(self, a: Tensor, b: Tensor) -> Tensor:
        """The polynomials in τ and τ': terms×N."""
        x, y = (basis(side.to_unit(item), n) for side, item, n in zip(self._sides, (a, b), self._sizes, strict=True))
        product = x[self._p] * y[self._q]
        return product + x[self._q] * y[self._p] if self._symmetric else product
