"""What is computed once for every input row: a scaled copy, its length, its root, what layers bring to pairs."""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ntk_engine.infinite.lengths import squares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Activation, Dual
    from ntk_engine.infinite.profile import Profile

DTYPES = (torch.float64, torch.float32)
# Bytes of layers' quantities that one set of rows may keep; what is deeper is computed anew for every tile.
_KEPT_BYTES = 2**28


class Kept(dict[Hashable, tuple["Tensor", "Tensor"]]):
    """What layers have computed for rows, by the way to them."""

    bytes = 0

    def __setitem__(self, way: Hashable, found: tuple[Tensor, Tensor]) -> None:
        """Keep it, and count it."""
        self.bytes += sum(item.nbytes for item in found)
        super().__setitem__(way, found)


@dataclass(slots=True)
class Rows:
    """n inputs, prepared."""

    scaled: Tensor
    """x times a power of two of each row (n×d): exact, and its largest entry is in [1, 2), or 0."""
    inverse: Tensor
    """1/‖scaled row‖ (n, float64), and 0 for a zero row."""
    root: Tensor
    """‖x‖/√n_0 (n, float64): the root of x·x/n_0."""
    kept: Kept = field(default_factory=Kept)
    """What layers have computed for these rows."""
    profiles: dict[Hashable, Profile | None] = field(default_factory=dict)
    """Networks as functions of one variable, for pairs of these rows."""
    errors: dict[Activation, set[float]] = field(default_factory=dict)
    """What the duals that served these rows may add (`Dual.error`)."""
    rest: Tensor | None = None
    """What rounding took from `root` (n), if anything."""

    @property
    def roots(self) -> Tensor:
        """`root` and `rest` (2×n)."""
        if "roots" not in self.kept:
            found = torch.stack([self.root, self.root.detach() * 0.0 if self.rest is None else self.rest])
            self.kept["roots"] = found, found
        return self.kept["roots"][0]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest root."""
        if "range" not in self.kept:
            found = self.root.aminmax()
            self.kept["range"] = found.min, found.max
        least, most = self.kept["range"]
        return least.item(), most.item()

    @property
    def inputs(self) -> int:
        """n_0."""
        return self.scaled.shape[1]

    def __len__(self) -> int:
        return self.scaled.shape[0]


class Side:
    """One side of a tile on its way through a network: the roots of its rows at the current depth.

    As long as they fit, a layer's quantities are computed for all rows at once and kept, and a tile takes its slice of
    them. axis: 0 where the rows run down the tile, 1 where they run across it, None for a list of pairs. repeat: how
    many times a single row stands there.
    """

    def __init__(self, rows: Rows, some: slice, axis: int | None, repeat: int = 1) -> None:
        self._rows, self._some, self._axis, self._repeat = rows, some, axis, repeat
        self._whole = True
        self._roots = rows.roots
        self._path: tuple[Hashable, ...] = ()

    @property
    def root(self) -> Tensor:
        """√q of the tile's rows."""
        return self._roots[0, self._some] if self._whole else self._roots[0]

    @property
    def differentiated(self) -> bool:
        """Whether anybody asks for derivatives in these roots."""
        return self._roots.requires_grad

    def range(self) -> tuple[float, float]:
        """The least and the largest root of all rows that are computed together."""
        kept, key = (self._rows.kept if self._whole else Kept()), ("range", *self._path)
        if key not in kept:
            found = self._roots[0].aminmax()
            kept[key] = found.min, found.max
        least, most = kept[key]
        return least.item(), most.item()

    @property
    def count(self) -> int:
        """How many rows there are, of which the tile has some."""
        return len(self._rows)

    def note(self, activation: Activation, dual: Dual) -> None:
        """Keep the error of a dual that has served these rows."""
        self._rows.errors.setdefault(activation, set()).add(dual.error)

    def advance(self, key: Hashable, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """Let a layer take the roots (2×n, in two words): `make` gives what it brings to pairs (…×n) and the next."""
        self._path = (*self._path, key)
        kept = self._rows.kept
        if self._path not in kept and kept.bytes > _KEPT_BYTES:
            self._slice()
        if not self._whole:
            brings, self._roots = make(self._roots)
            return self._repeated(brings)
        if self._path not in kept:
            kept[self._path] = make(self._roots)
        brings, self._roots = kept[self._path]
        return self._repeated(brings[..., self._some])

    def _slice(self) -> None:
        """From here on, compute the tile's rows alone."""
        if self._whole:
            self._whole, self._roots = False, self._roots[..., self._some]

    def _repeated(self, brings: Tensor) -> Tensor:
        return brings if self._repeat == 1 else brings.repeat_interleave(self._repeat, dim=-1)

    def join(self, ends: Sequence[Side], key: Hashable, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """Go on from where branches end: `make` takes their roots together (branches×2×n)."""
        if not all(end._whole for end in ends):
            for side in (self, *ends):
                side._slice()
        found = torch.stack([end._roots for end in ends])
        return self.advance(("join", key), lambda _: make(found))

    def lay(self, brings: Tensor) -> Tensor:
        """What rows bring (…×n), shaped to broadcast against the tile."""
        return brings if self._axis is None else brings.unsqueeze(-1 if self._axis == 0 else -2)

    def fork(self, branch: int) -> Side:
        """This side at the start of a branch."""
        other = copy(self)
        other._path = (*self._path, ("branch", branch))
        return other


def rows(x: Tensor) -> Rows:
    """Prepare inputs x (n×d, float64 or float32, any device), for `tile`.

    Raises TypeError if x is no tensor, ValueError if it is no matrix, is empty, has another dtype, or entries that are
    not finite.
    """
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"inputs must be a torch tensor, not {type(x).__name__}; torch.as_tensor makes one of an array")
    if x.ndim != 2 or x.numel() == 0 or x.dtype not in DTYPES:
        raise ValueError(
            f"inputs must be a non-empty n×d matrix of float64 or float32, not {tuple(x.shape)} of {x.dtype}"
        )
    largest = torch.maximum(x.amax(1), -x.amin(1))
    if not bool(largest.isfinite().all()):
        raise ValueError("inputs must be finite")
    # 2^e of the largest entry, by its mantissa in [1, 2), so that it is a number where 2^(e+1) is none: squares of the
    # scaled rows neither overflow nor underflow, whatever the norm.
    scale = torch.where(largest > 0, largest / (largest.frexp().mantissa * 2), torch.ones_like(largest))
    scaled = x / scale[:, None]
    square = squares(scaled)
    length = square.root().high
    inverse = torch.where(length > 0, length.reciprocal(), torch.zeros_like(length))
    root = (square / float(x.shape[1])).root()
    return Rows(scaled, inverse, root.high * scale.double(), rest=root.low * scale.double())
