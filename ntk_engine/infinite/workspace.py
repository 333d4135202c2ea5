"""Memory for one tile after another, and for whole matrices: fresh pages would cost as much as a layer or two."""

from __future__ import annotations

import ctypes
import mmap
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_HUGE = 2**21


class Workspace:
    """Buffers of one thread, by name; they grow to the largest tile and are handed out again and again."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, shape: tuple[int, int], like: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """An uninitialised n×m tensor on the device of `like`, the same memory for the same name."""
        size, key = shape[0] * shape[1], (name, dtype, like.device)
        if key not in self._buffers or self._buffers[key].numel() < size:
            self._buffers[key] = torch.empty(size, dtype=dtype, device=like.device)
        return self._buffers[key][:size].view(shape)


def matrix(like: Tensor, rows: int, columns: int) -> Tensor:
    """An uninitialised matrix (rows×columns) of the dtype and device of `like`, on large pages where there are such."""
    size = rows * columns * like.element_size()
    if like.device.type != "cpu" or _advise is None or size < 2 * _HUGE:
        return like.new_empty(rows, columns)
    room = torch.empty(size + _HUGE, dtype=torch.uint8)
    start = -room.data_ptr() % _HUGE
    # Advice: whether it is taken changes nothing but the time that the first touch of a page takes.
    _advise(room.data_ptr() + start, size - size % _HUGE, mmap.MADV_HUGEPAGE)
    return room[start : start + size].view(like.dtype).view(rows, columns)


def _madvise() -> Callable[[int, int, int], int] | None:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    result: Callable[[int, int, int], int] = function
    return result


_advise = _madvise()
