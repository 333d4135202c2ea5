"""A pointwise function and its derivative in one pass over neurons: see pointwise.cpp."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from ntk_engine.compiled import library
from ntk_engine.compiled.stages import Long, Pointer, pointers
from ntk_engine.pages import large

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.compiled.points import PointFormula

__all__ = ["Pointwise"]


class Pointwise:
    """z → (σ(z), σ'(z)), compiled; on the CPU."""

    def __init__(self, formula: PointFormula) -> None:
        """formula: as it was recorded for the dtype of z.

        Waits for the compiler, so that equal neurons are equal to the last bit. Raises CompilerError without one.
        """
        self._code = library.build(formula.text).result()
        self._constants = (ctypes.c_double * max(len(formula.constants), 1))(*formula.constants)

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of the shape and dtype of z, whose dtype is that of the formula."""
        z = z.contiguous()
        value, slope = large(z, *z.shape), large(z, *z.shape)
        some = map(Pointer, pointers(z, value, slope))
        self._code.pointwise(ctypes.byref(self._constants), ctypes.c_double(1.0), *some, Long(z.numel()))
        return value, slope
