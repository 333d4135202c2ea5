"""Kernels of infinitely wide networks: the NNGP Σ^L and the NTK Θ^L of Section 4.1, exact to rounding.

kernel(arch, x1, x2)                     whole matrices
rows(x), tile(arch, a, b, Block(...))    a block of one, from rows prepared once
diagonal(arch, x)                        Σ^L(x, x) and Θ^L(x, x)
prepare(arch)                            wait for the compiled code that the network needs
"""

from ntk_engine.infinite.blocks import Block, blocks
from ntk_engine.infinite.evaluate import KERNELS, Kernel, diagonal, kernel, prepare, tile
from ntk_engine.infinite.rows import Rows, rows
from ntk_engine.infinite.workspace import Workspace

__all__ = [
    "KERNELS",
    "Block",
    "Kernel",
    "Rows",
    "Workspace",
    "blocks",
    "diagonal",
    "kernel",
    "prepare",
    "rows",
    "tile",
]
