"""Parts of kernel jobs: a block of the matrix, by the method that was asked for. A method is one file and one line."""

from collections.abc import Callable, Iterable, Iterator

from storage.arrays import TileData
from storage.jobs.transitions import Claim
from worker import analytic, monte_carlo
from worker.blocks import KernelPart, claimed
from worker.context import Context

METHODS: dict[str, Callable[[KernelPart, Context], Iterable[TileData | None]]] = {
    "analytic": analytic.run,
    "monte_carlo": monte_carlo.run,
}


def run(claim: Claim, context: Context) -> Iterator[TileData | None]:
    """The tiles of one block: those on and above the diagonal where the matrix is a Gram matrix."""
    part = claimed(claim, context)
    yield from METHODS[part.spec.method.type](part, context)
