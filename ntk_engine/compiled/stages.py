"""The compiled functions, as stages of a tile's way, and what each takes.

A stage is called with a panel (some rows of a tile's ρ, gap and τ, all on the CPU and in float64) and with its own
arguments, of which the structures below are the layout. All run outside the interpreter's lock.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ntk_engine.compiled import library
from ntk_engine.compiled.source import profile_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Long = ctypes.c_long
Pointer = ctypes.c_void_p
NUMBERS = {torch.float64: "double", torch.float32: "float"}
"""C++'s words for dtypes."""


@dataclass(frozen=True)
class Stage:
    """A compiled function with its arguments; `holds` keeps what these point to."""

    function: Pointer
    run: Any
    """What carries a tile through stages; every library has it."""
    arguments: ctypes.Structure
    holds: tuple[Any, ...]


class _Layers(ctypes.Structure):
    _fields_ = [("a", Pointer), ("b", Pointer), *((f"{x}_{s}", Long) for s in "ab" for x in ("layer", "quantity"))]
    _fields_ += [("parameters", Pointer), ("count", Long), ("signs", Pointer), ("depth", Long), ("single", Long)]


class _Series(ctypes.Structure):
    _fields_ = [("a", Pointer), ("b", Pointer), ("quantity_a", Long), ("quantity_b", Long), ("degree", Long)]


class _Profile(ctypes.Structure):
    _fields_ = [("table", Pointer), ("octaves", Long)]


def layers(
    text: str, a: Tensor, b: Tensor, parameters: Sequence[float], signs: Sequence[bool], *, single: bool = False
) -> Stage | None:
    """Closed-form layers compiled from a source, or None if they are not there (yet).

    a, b: what the tile's rows bring (layers×width×n, rows adjacent); signs: for every layer, whether ρ may be negative
    before it; single: in float32, wherever the source and the numbers allow it.
    """
    code = library.ready(text)
    if code is None:
        return None
    numbers, flags = (ctypes.c_double * len(parameters))(*parameters), (ctypes.c_ubyte * len(signs))(*signs)
    strides = a.stride(0), a.stride(1), b.stride(0), b.stride(1)
    given = ctypes.addressof(numbers), len(numbers), ctypes.addressof(flags), len(signs), single
    arguments = _Layers(*pointers(a, b), *strides, *given)
    return stage(code, "layers", arguments, (a, b, numbers, flags))


def series(text: str, a: Tensor, b: Tensor, degree: int) -> Stage | None:
    """A layer of activations that are series, from its source, or None.

    a, b: what the tile's rows bring (width×n, rows adjacent): the moment, coefficients 0 … degree, and what the bias
    takes.
    """
    code = library.ready(text)
    if code is None:
        return None
    return stage(code, "series", _Series(*pointers(a, b), a.stride(0), b.stride(0), degree), (a, b))


def profile(table: Tensor, octaves: int) -> Stage | None:
    """ρ and τ from ρ and its gap by two tabulated functions, or None; table: 2 × cells × 4 × 2 × 4, contiguous."""
    code = library.ready(profile_source())
    if code is None:
        return None
    return stage(code, "profile", _Profile(*pointers(table), octaves), (table,))


def stage(code: ctypes.CDLL, name: str, arguments: ctypes.Structure, holds: tuple[Any, ...]) -> Stage:
    """The stage that a function of a library is."""
    return Stage(ctypes.cast(code[name], Pointer), code.run, arguments, holds)


def pointers(*tensors: Tensor) -> tuple[int, ...]:
    """Where the numbers of tensors begin."""
    return tuple(tensor.data_ptr() for tensor in tensors)
