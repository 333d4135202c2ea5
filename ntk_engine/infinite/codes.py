"""Which compiled code carries a tile through which layer."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from ntk_engine import compiled
from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.series import Series, Sums, combine
from ntk_engine.infinite import recursion
from ntk_engine.infinite.recursion import BIAS_ROWS, Pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Activation, Dual


def dense(pairs: Pairs, a: Tensor, b: Tensor, *, signed: bool) -> bool:
    """Carry a tile through a dense layer, in place, given α, γ and t of its rows (3×n); False if no code can."""
    layers = compiled.layers(_dense()) if _may_be_compiled(pairs, a) else None
    if layers is not None:
        layers(pairs, a[None], b[None], (), [signed])
    return layers is not None


def stack(dual: Dual, pairs: Pairs, a: Tensor, b: Tensor, signs: Sequence[bool]) -> bool:
    """Carry a tile through layers, in place, given what they take of its rows (layers×width×n); False if no code can.

    signs: for every layer, whether ρ may be negative before it.
    """
    if not _may_be_compiled(pairs, a):
        return False
    if isinstance(dual, ClosedForm):
        layers = _closed(dual, a.shape[1])
        if layers is not None:
            layers(pairs, a, b, dual.parameters, signs)
        return layers is not None
    layer = compiled.series_layer(_series()) if isinstance(dual, Series) else None
    if layer is not None:
        for layer_a, layer_b in zip(a, b, strict=True):
            layer(pairs, layer_a, layer_b, degree=a.shape[1] - BIAS_ROWS - 2)
    return layer is not None


def prepare(activations: Iterable[Activation]) -> None:
    """Wait until the code of what every tile needs and of these activations is compiled, or cannot be."""
    compiled.passes(wait=True)
    compiled.profile_pass(wait=True)
    compiled.layers(_dense(), wait=True)
    for activation in activations:
        if isinstance(activation, ClosedForm):
            _closed(activation, len(activation.rows(torch.ones(1, dtype=torch.float64))) + BIAS_ROWS, wait=True)
        else:
            compiled.series_layer(_series(), wait=True)


def _may_be_compiled(pairs: Pairs, rows: Tensor) -> bool:
    """A tile on the CPU that nobody differentiates."""
    rho = pairs.rho
    return rho.device.type == "cpu" and rho.ndim == 2 and not (rows.requires_grad or rho.requires_grad)


def _closed(dual: ClosedForm, width: int, *, wait: bool = False) -> compiled.Layers | None:
    return compiled.layers(_layers(dual.pair, dual.pair_nonnegative, len(dual.parameters), width), wait=wait)


@cache
def _layers(pair: Any, pair_nonnegative: Any, parameters: int, width: int) -> str:
    def formula(p: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.layer(lambda *rows: pair(p, *rows), a, b, Pairs(rho, gap, tau))

    def nonnegative(p: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.layer_nonnegative(lambda *rows: pair_nonnegative(p, *rows), a, b, Pairs(rho, gap, tau))

    return compiled.layers_source(formula, nonnegative, parameters, width)


@cache
def _dense() -> str:
    def formula(_: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.dense(a, b, Pairs(rho, gap, tau))

    def nonnegative(_: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.dense_nonnegative(a, b, Pairs(rho, gap, tau))

    return compiled.layers_source(formula, nonnegative, 0, BIAS_ROWS)


@cache
def _series() -> str:
    def formula(even: Any, odd: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        after = combine(Sums(*even), Sums(*odd), rho, gap)
        return recursion.dense(a, b, Pairs(after.rho, after.gap, after.slope * tau))

    return compiled.series_source(formula, BIAS_ROWS)
