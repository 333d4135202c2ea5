"""The kernels of finite networks at given parameters (Section 4), without a Jacobian over the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from ntk_engine.architecture import layers
from ntk_engine.finite.forward import apply
from ntk_engine.finite.masks import Masks
from ntk_engine.finite.parameters import Weights
from ntk_engine.finite.products import nngp, tangent
from ntk_engine.finite.reverse import passed
from ntk_engine.infinite import KERNELS, Kernel
from ntk_engine.layers import Dense
from ntk_engine.pages import large

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from torch import Tensor

    from ntk_engine.architecture import Architecture
    from ntk_engine.finite.parameters import Parameters
    from ntk_engine.finite.reverse import Passed

__all__ = ["Outputs", "kernel"]

Outputs = Literal["full", "trace"] | int
"""Which of Θ_kk': all of them, trace(Θ)/k, or that of one output, counted from 0."""


@torch.no_grad()
def kernel(
    arch: Architecture,
    params: Parameters,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs = "full",
    masks: tuple[Masks, Masks] | None = None,
    kernels: Collection[str] = KERNELS,
    memory: int = 2**31,
) -> Kernel:
    """Θ_kk'(θ)(x, x') in `ntk` and f_k(x) f_k'(x') in `nngp`, between the rows of x1 and x2 or of x1: N1×N2×k×k.

    outputs: "trace": their traces over k (N1×N2), or one output's (N1×N2). params: in front of the results stand the
    dimensions that stand in front of its matrices; its dtype and device are those of the results. masks: of dropout,
    for x1 and x2; without, nothing is dropped. memory: bytes for what inputs leave in networks; beyond, they pass in
    panels of rows, columns several times. Gram matrices are symmetric to the last bit. Raises ValueError where there
    is no such output.
    """
    networks = _Networks(arch, params, x1, outputs, "ntk" in kernels)
    first, second = masks or (None, None)
    count, other = len(x1), len(x1 if x2 is None else x2)
    side = max(1, memory // networks.row_bytes)
    if x2 is not None or count > side:
        # Two panels are held at once.
        side = max(1, side // 2)
    found = {name: networks.empty(count, other) for name in KERNELS if name in kernels}
    for rows in _panels(0, count, side):
        a = networks.passed(x1, rows, first)
        if x2 is None:
            networks.write(a, a, found, rows, rows)
        for cols in _panels(0 if x2 is not None else rows.stop, other, side):
            b = networks.passed(x1, cols, first) if x2 is None else networks.passed(x2, cols, second)
            networks.write(a, b, found, rows, cols)
            if x2 is None:
                networks.mirror(found, rows, cols)
    return Kernel({name: networks.shown(matrix) for name, matrix in found.items()})


def _panels(first: int, last: int, side: int) -> Iterator[slice]:
    for start in range(first, last, side):
        yield slice(start, min(start + side, last))


class _Networks:
    """What is asked of one network or many."""

    def __init__(self, arch: Architecture, params: Parameters, x: Tensor, outputs: Outputs, ntk: bool) -> None:
        self.arch, self.outputs, self.ntk = arch, outputs, ntk
        self.front = params[0].weight.shape[:-2]
        self.params = tuple(Weights(_flat(some.weight.detach(), 2), _flat(some.bias.detach(), 1)) for some in params)
        self.like = params[0].weight
        self.k = _ends(arch, params, x)
        self.readouts = self._readouts()
        self.full = outputs == "full"

    def _readouts(self) -> Tensor:
        """Of every output the unit vector: r×k, or S×r×k."""
        unit = torch.eye(self.k, dtype=self.like.dtype, device=self.like.device)
        if isinstance(self.outputs, int):
            if not 0 <= self.outputs < self.k:
                raise ValueError(f"there is no output {self.outputs}: the network has {self.k}, counted from 0")
            unit = unit[self.outputs].unsqueeze(0)
        elif self.outputs == "trace":
            unit /= self.k**0.5
        elif self.outputs != "full":
            raise ValueError('outputs must be "full", "trace" or the number of an output')
        return unit.expand(self.front.numel(), -1, -1) if self.front else unit

    @property
    def row_bytes(self) -> int:
        """What an input leaves in the networks: α, σ' and δ of every neuron, and what the way back needs beside."""
        before = sum(some.weight.shape[-1] for some in self.params)
        after, widest = (call(some.bias.shape[-1] for some in self.params) for call in (sum, max))
        readouts = self.readouts.shape[-2]
        some = before + (readouts + 1) * after + 2 * readouts * widest
        return self.like.element_size() * self.front.numel() * some

    def empty(self, rows: int, cols: int) -> Tensor:
        """Room for a kernel, …×N1×N2 or …×k×N1×k×N2."""
        shape = (self.k, rows, self.k, cols) if self.full else (rows, cols)
        return large(self.like, *((self.front.numel(),) if self.front else ()), *shape)

    def passed(self, x: Tensor, rows: slice, masks: Masks | None) -> Passed:
        """Some of the inputs, there and back."""
        some = masks and Masks(_flat(masks.keys, 0), masks.places[rows])
        return passed(self.arch, self.params, x[rows].to(self.like), self.readouts, some, back=self.ntk)

    def write(self, a: Passed, b: Passed, found: dict[str, Tensor], rows: slice, cols: slice) -> None:
        """The kernels of all their pairs."""
        if "ntk" in found:
            tangent(a, b, self._panel(found["ntk"], rows, cols), full=self.full)
        if "nngp" in found:
            f1 = self._outputs(a)
            nngp(f1, f1 if a is b else self._outputs(b), self._panel(found["nngp"], rows, cols), full=self.full)

    def _outputs(self, some: Passed) -> Tensor:
        return some.outputs[..., self.outputs, None] if isinstance(self.outputs, int) else some.outputs

    def _panel(self, matrix: Tensor, rows: slice, cols: slice) -> Tensor:
        return matrix[..., rows, :, cols] if self.full else matrix[..., rows, cols]

    def mirror(self, found: dict[str, Tensor], rows: slice, cols: slice) -> None:
        """What lies on the other side of the diagonal."""
        for matrix in found.values():
            above, below = self._panel(matrix, rows, cols), self._panel(matrix, cols, rows)
            below.copy_(above.movedim((-4, -3), (-2, -1)) if self.full else above.mT)

    def shown(self, matrix: Tensor) -> Tensor:
        """N1×N2×k×k or N1×N2, with the parameters' dimensions in front."""
        shaped = matrix.movedim((-3, -1), (-4, -3)) if self.full else matrix
        return shaped.view(*self.front, *shaped.shape[1:]) if self.front else shaped


def _ends(arch: Architecture, params: Parameters, x: Tensor) -> int:
    """How many a network has."""
    if isinstance(tuple(layers(arch))[-1], Dense):
        return params[-1].bias.shape[-1]
    return apply(arch, params, x[:0].to(params[0].weight)).shape[-1]


def _flat(some: Tensor, kept: int) -> Tensor:
    """At most one dimension in front of the last ones."""
    return some.flatten(0, -kept - 1) if some.dim() > kept else some
