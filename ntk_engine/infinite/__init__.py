"""Kernels of infinitely wide networks: the NNGP Σ^L and the NTK Θ^L of Section 4.1, exact to rounding.

kernel(arch, x1, x2)                     whole matrices
rows(x), tile(arch, a, b, Block(...))    a block of one, from rows prepared once
error_bound(arch, a, b)                  what approximation may have added to the tiles of these rows
diagonal(arch, x)                        Σ^L(x, x) and Θ^L(x, x)
differentiable(arch, x1, x2, numbers=…)  whole matrices for autograd, in the inputs, β and σ_w
gradient(arch, x1, x2, cotangents=…)     the derivatives of a weighted sum of a matrix's entries, block by block
prepare(arch)                            wait for the compiled code that the network needs
"""

from ntk_engine.infinite.blocks import Block, blocks
from ntk_engine.infinite.bounds import error_bound
from ntk_engine.infinite.differentiable import Gradient, differentiable, gradient
from ntk_engine.infinite.evaluate import KERNELS, Kernel, diagonal, kernel, prepare, tile
from ntk_engine.infinite.numbers import numbers_of
from ntk_engine.infinite.rows import Rows, rows
from ntk_engine.infinite.workspace import Workspace

__all__ = [
    "KERNELS",
    "Block",
    "Gradient",
    "Kernel",
    "Rows",
    "Workspace",
    "blocks",
    "diagonal",
    "differentiable",
    "error_bound",
    "gradient",
    "kernel",
    "numbers_of",
    "prepare",
    "rows",
    "tile",
]
