"""What every kind of job gives the worker: a function from a claimed part to tiles, and to bounds on their error."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from storage.arrays import Dropped, ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker.context import Context


@dataclass(frozen=True)
class Last:
    """Nothing is left to do for the job's other parts."""


Result = TileData | ErrorBound | Dropped | Last
# None stands for some time at work: whether the part is still ours is looked at then too.
RunPart = Callable[[Claim, Context], Iterable[Result | None]]
