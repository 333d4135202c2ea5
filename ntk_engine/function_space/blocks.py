"""The parts of a kernel's Gram matrix that a prediction needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Blocks(NamedTuple):
    """A kernel of the N training points and, where predictions are wanted elsewhere, of n test points."""

    train: Tensor
    """K(X, X), N×N."""
    cross: Tensor | None = None
    """κ = K(x, X), n×N; None where there are no test points."""
    test: Tensor | None = None
    """K(x, x'), n×n, or its diagonal (n) where variances are enough; None where no covariance is asked for."""

    def in_float64(self) -> Blocks:
        """The blocks in the precision of all that is computed from them."""
        return Blocks(*(None if block is None else block.double() for block in self))  # type: ignore[arg-type]


def checked(blocks: Blocks, name: str, *, covariance: str) -> Blocks:
    """The blocks in float64; ValueError unless their shapes fit together and their entries are finite.

    `covariance` says whether a test block is needed: "full" all of it, "diagonal" its diagonal at least, "none" none.
    """
    n, cross, test = blocks.train.shape[0], blocks.cross, blocks.test
    if blocks.train.shape != (n, n) or n == 0:
        raise ValueError(
            f"{name}.train is a square matrix of at least one row, not of shape {tuple(blocks.train.shape)}"
        )
    if cross is not None and (cross.ndim != 2 or cross.shape[1] != n):
        raise ValueError(
            f"{name}.cross has a column for each of {n} training points, not the shape {tuple(cross.shape)}"
        )
    if cross is not None and covariance != "none":
        square = (len(cross), len(cross))
        allowed = [square] if covariance == "full" else [square, square[:1]]
        if test is None or tuple(test.shape) not in allowed:
            shape = "nothing" if test is None else f"the shape {tuple(test.shape)}"
            raise ValueError(f"{name}.test has the shape {' or '.join(map(str, allowed))} here, not {shape}")
    for field, block in zip(Blocks._fields, blocks, strict=True):
        if block is not None and not bool(block.isfinite().all()):
            raise ValueError(f"{name}.{field} needs finite entries")
    return blocks.in_float64()
