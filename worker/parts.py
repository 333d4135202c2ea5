"""What every kind of job gives the worker: a function from a claimed part to tiles, and to bounds on their error."""

from collections.abc import Callable, Iterable

from storage.arrays import ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker.context import Context

Result = TileData | ErrorBound
# None stands for some time at work: whether the part is still ours is looked at then too.
RunPart = Callable[[Claim, Context], Iterable[Result | None]]
