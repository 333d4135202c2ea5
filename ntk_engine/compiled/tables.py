"""The stage of an activation that is tabulated."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from ntk_engine.compiled import library
from ntk_engine.compiled.stages import Long, Pointer, Stage, pointers, stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ntk_engine.activations.unfolded import Pieces, Unfolded


class _Piece(ctypes.Structure):
    _fields_ = [(name, Pointer) for name in ("breaks", "low", "scale", "terms", "coefficients")]
    _fields_ += [(name, Long) for name in ("signs", "panels", "degree", "height", "width", "most")]


class _Table(ctypes.Structure):
    _fields_ = [("a", Pointer), ("b", Pointer), *((name, Long) for name in ("quantity_a", "quantity_b", "even", "odd"))]
    _fields_ += [(name, Pointer) for name in ("place_a", "place_b", "cell_a", "cell_b", "pieces")]
    _fields_ += [(name, Long) for name in ("cells", "width", "height", "most")]


def table(text: str, a: Tensor, b: Tensor, look_up: Callable[[], Pieces | None]) -> Stage | None:
    """A layer of activations that are tabulated, from its source; None if it is not compiled (yet), or finds nothing.

    a, b: what the tile's rows bring (width×n, rows adjacent): what `Table.rows` gives, and what the bias takes.
    look_up: `Table.pieces` of these rows.
    """
    code = library.ready(text)
    pieces = None if code is None else look_up()
    if code is None or pieces is None:
        return None
    made = {cell: _piece(of) for cell, of in pieces.of.items()}
    grid = (_Piece * pieces.cells**2)(*(made.get(divmod(k, pieces.cells), _Piece()) for k in range(pieces.cells**2)))
    places = pieces.place_a, pieces.place_b, pieces.cell_a, pieces.cell_b
    largest = (max(getattr(piece, name) for piece in made.values()) for name in ("width", "height", "most"))
    arguments = _Table(
        *pointers(a, b),
        a.stride(0),
        b.stride(0),
        *pieces.coordinates,
        *pointers(*places),
        ctypes.addressof(grid),
        pieces.cells,
        *largest,
    )
    return stage(code, "table", arguments, (a, b, pieces, grid))


def _piece(of: Unfolded) -> _Piece:
    signs, panels, degree = of.terms.shape
    return _Piece(*pointers(*of), signs, panels, degree, *of.coefficients.shape[2:], int(of.terms.max()))
