"""The compiled functions, as functions of tensors: all of them on the CPU, in float64 where nothing else is said.

They run outside the interpreter's lock. None is returned for what is not compiled (yet, or here).
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

from ntk_engine.compiled.library import ready
from ntk_engine.compiled.source import plain_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Layers:
    """The compiled layers of one formula."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._call = library.layers
        self._call.restype = None

    def __call__(
        self, pairs: Sequence[Tensor], a: Tensor, b: Tensor, p: Sequence[float], signs: Sequence[bool]
    ) -> None:
        """Carry ρ, gap and τ (n_a×n_b, contiguous) through the layers, in place.

        a, b: what rows bring (layers×width×n, rows adjacent); p: the formula's parameters; signs: for every layer,
        whether ρ may be negative before it.
        """
        rows, columns = pairs[0].shape
        numbers, flags = (ctypes.c_double * len(p))(*p), (ctypes.c_ubyte * len(signs))(*signs)
        sizes = [*map(ctypes.c_long, (rows, columns, columns))]
        self._call(*map(_pointer, pairs), *sizes, *_strided(a), *_strided(b), numbers, flags, ctypes.c_long(len(signs)))


class SeriesLayer:
    """The compiled layer of activations that are series."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._call = library.series
        self._call.restype = None

    def __call__(self, pairs: Sequence[Tensor], a: Tensor, b: Tensor, degree: int) -> None:
        """Carry ρ, gap and τ (n_a×n_b, contiguous) through one layer, in place.

        a, b: what rows bring (width×n, rows adjacent): the moment, coefficients 0 … degree, and what the bias takes.
        """
        sizes = map(ctypes.c_long, pairs[0].shape)
        rows = [_pointer(a), ctypes.c_long(a.stride(0)), _pointer(b), ctypes.c_long(b.stride(0))]
        self._call(*map(_pointer, pairs), *sizes, *rows, ctypes.c_long(degree))


class ProfilePass:
    """The compiled evaluation of two tabulated functions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._call = library.profile
        self._call.restype = None

    def __call__(self, pairs: Sequence[Tensor], table: Tensor, octaves: int, degree: int) -> None:
        """ρ and τ (contiguous) from ρ and its gap, in place; table: 2 × cells × (degree+1) × 2, contiguous."""
        sizes = map(ctypes.c_long, (octaves, degree))
        self._call(*map(_pointer, pairs), ctypes.c_long(pairs[0].numel()), _pointer(table), *sizes)


class Passes:
    """The compiled first and last pass over a tile."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._begin = {torch.float64: library.begin_double, torch.float32: library.begin_float}
        self._finish = {torch.float64: library.finish_double, torch.float32: library.finish_float}
        for function in self._begin.values():
            function.restype = ctypes.c_double
        for function in self._finish.values():
            function.restype = None

    def begin(self, product: Tensor, inverse_a: Tensor, inverse_b: Tensor, pairs: Sequence[Tensor]) -> float:
        """ρ, its gap and τ = 0 from the product of scaled rows (n_a×n_b, contiguous, of the inputs' dtype).

        Returns the least gap.
        """
        sizes = map(ctypes.c_long, product.shape)
        vectors = map(_pointer, (inverse_a, inverse_b))
        least: float = self._begin[product.dtype](_pointer(product), *sizes, *vectors, *map(_pointer, pairs))
        return least

    def finish(self, units: Tensor, root_a: Tensor, root_b: Tensor, out: Tensor, mirror: Tensor | None) -> None:
        """units·√q·√q' into `out` (n_a×n_b) and, where given, transposed into `mirror` (n_b×n_a), in their dtype."""
        sizes = map(ctypes.c_long, units.shape)
        places = [_pointer(out), ctypes.c_long(out.stride(0))]
        other = out[:0] if mirror is None else mirror
        places += [ctypes.c_void_p(0) if mirror is None else _pointer(other), ctypes.c_long(other.stride(0))]
        self._finish[out.dtype](_pointer(units), *sizes, *map(_pointer, (root_a, root_b)), *places)


def layers(text: str, *, wait: bool = False) -> Layers | None:
    """The layers compiled from a source, if they are there; with `wait`, when they are."""
    library = ready(text, wait)
    return None if library is None else Layers(library)


def series_layer(text: str, *, wait: bool = False) -> SeriesLayer | None:
    """The layer compiled from a source, if it is there; with `wait`, when it is."""
    library = ready(text, wait)
    return None if library is None else SeriesLayer(library)


def passes(*, wait: bool = False) -> Passes | None:
    """The first and last pass, if they are compiled; with `wait`, when they are."""
    library = ready(plain_source("passes.cpp"), wait)
    return None if library is None else Passes(library)


def profile_pass(*, wait: bool = False) -> ProfilePass | None:
    """The evaluation of tables, if it is compiled; with `wait`, when it is."""
    library = ready(plain_source("profile.cpp"), wait)
    return None if library is None else ProfilePass(library)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _strided(rows: Tensor) -> list[ctypes.c_void_p | ctypes.c_long]:
    return [_pointer(rows), ctypes.c_long(rows.stride(0)), ctypes.c_long(rows.stride(1))]
