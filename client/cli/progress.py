"""Progress on standard error: a live bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from client.cli.words import err, left_text, progress_text, say
from contracts.jobs import Job

# Between two lines where there is no terminal.
PAUSE = 5.0


class _Display:
    """A bar of its own while its block lasts, where standard error is a terminal."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._live = err.is_terminal

    def __enter__(self) -> Self:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()


class JobProgress(_Display):
    """Call it with a job whenever there is news of it."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        super().__init__(Progress(*columns, TimeElapsedColumn(), console=err))
        self._task = self._bar.add_task("", total=None, left="")
        self._said = 0.0

    def __call__(self, job: Job) -> None:
        done = job.progress
        if self._live:
            left = left_text(done)
            words = f"{job.kind} {job.state}"
            self._bar.update(self._task, description=words, completed=done.done, total=done.total, left=left)
        elif not job.state.finished and time.monotonic() - self._said >= PAUSE:
            self._said = time.monotonic()
            say(f"{job.kind} {job.id}: {job.state}, {progress_text(done)}")


class DownloadProgress(_Display):
    """Call it with the bytes that have come and, where it is known, the bytes there are."""

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        super().__init__(Progress(*columns, console=err))
        self._task = self._bar.add_task(name, total=None)
        self._name = name
        self._said = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        if self._live:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._said >= PAUSE:
            self._said = time.monotonic()
            say(f"{self._name}: {done / 2**20:,.0f} MiB" + ("" if total is None else f" of {total / 2**20:,.0f}"))
