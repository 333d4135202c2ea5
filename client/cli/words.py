"""What the command line says: data on standard output, everything else on standard error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from client.errors import NtkdError, ProblemError
from contracts.jobs import ArrayInfo, DatasetInfo, Job, Progress, ResultInfo

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(sentence: str) -> None:
    """A remark for people."""
    err.print(sentence, markup=False)


def say_error(error: NtkdError) -> None:
    """The problem's sentence, then a line for each field at fault that the sentence does not stand for already."""
    say(f"ntkd: {error}")
    faults = error.errors if isinstance(error, ProblemError) else ()
    for fault in faults:
        said = "" if fault.detail.rstrip(".") == str(error).rstrip(".") else f": {fault.detail}"
        say(f"  {fault.pointer}{said}")


def print_json(value: BaseModel) -> None:
    """One JSON value on one line."""
    sys.stdout.write(value.model_dump_json() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere lines of values between tabs, without a heading."""
    if not out.is_terminal:
        sys.stdout.writelines("\t".join(row) + "\n" for row in rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0)  # an id is there to be copied whole
    for row in rows:
        table.add_row(*row)
    out.print(table, markup=False)


def job_rows(job: Job) -> list[tuple[str, str]]:
    """A job as names and values for `ntkd status`."""
    rows = [
        ("job", str(job.id)),
        ("kind", job.kind),
        ("state", str(job.state)),
        ("progress", progress_text(job.progress)),
        ("device", job.device or "-"),
        ("time", duration_text(job)),
        *((f"array {array.name}", shape_text(array) + bound_text(array)) for array in job.arrays),
    ]
    return rows if job.error is None else [*rows, ("error", job.error.detail)]


def dataset_text(info: DatasetInfo) -> str:
    """A dataset in one line."""
    arrays = ", ".join(f"{array.name} {shape_text(array)}" for array in info.arrays)
    return f"{arrays}; {info.provenance}"


def progress_text(progress: Progress) -> str:
    """How far, how fast and how long still."""
    parts = [f"{progress.done:,} of {progress.total:,} {progress.unit}"]
    if progress.rate is not None:
        parts.append(f"{progress.rate:,.0f}/s")
    return ", ".join([*parts, share_text(progress)])


def share_text(progress: Progress) -> str:
    """How far in percent, and how long still."""
    left = left_text(progress)
    return f"{100 * progress.done / (progress.total or 1):.0f} %" + (f", {left}" if left else "")


def left_text(progress: Progress) -> str:
    """How long still, or nothing where that is unknown or no time at all."""
    seconds = progress.seconds_left or 0.0
    return f"{timedelta(seconds=round(seconds))} left" if seconds >= 1 else ""


def shape_text(array: ArrayInfo) -> str:
    """An array's shape and type."""
    return f"{'×'.join(map(str, array.shape))} {array.dtype}"


def bound_text(array: ResultInfo) -> str:
    """What approximation may have added, or nothing where that is nothing or unknown."""
    return f", error bound {array.error_bound:.1e}" if array.error_bound else ""


def duration_text(job: Job) -> str:
    """The seconds that a finished job took from its start."""
    if job.started_at is None or job.finished_at is None:
        return "-"
    return f"{(job.finished_at - job.started_at).total_seconds():.2f} s"
