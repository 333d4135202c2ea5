"""Derivatives of kernels with respect to the inputs, β and σ_w, by autograd through the recursion itself.

The formulas are those of `kernel`, evaluated on tensors; what autograd needs beside them is in `polar`. Where a kernel
has no derivative it gets a finite one: at duplicates and antipodes, where it may have a cone, the mean of those from
opposite sides, 0 for |x − x'|; where it jumps, 0. For nearly equal inputs, whose difference is δ of their norms, the
derivative along x itself is right to about eps/δ, which is what the rounding of norms leaves of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.infinite.blocks import Block, blocks
from ntk_engine.infinite.evaluate import KERNELS, Kernel
from ntk_engine.infinite.numbers import numbers_of, with_numbers
from ntk_engine.infinite.polar import pull_root, roots
from ntk_engine.infinite.traced import prepared, tile, with_roots, zero_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

    from ntk_engine.architecture import Architecture


class Gradient(NamedTuple):
    """The derivatives of one number."""

    x1: Tensor
    """n1×d, in the inputs' dtype."""
    x2: Tensor | None
    """n2×d, or None where there is no x2."""
    numbers: dict[str, Tensor]
    """In every β and σ_w, by its name in `numbers_of`: float64, without dimensions."""


def differentiable(
    arch: Architecture,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    numbers: Mapping[str, Tensor] | None = None,
    kernels: Collection[str] = KERNELS,
) -> Kernel:
    """Σ^L and Θ^L (n1×n2) of `kernel`, for autograd in x1 (n1×d), x2 (n2×d) and `numbers`.

    numbers: tensors without dimensions in place of some β and σ_w, by their names in `numbers_of`. Autograd keeps
    results of every layer for every pair, from 200 bytes (ReLU) to 1200 (GELU) each: see `gradient` for large matrices.
    Second derivatives of closed forms are right where they exist, but at rows that are 0. Raises ValueError as `kernel`
    does and for names that are none, and ArchitectureError for a value that its field does not take.
    """
    network = with_numbers(arch, numbers or {})
    a, b = prepared(x1, x2)
    zero = zero_of(network, a, b)
    left = with_roots(a, roots(x1, a.root), zero)
    right, y = (left, x1) if x2 is None else (with_roots(b, roots(x2, b.root), zero), x2)
    found = tile(network, left, right, (x1, y), Block(slice(0, len(a)), slice(0, len(b)), x2 is None), zero)
    return Kernel({name: found[name].to(x1.dtype) for name in KERNELS if name in kernels})


def gradient(
    arch: Architecture, x1: Tensor, x2: Tensor | None = None, *, cotangents: Mapping[str, Tensor], block: int = 256
) -> Gradient:
    """The derivatives of Σ_{k,i,j} cotangents[k]_ij K_k(x1_i, x2_j) over kernels k: `nngp`, `ntk` or both.

    cotangents: n1×n2 each. Without x2, K is the Gram matrix of x1, whose rows are both arguments. Block by block, in
    the memory of `differentiable` for one block and of some numbers for every row and layer. Raises ValueError as
    `kernel` does, and for cotangents of other names or shapes.
    """
    gram, inputs = x2 is None, [x1] if x2 is None else [x1, x2]
    numbers = {
        name: torch.tensor(value, dtype=torch.float64, device=x1.device, requires_grad=True)
        for name, value in numbers_of(arch).items()
    }
    network, (a, b) = with_numbers(arch, numbers), prepared(x1, x2)
    _check(cotangents, (len(a), len(b)))
    zero = zero_of(network, a, b)
    sides = [with_roots(side, side.root, zero) for side in (a, b)[: len(inputs)]]
    # What rows bring to layers is computed once, and every block's derivatives go through it to the roots.
    leaves = [*(side.root.requires_grad_() for side in sides), *numbers.values()]
    of_inputs, of_leaves = ([torch.zeros_like(item, dtype=torch.float64) for item in some] for some in (inputs, leaves))
    for at in blocks(len(a), len(b), block, gram=gram):
        x, y = (z[some].detach().double().requires_grad_() for z, some in ((x1, at.rows), (inputs[-1], at.columns)))
        found = tile(network, sides[0], sides[-1], (x, y), at, zero)
        value = torch.stack([(found[name] * _block(item, at, gram)).sum() for name, item in cotangents.items()]).sum()
        parts = torch.autograd.grad(value, [x, y, *leaves], retain_graph=True, materialize_grads=True)
        of_inputs[0][at.rows] += parts[0]
        of_inputs[-1][at.columns] += parts[1]
        for total, part in zip(of_leaves, parts[2:], strict=True):
            total.add_(part)
    of_x = [
        (total + pull_root(x.detach().double(), of_root)).to(x.dtype)
        for x, total, of_root in zip(inputs, of_inputs, of_leaves, strict=False)
    ]
    return Gradient(of_x[0], None if gram else of_x[1], dict(zip(numbers, of_leaves[len(inputs) :], strict=True)))


def _check(cotangents: Mapping[str, Tensor], shape: tuple[int, int]) -> None:
    if not cotangents or not set(cotangents) <= set(KERNELS):
        raise ValueError(
            f"there are cotangents of {' and '.join(KERNELS)}, not of {', '.join(cotangents) or 'nothing'}"
        )
    for name, cotangent in cotangents.items():
        if cotangent.shape != shape:
            raise ValueError(
                f"the cotangent of {name} must have the kernel's shape {shape}, not {tuple(cotangent.shape)}"
            )


def _block(cotangent: Tensor, at: Block, gram: bool) -> Tensor:
    """A block of a cotangent and, of a Gram matrix, of its mirror image."""
    part = cotangent[at.rows, at.columns].detach().double()
    return part + cotangent[at.columns, at.rows].detach().mT if gram and not at.diagonal else part
