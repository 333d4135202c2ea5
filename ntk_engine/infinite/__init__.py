"""Kernels of infinitely wide networks: the NNGP Σ^L and the NTK Θ^L of Section 4.1, exact to rounding.

kernel(arch, x1, x2)                 whole matrices
rows(arch, x), tile(arch, a, b)      a block of one, from rows prepared once
diagonal(arch, x)                    Σ^L(x, x) and Θ^L(x, x)
"""

from ntk_engine.infinite.evaluate import diagonal, kernel, tile
from ntk_engine.infinite.recursion import KERNELS, Kernel
from ntk_engine.infinite.rows import Rows, rows

__all__ = ["KERNELS", "Kernel", "Rows", "diagonal", "kernel", "rows", "tile"]
