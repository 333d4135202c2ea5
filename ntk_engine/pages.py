"""Memory on large pages: the first touch of a small one takes as long as many products of what is written there."""

from __future__ import annotations

import ctypes
import mmap
from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["large"]

_HUGE = 2**21


def large(like: Tensor, *shape: int) -> Tensor:
    """An uninitialised tensor of the dtype and device of `like`, on large pages where there are such."""
    size = prod(shape) * like.element_size()
    if like.device.type != "cpu" or _advise is None or size < _HUGE:
        return like.new_empty(shape)
    room = torch.empty(size + _HUGE, dtype=torch.uint8)
    start = -room.data_ptr() % _HUGE
    # Advice: whether it is taken changes nothing but the time that the first touch of a page takes.
    _advise(room.data_ptr() + start, size - size % _HUGE, mmap.MADV_HUGEPAGE)
    return room[start : start + size].view(like.dtype).view(shape)


def _madvise() -> Callable[[int, int, int], int] | None:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    result: Callable[[int, int, int], int] = function
    return result


_advise = _madvise()
