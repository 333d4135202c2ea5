"""A tile's first and last stage, and how all of them are run: panel by panel, which stays in the nearest cache."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from ntk_engine.compiled import library
from ntk_engine.compiled.source import passes_source
from ntk_engine.compiled.stages import NUMBERS, Long, Pointer, Stage, pointers, stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    Outputs = Mapping[str, Tensor]


class _Product(ctypes.Structure):
    _fields_ = [("product", Pointer), ("inverse_a", Pointer), ("inverse_b", Pointer)]
    _fields_ += [("rows", Long), ("columns", Long), ("diagonal", Long)]


def squares(scaled: Tensor) -> tuple[Tensor, Tensor] | None:
    """The squared lengths of rows (n×d, contiguous) in two words (n each, float64), or None."""
    code = library.ready(tile_source(scaled.dtype))
    if code is None:
        return None
    high, low = (torch.empty(len(scaled), dtype=torch.float64) for _ in range(2))
    sizes = map(Long, scaled.shape)
    code.squares(Pointer(scaled.data_ptr()), *sizes, *map(Pointer, pointers(high, low)))
    return high, low


class _Place(ctypes.Structure):
    _fields_ = [("out", Pointer), ("mirror", Pointer), ("pitch", Long), ("mirror_pitch", Long)]


class _Ends(ctypes.Structure):
    _fields_ = [("root_a", Pointer), ("root_b", Pointer), ("nngp", _Place), ("ntk", _Place), ("diagonal", Long)]


def tile_source(dtype: torch.dtype) -> str:
    """The text to compile for what tiles of inputs of this dtype need."""
    return passes_source(NUMBERS[dtype])


def begin(product: Tensor, inverse_a: Tensor, inverse_b: Tensor, *, diagonal: bool) -> tuple[Stage, float] | None:
    """ρ, its gap and τ = 0 from the product of scaled rows (n_a×n_b, contiguous, of the inputs' dtype), or None.

    Beside it the least gap. diagonal: whether pair (i, i) is a row with itself.
    """
    code = library.ready(tile_source(product.dtype))
    if code is None:
        return None
    arguments = _Product(*pointers(product, inverse_a, inverse_b), *product.shape, diagonal)
    nearest = code.nearest
    nearest.restype = ctypes.c_double
    least: float = nearest(ctypes.byref(arguments))
    return stage(code, "begin", arguments, (product, inverse_a, inverse_b)), least


def finish(root_a: Tensor, root_b: Tensor, out: Outputs, mirror: Outputs | None, *, diagonal: bool) -> Stage | None:
    """ρ√q√q' and τ√q√q' into `nngp` and `ntk` of `out` (n_a×n_b) and, transposed, of `mirror` (n_b×n_a), or None.

    diagonal: make the tile symmetric, from its upper half.
    """
    code = library.ready(tile_source(next(iter(out.values())).dtype))
    if code is None:
        return None
    root_a, root_b = root_a.contiguous(), root_b.contiguous()
    places = (_place(out.get(name), (mirror or {}).get(name)) for name in ("nngp", "ntk"))
    arguments = _Ends(*pointers(root_a, root_b), *places, diagonal)
    return stage(code, "finish", arguments, (root_a, root_b, out, mirror))


def _place(out: Tensor | None, mirror: Tensor | None) -> _Place:
    if out is None:
        return _Place()
    if mirror is None:
        return _Place(out.data_ptr(), None, out.stride(0), 0)
    return _Place(out.data_ptr(), mirror.data_ptr(), out.stride(0), mirror.stride(0))


def run(stages: Sequence[Stage], pairs: Sequence[Tensor], *, whole: bool) -> None:
    """All stages over one panel of a tile, then over the next.

    pairs: ρ, gap and τ (n_a×n_b, contiguous), in place; if not `whole`, only room for them, whose content is lost.
    """
    functions = (Pointer * len(stages))(*(stage.function for stage in stages))
    arguments = (Pointer * len(stages))(*(ctypes.addressof(stage.arguments) for stage in stages))
    sizes = map(Long, (*pairs[0].shape, whole))
    stages[0].run(*map(Pointer, pointers(*pairs)), *sizes, functions, arguments, Long(len(stages)))
