"""Parts of kernel jobs: a block of the matrix, by the method that was asked for. A method is one file and one line."""

from collections.abc import Callable, Iterable, Iterator

from storage.jobs.transitions import Claim
from worker import analytic, empirical, monte_carlo
from worker.blocks import KernelPart, claimed
from worker.context import Context
from worker.parts import Result

METHODS: dict[str, Callable[[KernelPart, Context], Iterable[Result | None]]] = {
    "analytic": analytic.run,
    "monte_carlo": monte_carlo.run,
    "empirical": empirical.run,
}


def run(claim: Claim, context: Context) -> Iterator[Result | None]:
    """The tiles of one block, those on and above the diagonal where the matrix is a Gram matrix, and their bounds."""
    part = claimed(claim, context)
    yield from METHODS[part.spec.method.type](part, context)
