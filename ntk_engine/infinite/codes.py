"""Which compiled code carries a tile through which layer."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch

from ntk_engine import compiled
from ntk_engine.activations import kinked, table
from ntk_engine.activations.base import ClosedForm, Evaluation, Formula
from ntk_engine.activations.series import Series, Sums, combine
from ntk_engine.architecture import depth
from ntk_engine.architecture import layers as layers_of
from ntk_engine.infinite import recursion, row_codes
from ntk_engine.infinite.recursion import BIAS_ROWS, Pairs
from ntk_engine.layers import Nonlinearity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Activation, Dual
    from ntk_engine.architecture import Architecture
    from ntk_engine.infinite.tiles import Tile


# Fewer pairs take less time than what narrows a closed form to a range of roots.
NARROWED = 2**21
# Rectifiers after one another of which float32 adds less than 1e-5, errors of the inputs' angles among it, were all
# roundings at their worst: the tests sum them up, and docs/mathematics.md says what they come to.
SINGLE = 12


@lru_cache(256)
def single(arch: Architecture, dtype: torch.dtype) -> bool:
    """Whether a network's closed forms may be evaluated in float32 for inputs of this dtype."""
    if dtype != torch.float32 or depth(arch) > SINGLE + 1:
        return False
    some = tuple(layers_of(arch))
    found = [layer.activation for layer in some if isinstance(layer, Nonlinearity)]
    # Products of branches multiply what these have in common.
    branched = any(layer.inner for layer in some)
    return not branched and len(found) <= SINGLE and all(isinstance(each, Formula) and each.single for each in found)


def dense(tile: Tile, a: Tensor, b: Tensor, *, signed: bool) -> bool:
    """Let a dense layer wait for a tile, given what it takes of its rows (4×n); False if no code can."""
    stage = compiled.layers(_dense(), a[None], b[None], (), [signed]) if _may_be_compiled(tile, a) else None
    return _then(tile, [stage])


def stack(dual: Dual, tile: Tile, a: Tensor, b: Tensor, signs: Sequence[bool]) -> bool:
    """Let layers wait for a tile, given what they take of its rows (layers×width×n); False if no code can.

    signs: for every layer, whether ρ may be negative before it.
    """
    if not _may_be_compiled(tile, a):
        return False
    if isinstance(dual, Formula):
        code = _closed(dual, a.shape[1])
        return _then(tile, [compiled.layers(code, a, b, dual.parameters, signs, single=tile.single and dual.single)])
    if isinstance(dual, Series):
        degree = a.shape[1] - BIAS_ROWS - 2
        return _then(tile, [compiled.series(_series(), *layer, degree) for layer in zip(a, b, strict=True)])
    if isinstance(dual, kinked.Kinked):
        certain = all(map(dual.is_certain, a, b))
        return certain and _then(tile, (compiled.kinks(_kinks(), *layer, dual) for layer in zip(a, b, strict=True)))
    if isinstance(dual, table.Table):
        layers = ((*layer, partial(dual.pieces, layer[0][1], layer[1][1])) for layer in zip(a, b, strict=True))
        return _then(tile, (compiled.table(_table(), *layer) for layer in layers))
    return False


def prepare(activations: Iterable[Activation], dtypes: Iterable[torch.dtype]) -> None:
    """Wait until the code of what every tile needs and of these activations is compiled, or cannot be."""
    found = list(activations)
    rows = [text for item in found if isinstance(item, ClosedForm) and (text := row_codes.source(item)) is not None]
    # What takes longest comes first.
    compiled.prepare([*rows, *_of_tiles(found, dtypes, narrow=True), compiled.profile_source()])


def prepare_tiles(activations: Iterable[Activation], dtype: torch.dtype, pairs: int) -> None:
    """The same for what so many pairs take longest without: what is soon done is not waited for."""
    compiled.prepare(_of_tiles(activations, [dtype], narrow=pairs >= NARROWED))


def _of_tiles(activations: Iterable[Activation], dtypes: Iterable[torch.dtype], *, narrow: bool) -> list[str]:
    families = (text for activation in activations for text in _sources(activation, narrow=narrow))
    return [*families, *map(compiled.tile_source, dtypes), _dense()]


def _then(tile: Tile, stages: Iterable[compiled.Stage | None]) -> bool:
    for stage in stages:
        if stage is None:
            return False
        tile.then(stage)
    return True


def _may_be_compiled(tile: Tile, rows: Tensor) -> bool:
    return tile.compilable and not rows.requires_grad


def _sources(activation: Activation, *, narrow: bool) -> list[str]:
    if not isinstance(activation, ClosedForm):
        # What has kinks beside 0 may prove to be piecewise linear.
        return [_series(), _table() if activation.evaluation is Evaluation.TABLES else _kinks()]
    one = torch.ones(1, dtype=torch.float64)
    duals = [activation, activation.narrow(0.9, 1.1)] if narrow else [activation]
    return [_closed(dual, len(dual.rows(one)) + BIAS_ROWS) for dual in duals]


def _closed(dual: Formula, width: int) -> str:
    # Without a formula of its own for ρ ≥ 0, nothing says that ρ is so after the activation too.
    own = dual.pair_nonnegative.__func__ is not Formula.pair_nonnegative.__func__  # type: ignore[attr-defined]
    return _layers(dual.pair, dual.pair_nonnegative if own else None, len(dual.parameters), width, single=dual.single)


@cache
def _layers(pair: Any, pair_nonnegative: Any, parameters: int, width: int, *, single: bool) -> str:
    def formula(p: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.layer(lambda *rows: pair(p, *rows), a, b, Pairs(rho, gap, tau))

    def nonnegative(p: Any, a: Any, b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        return recursion.layer_nonnegative(lambda *rows: pair_nonnegative(p, *rows), a, b, Pairs(rho, gap, tau))

    own = nonnegative if pair_nonnegative else formula
    return compiled.layers_source(formula, own, parameters, width, single=single)


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


@cache
def _table() -> str:
    def formula(found: Any, a: Any, mix_a: Any, b: Any, mix_b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        after = table.nearest(*table.combine(a, b, found, rho, gap))
        return recursion.dense(mix_a, mix_b, Pairs(after.rho, after.gap, after.slope * tau))

    return compiled.table_source(formula, table.FIXED, BIAS_ROWS)


@cache
def _kinks() -> str:
    def formula(found: Any, a: Any, mix_a: Any, b: Any, mix_b: Any, rho: Any, gap: Any, tau: Any) -> Pairs:
        after = table.nearest(*table.combine(kinked.for_table(a), kinked.for_table(b), found, rho, gap))
        return recursion.dense(mix_a, mix_b, Pairs(after.rho, after.gap, after.slope * tau))

    return compiled.kinks_source(formula, kinked.WIDTH, BIAS_ROWS)
