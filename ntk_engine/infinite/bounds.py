"""What series, quadratures and tables may add to a kernel: a bound on it, layer by layer.

Four numbers say how far the computed quantities are from the exact ones, for any rows x, x' of a tile, to first order:
    r  relative errors of √q,      ψ  the error of the angle arccos ρ,
    t  the error of τ in units of T = √(τ(x,x) τ(x',x')),      and ε, which an activation's dual adds (`Dual.error`).
|ρ| ≤ 1, |τ| ≤ T and 1 + AA'T ≤ √((1 + A²τ(x,x))(1 + A'²τ(x',x'))) (Cauchy-Schwarz); with κ, μ, ν, λ, ω of `sensitivity`
    activation   t ← t + ε + λψ + 2(|1 − μ| + ω)r,    ψ ← κψ + 2νr + (2 + κ²/√(1 − E[σ]²/E[σ²]))ε,    r ← |μ|r + ε
    dense        ψ ← αψ + 2αγr,    t ← max(t + 2γ²r, ψ),    r ← α²r      (α, γ: see `recursion`)
    sum, side by side    r, ψ + 2r and t + 4r of the branches' largest
    product      Σ r_i, Σ ψ_i and the largest t_i + Σ_{j≠i} ψ_j
so that Σ^L is off by no more than (ψ + 2r) √(Σ(x,x) Σ(x',x')) and Θ^L by (t + 2r) √(Θ(x,x) Θ(x',x')).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from math import hypot, inf, isnan, prod
from typing import TYPE_CHECKING

from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.sensitivity import LEAST, MOST, sensitivity
from ntk_engine.architecture import activations, depth, layers
from ntk_engine.infinite.norms import profile_of
from ntk_engine.infinite.profile import tolerance
from ntk_engine.layers import Dense, Dropout, LayerNorm, Nonlinearity, Parallel, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ntk_engine.activations.base import Activation
    from ntk_engine.architecture import Architecture
    from ntk_engine.infinite.rows import Rows
    from ntk_engine.layers import Layer

# Rounding of the sums that duals are made of, and of the differences that ε is measured by.
_ROUNDING = 2.0**-50
# Roots, from the least to the largest, at which activations are looked at.
_ROOTS = 5


@dataclass(frozen=True)
class _State:
    """What is known after some layers."""

    roots: tuple[float, ...]
    """√q of rows from the least to the largest of the inputs."""
    errors: dict[Activation, float]
    """ε of each activation that has one."""
    root: float = 0.0
    angle: float = 0.0
    theta: float = 0.0

    def at(self, roots: Iterable[float]) -> _State:
        """The same with other roots: of seven digits, so that layers whose roots have converged are one."""
        return replace(self, roots=tuple(float(f"{min(max(root, LEAST), MOST):.7g}") for root in roots))


def error_bound(arch: Architecture, a: Rows, b: Rows) -> dict[str, float]:
    """What approximation adds to any entry computed so far from these rows, beside rounding: `nngp` and `ntk`.

    |K̃(x,x') − K(x,x')| ≤ bound · √(K(x,x) K(x',x')) to first order, where K̃ is what was computed and K the kernel of
    Section 4.1. 0 where all expectations are formulas, none of them narrowed to a range of roots; inf where nothing is
    known, as where a jump follows an approximation. Roundings of expectations that are approximated are in it; those of
    the inputs' angles, of formulas and of the results are not. It may grow until all tiles are computed. Raises
    ValueError where none was.
    """
    errors = _errors(arch, a, b)
    state = _State((), errors)
    if errors:
        state = _through(layers(arch), state.at(_roots(a, b)))
    table = 0.0 if profile_of(arch, a, b) is None else tolerance(depth(arch))
    bounds = {"nngp": state.angle + 2.0 * state.root + table, "ntk": state.theta + 2.0 * state.root + table}
    return {name: inf if isnan(bound) else bound for name, bound in bounds.items()}


def _roots(a: Rows, b: Rows) -> list[float]:
    ends = [float(end) for side in (a, b) for end in side.root.detach().aminmax()]
    least, most = (min(max(end, LEAST), MOST) for end in (min(ends), max(ends)))
    return [least * (most / least) ** (i / (_ROOTS - 1)) for i in range(_ROOTS if least < most else 1)]


def _errors(arch: Architecture, a: Rows, b: Rows) -> dict[Activation, float]:
    found: dict[Activation, float] = {}
    for activation in activations(arch):
        seen = a.errors.get(activation, set()) | b.errors.get(activation, set())
        if isinstance(activation, Numeric) and not seen:
            raise ValueError("the bound is known when tiles have been computed from these rows, and none has been")
        if isinstance(activation, Numeric) or any(seen):
            found[activation] = max(seen) + _ROUNDING
    return found


def _through(some: Iterable[Layer], state: _State) -> _State:
    for layer in some:
        state = after(layer, state)
    return state


@singledispatch
def after(layer: Layer, state: _State) -> _State:  # noqa: ARG001
    raise TypeError(f"there is no bound for a {layer.type} layer")


@after.register(Dense)
def _(layer: Dense, state: _State) -> _State:
    biased = [hypot(layer.sigma_w * root, layer.beta) for root in state.roots]
    cosines = [
        (layer.sigma_w * root / after, layer.beta / after) for root, after in zip(state.roots, biased, strict=True)
    ]
    share, bias = max(alpha for alpha, _ in cosines), max(gamma for _, gamma in cosines)
    angle = share * state.angle + 2.0 * min(share * bias, 0.5) * state.root
    if layer.parametrization == "ntk":
        theta = max(state.theta + 2.0 * bias**2 * state.root, angle)
    else:  # ρ enters before the bias, and a bias of 1 is divided by √q √q'
        theta = max(state.theta, state.angle) + 2.0 * state.root
    return replace(state, root=share**2 * state.root, angle=angle, theta=theta).at(biased)


@after.register(Nonlinearity)
def _(layer: Nonlinearity, state: _State) -> _State:
    own = state.errors.get(layer.activation, 0.0)
    found = sensitivity(layer.activation, state.roots)
    if own == state.root == state.angle == state.theta == 0.0:
        return state.at(found.scale)
    moved = 2.0 * (found.share + found.drawn) * state.root
    return replace(
        state,
        root=found.length * state.root + own,
        angle=found.angle * state.angle + 2.0 * found.root * state.root + (2.0 + found.steep) * own,
        theta=state.theta + own + found.turned * state.angle + moved,
    ).at(found.scale)


@after.register(LayerNorm)
def _(layer: LayerNorm, state: _State) -> _State:  # noqa: ARG001
    return replace(state, root=0.0).at(1.0 for _ in state.roots)


@after.register(Scale)
def _(layer: Scale, state: _State) -> _State:
    return state.at(abs(layer.factor) * root for root in state.roots)


@after.register(Dropout)
def _(layer: Dropout, state: _State) -> _State:
    """Angles towards π/2: none of the errors grows."""
    return state.at(root * (1.0 - layer.rate) ** -0.5 for root in state.roots)


@after.register(Parallel)
def _(layer: Parallel, state: _State) -> _State:
    ends = [_through(branch, state) for branch in layer.branches]
    found = list(zip(*(end.roots for end in ends), strict=True))
    root, angle = max(end.root for end in ends), max(end.angle for end in ends)
    if layer.combine != "product":
        weights = [1.0] * len(ends) if layer.weights is None else [w / sum(layer.weights) for w in layer.weights]
        joined = replace(state, root=root, angle=angle + 2.0 * root, theta=max(end.theta for end in ends) + 4.0 * root)
        return joined.at(hypot(*(w**0.5 * q for w, q in zip(weights, some, strict=True))) for some in found)
    angle = sum(end.angle for end in ends)
    theta = max(end.theta + angle - end.angle for end in ends)
    return replace(state, root=sum(end.root for end in ends), angle=angle, theta=theta).at(prod(some) for some in found)
