"""Which steps of descent are compiled, and whether their changes are kept as factors before they meet the weights.

At once, a step reads V (rows×columns) twice and writes it once. Where k steps of N inputs are kept, V stays as it is
and their δᵀA, of rank kN at most, are folded in after k: the same sums in another order (see docs/mathematics.md). Then
V is written once in k steps, and neurons meet the factors four times in each. On one core that takes about the same
time, and a float32 weight is rounded once in place of k times. The rates are one core's, measured
(docs/performance.md); how many cores there are changes nothing, so that a training's bits do not depend on it. Loads
without torch.
"""

__all__ = ["MANY_INPUTS", "kept_numbers", "kept_steps", "looped"]

# With so many inputs (measured) a compiled step's products are those of compiled/many.cpp, and none are kept.
MANY_INPUTS = 32
# With more inputs, and matrices of more entries, the BLAS is faster (measured).
_FEW_INPUTS, _SMALL = 64, 2**19

# Bytes of a number of the only dtype whose digits are few enough.
_FLOAT32 = 4
# Seconds of a product and a sum where a weight that is read is used once, and twice.
_ONCE, _TWICE = 2 / 105e9, 2 / 125e9
# The factors have few rows, and take room in the caches.
_THIN = 2
# Seconds of a weight that is read, and of one that is written.
_READ, _WRITE = _FLOAT32 / 25e9, _FLOAT32 / 60e9
# Factors of higher rank gain nothing, neither time nor digits.
_RANKS = 256
# A weight that is rounded at every step loses changes below half a unit of its last digit, in proportion to how often
# it is rounded: worth a sixth of the time, so that what is chosen may take a tenth longer, about what two runs differ.
_DIGITS = 1 / 6


def looped(inputs: int, largest: int) -> bool:
    """Whether the compiled loop is the fastest way for N inputs and matrices V of at most so many entries."""
    return inputs <= _FEW_INPUTS or largest <= _SMALL


def kept_steps(rows: int, columns: int, inputs: int, item: int) -> int:
    """How many steps of N inputs are kept for a layer of numbers of `item` bytes; 0: weights are changed at once.

    In float64 none: times are equal, and errors of 1e-16 do not matter.
    """
    if item != _FLOAT32 or inputs >= MANY_INPUTS:
        return 0
    size = rows, columns, inputs
    some = (2**power for power in range(1, (_RANKS // max(inputs, 1)).bit_length()))
    taken = {steps: _kept(*size, steps) * (1 + _DIGITS / steps) for steps in some}
    best = min(taken, key=taken.__getitem__)
    return best if taken[best] < _at_once(*size) * (1 + _DIGITS) else 0


def kept_numbers(rows: int, columns: int, inputs: int, item: int) -> int:
    """Of both factors."""
    return kept_steps(rows, columns, inputs, item) * inputs * (rows + columns)


def _at_once(rows: int, columns: int, inputs: int) -> float:
    """Seconds of a step: forward, and backward where weights are changed as soon as they are read."""
    return rows * columns * (max(inputs * _ONCE, _READ) + max(2 * inputs * _TWICE, _READ + _WRITE))


def _kept(rows: int, columns: int, inputs: int, steps: int) -> float:
    """The same where so many steps are kept: half of them when a step is made, on average."""
    folded = max(inputs * _TWICE, (_READ + _WRITE) / steps)
    factors = (steps - 1) * inputs * (rows + columns) * _THIN * inputs * _ONCE
    return rows * columns * (2 * max(inputs * _ONCE, _READ) + folded) + factors
