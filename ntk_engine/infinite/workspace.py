"""Memory for one tile after another: fresh pages would cost as much as a layer or two."""

from __future__ import annotations

import torch
from torch import Tensor


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
