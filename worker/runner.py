"""Answering the bell: take open parts, compute and commit them, until there are none or it is time to ring again."""

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

import numpy as np
import structlog
import torch

from contracts.problems import COMPUTATION_FAILED, OUT_OF_MEMORY, Problem
from storage import arrays
from storage.arrays import Dropped, ErrorBound, TileData
from storage.database import DatabaseError
from storage.jobs import transitions
from storage.jobs.transitions import Claim, LeaseLostError
from worker.context import Context
from worker.heartbeat import Heartbeat
from worker.parts import Last, Result
from worker.progress import show_progress
from worker.registry import RUN

log = structlog.get_logger()

# After this long a worker returns to Celery, which may then recycle or stop it, and rings for itself.
SLICE_SECONDS = 30.0
# Faults of the question and not of the machine: another attempt would end the same way.
FINAL = (ArithmeticError, LookupError, ValueError)


def serve(context: Context) -> bool:
    """Work until no part is open (False) or the slice is used up (True: there may be more)."""
    end = time.monotonic() + SLICE_SECONDS
    while time.monotonic() < end:
        show_progress()
        lease = context.settings.lease_seconds
        claim = transitions.claim(context.database, context.name, context.device_name, lease, tuple(RUN))
        if claim is None:
            return False
        run_part(claim, context)
    return True


def run_part(claim: Claim, context: Context) -> None:
    """Compute and commit one part; whatever happens, the part is committed, given back, or left to its lease."""
    torch.set_num_threads(context.settings.threads or os.cpu_count() or 1 if claim.alone else 1)
    bound = log.bind(job=str(claim.lease.job), part=claim.lease.index, attempt=claim.lease.attempt)
    started = time.perf_counter()
    with Heartbeat(context.database, claim.lease, context.settings.lease_seconds, show_progress) as heartbeat:
        try:
            results = tuple(_checked(_until_lost(RUN[claim.kind](claim, context), heartbeat)))
            opened = _commit(claim, context, results)
        except LeaseLostError:
            bound.info("part.lost")
        except Exception as error:  # noqa: BLE001 - whatever went wrong goes into the row
            bound.exception("part.failed")
            _fail(claim, context, error)
        except BaseException:
            # The worker is being stopped: give the part back at once, or leave it to its lease.
            with suppress(DatabaseError), context.database.begin() as write:
                transitions.release(write, claim.lease)
            raise
        else:
            bound.info("part.done", seconds=round(time.perf_counter() - started, 3))
            # One of them this worker takes itself.
            context.ring(opened - 1)


def _until_lost(results: Iterable[Result | None], heartbeat: Heartbeat) -> Iterator[Result]:
    for result in results:
        if heartbeat.lost:
            raise LeaseLostError
        if result is not None:
            yield result


def _checked(results: Iterable[Result]) -> Iterator[Result]:
    for result in results:
        if isinstance(result, TileData) and not result.gaps and not np.isfinite(result.entries).all():
            raise ArithmeticError(f"{result.array} has entries that are not finite in {result.entries.dtype}")
        yield result


def _commit(claim: Claim, context: Context, results: Collection[Result]) -> int:
    """Tiles, part, job, event and error bounds in one transaction, behind the fence; how many parts that opens."""
    with context.database.begin() as write:
        transitions.hold(write, claim.lease.job)
        stored = arrays.of_job(write, claim.lease.job)
        arrays.write_tiles(write, stored, (result for result in results if isinstance(result, TileData)))
        finished = transitions.finish(write, claim.lease, last=any(isinstance(result, Last) for result in results))
        arrays.raise_bounds(write, stored, (result for result in results if isinstance(result, ErrorBound)))
        arrays.drop(write, stored, (result for result in results if isinstance(result, Dropped)))
    return finished.opened


def _fail(claim: Claim, context: Context, error: Exception) -> None:
    """Put the error into the row; where the database is the one that failed, the part is left to its lease."""
    limit = context.settings.max_attempts
    try:
        with context.database.begin() as write:
            retry = not isinstance(error, FINAL)
            transitions.fail(write, claim.lease, _problem(error), retry=retry, max_attempts=limit)
    except DatabaseError as outage:
        log.warning("part.left", job=str(claim.lease.job), part=claim.lease.index, error=str(outage))


def _problem(error: Exception) -> Problem:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return OUT_OF_MEMORY.problem(f"The worker ran out of memory: {error}.")
    if isinstance(error, DatabaseError):
        return COMPUTATION_FAILED.problem(f"The database refused the result: {error.orig}")  # without its megabytes
    if isinstance(error, FINAL):
        # Said by the engine or by us, in a sentence for the user.
        return COMPUTATION_FAILED.problem(f"{error}.")
    return COMPUTATION_FAILED.problem(f"{type(error).__name__}: {error}")
