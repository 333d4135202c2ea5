"""How many threads there are of each sort. A thread holds at most one database connection, and there are as many."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

# Together no more than the pool's connections, so that nobody waits for one: short requests, reads of arrays, uploads.
REQUESTS, READS, UPLOADS = 12, 4, 4
POOL = (REQUESTS + READS + UPLOADS) // 2  # the pool may double itself

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Limits of a running event loop; made inside it."""

    def __init__(self) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = REQUESTS
        self.reads = CapacityLimiter(READS)
        self.uploads = CapacityLimiter(UPLOADS)

    async def read(self, function: Callable[[], T]) -> T:
        """Run what reads tiles."""
        return await anyio.to_thread.run_sync(function, limiter=self.reads)

    async def upload(self, function: Callable[[], T]) -> T:
        """Run what makes, reads or stores a whole dataset."""
        return await anyio.to_thread.run_sync(function, limiter=self.uploads)
