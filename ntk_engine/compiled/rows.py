"""Rows through layers, compiled: see rows.cpp."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

from ntk_engine.compiled import library
from ntk_engine.compiled.stages import Long, Pointer, pointers

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.compiled.row_recording import RowFormula


def rows(formula: RowFormula, sigma_w: float, beta: float, layers: int, roots: Tensor) -> tuple[Tensor, Tensor] | None:
    """What rows bring to so many layers (layers×width×n) and the words of their roots after them (2×n), or None.

    roots: before them (2×n, float64, on the CPU).
    """
    code = library.ready(formula.text)
    if code is None:
        return None
    count = roots.shape[1]
    after = roots.contiguous().clone()
    out = torch.empty(layers, formula.width, count, dtype=torch.float64)
    constants = (ctypes.c_double * len(formula.constants))(*formula.constants)
    numbers = map(ctypes.c_double, (sigma_w, beta))
    code.rows(constants, *numbers, Long(count), Long(layers), *map(Pointer, pointers(after[0], after[1], out)))
    return out, after
