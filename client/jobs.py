"""A job in the client's hands: follow it, stop it, fetch its arrays."""

import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from numpy.typing import NDArray

from client import download
from client.answers import parsed
from client.download import Transferred
from client.errors import JobCancelled, JobFailed, ProblemError, WaitTimeout
from client.event_stream import EventDecoder
from client.requests import Bounds, get_array, post
from client.session import PASSING, Attempts, Session
from client.transport import Request
from contracts.jobs import Event, Job, State

# How long one long poll may last; shorter than the silence that proxies commonly allow.
POLL = 25.0
# The longest that the service takes.
LONGEST_POLL = 60.0

OnJob = Callable[[Job], object]
"""Called with the job whenever there is news of it."""


class AsyncJobHandle:
    """A job on the service; `job` is what was last heard of it."""

    def __init__(self, session: Session, job: Job, tag: str | None = None) -> None:
        self._session = session
        self._tag = tag
        self.job = job

    def __repr__(self) -> str:
        done = f"{self.job.progress.done}/{self.job.progress.total} {self.job.progress.unit}"
        return f"AsyncJobHandle({self.id}: {self.job.kind}, {self.state}, {done})"

    @property
    def id(self) -> str:
        return str(self.job.id)

    @property
    def state(self) -> State:
        return self.job.state

    async def refresh(self, wait: float = 0.0) -> Job:
        """Ask for the job's state; with `wait`, the answer comes when there is news, or after so many seconds."""
        wait = min(wait, LONGEST_POLL)
        asked = {"wait": f"{wait:g}"} if wait > 0 else {}
        known = {} if self._tag is None else {"If-None-Match": self._tag}
        reply = await self._session.call(Request("GET", self._path, params=asked, headers=known, wait=wait))
        if reply.status != 304:
            self._take(parsed(Job, reply.body), reply.headers.get("etag"))
        return self.job

    async def wait(self, timeout: float | None = None, progress: OnJob | None = None) -> Job:
        """Return when the job has succeeded; `progress` hears of it as it goes.

        Raises JobFailed, JobCancelled, and WaitTimeout after `timeout` seconds; None waits as long as it takes.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if progress is not None:
                progress(self.job)
            if self.state.finished:
                return self._succeeded()
            left = POLL if deadline is None else min(POLL, deadline - time.monotonic())
            if left <= 0:
                raise WaitTimeout(f"job {self.id} was {self.state} after {timeout:g} s")
            await self.refresh(wait=left)

    async def events(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """The job's events past version `after`, as they happen, to the one that ends it; none is lost or doubled."""
        attempts = self._session.attempts()
        while True:
            try:
                async with aclosing(self._events_until_drop(after, attempts)) as events:
                    async for event in events:
                        after = event.id
                        yield event
                        if event.state.finished:
                            return
                if (await self.refresh()).state.finished and self.job.version <= after:
                    return
                raise httpx.RemoteProtocolError("the event stream ended before the job did")
            except PASSING as error:
                await attempts.failed(error)

    async def cancel(self) -> Job:
        """Stop the job; one that has finished stays as it is."""
        reply = await self._session.call(post(f"{self._path}/cancel"))
        self._take(parsed(Job, reply.body), reply.headers.get("etag"))
        return self.job

    async def delete(self) -> None:
        """Remove the job and its arrays."""
        attempts = self._session.attempts()
        try:
            await self._session.call(Request("DELETE", self._path), attempts)
        except ProblemError as error:
            # The answer to an earlier attempt was lost: what is gone now went by that one.
            if error.status != 404 or attempts.failures == 0:
                raise

    async def array(
        self, name: str, rows: Bounds = None, cols: Bounds = None, progress: Transferred | None = None
    ) -> NDArray[Any]:
        """An array of the job, or the block rows × cols of it; `slice(a, b)` or `(a, b)` count from 0 and exclude b."""
        return await download.fetch(self._session, get_array(self._array_path(name), rows, cols), progress)

    async def save(
        self,
        name: str,
        path: str | os.PathLike[str],
        rows: Bounds = None,
        cols: Bounds = None,
        progress: Transferred | None = None,
    ) -> Path:
        """The same into a .npy file at `path`, without holding it in memory."""
        return await download.save(self._session, get_array(self._array_path(name), rows, cols), path, progress)

    async def _events_until_drop(self, after: int, attempts: Attempts) -> AsyncGenerator[Event, None]:
        decoder = EventDecoder()
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        request = Request("GET", f"{self._path}/events", headers=headers, wait=POLL)
        async with self._session.open(request) as exchange:
            async for piece in exchange.chunks:
                attempts.progressed()
                for message in decoder.feed(piece):
                    yield parsed(Event, message.data)

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{self.id}"

    def _array_path(self, name: str) -> str:
        return f"{self._path}/arrays/{quote(name, safe='')}"

    def _take(self, job: Job, tag: str | None) -> None:
        self.job, self._tag = job, tag

    def _succeeded(self) -> Job:
        if self.state == State.FAILED:
            raise JobFailed(self.job)
        if self.state == State.CANCELLED:
            raise JobCancelled(self.job)
        return self.job
