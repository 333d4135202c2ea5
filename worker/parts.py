"""What every kind of job gives the worker: a function from a claimed part to tiles."""

from collections.abc import Callable, Iterable

from storage.arrays import TileData
from storage.jobs.transitions import Claim
from worker.context import Context

# None stands for some time at work: whether the part is still ours is looked at then too.
RunPart = Callable[[Claim, Context], Iterable[TileData | None]]
