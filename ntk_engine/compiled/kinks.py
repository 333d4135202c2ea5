"""The stage of an activation that is piecewise linear, with kinks beside 0."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from ntk_engine.compiled import library
from ntk_engine.compiled.stages import Long, Pointer, Stage, pointers, stage

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.activations.kinked import Kinked


class _Kinks(ctypes.Structure):
    _fields_ = [("a", Pointer), ("b", Pointer)]
    _fields_ += [(name, Long) for name in ("quantity_a", "quantity_b", "kinks", "pairs")]
    _fields_ += [("pieces", Pointer), ("pair", Pointer), ("rule", Pointer)]


def kinks(text: str, a: Tensor, b: Tensor, dual: Kinked) -> Stage | None:
    """A layer of activations that are piecewise linear, from its source; None if it is not compiled (yet).

    a, b: what the tile's rows bring (width×n, rows adjacent): what `Kinked.rows` gives, and what the bias takes.
    """
    code = library.ready(text)
    if code is None:
        return None
    constants = dual.parts, dual.pairs, dual.rule
    sizes = a.stride(0), b.stride(0), len(dual.parts) - 1, len(dual.pairs)
    return stage(code, "kinks", _Kinks(*pointers(a, b), *sizes, *pointers(*constants)), (a, b, *constants))
