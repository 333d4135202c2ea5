"""Many threads make random moves of few jobs at once: nothing deadlocks, and every invariant holds throughout."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import UUID

import numpy as np
from sqlalchemy import text

from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.problems import COMPUTATION_FAILED, ProblemError
from contracts.settings import MIB, Settings
from contracts.spectra import SpectrumSpec
from ntk_engine.architecture import mlp
from storage import arrays
from storage.arrays import TileData
from storage.database import Database, Read
from storage.jobs import transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim, LeaseLostError
from tests.storage.conftest import Needs, store_points
from tests.storage.invariants import broken

SECONDS, THREADS, MOST = 8.0, 10, 3
# So little memory that 90 points make six parts of one tile each.
LIMITS = Settings(memory_bytes=MIB)
POINTS, TILE = 90, 32
KINDS = ["kernels", "spectra", "needs"]
PROBLEM = COMPUTATION_FAILED.problem("it broke")
EXPIRE = text(
    "UPDATE part SET lease_until = clock_timestamp() - interval '1 s' "
    "WHERE (job_id, index) = (SELECT job_id, index FROM part WHERE state = 'running' ORDER BY random() LIMIT 1) "
    "AND state = 'running'"
)


def tiles_of(read: Read, claim: Claim) -> list[TileData]:
    """Right in shape, and different with every attempt: a mixture of two attempts would show."""
    planned = arrays.of_job(read, claim.lease.job)
    if claim.kind == "kernels":
        (r, re), (c, ce) = claim.part_spec["rows"], claim.part_spec["cols"]
        entries = np.full((re - r, ce - c), float(claim.lease.attempt))
        return [TileData(name, r // TILE, c // TILE, entries) for name in planned]
    return [TileData(name, 0, 0, np.zeros((stored.plan.rows, 1))) for name, stored in planned.items()]


class Actor:
    """One thread's moves; what it holds may be lost to the others at any time."""

    def __init__(self, database: Database, dataset: str, seed: int, until: float) -> None:
        self.database, self.dataset, self.until = database, dataset, until
        self.rng, self.name = random.Random(seed), f"w{seed}"
        self.held: list[Claim] = []
        self.moved: dict[str, int] = {}

    def run(self) -> dict[str, int]:
        moves: list[Callable[[], object]] = [self.claim] * 8 + [self.finish] * 10 + [self.submit] * 4
        moves += [self.renew, self.release, self.fail, self.fail, self.expire, self.sweep, self.sweep]
        moves += [self.submit_spectrum] * 3 + [self.submit_needing] * 3 + [self.cancel, self.delete]
        while time.monotonic() < self.until:
            move = self.rng.choice(moves)
            with suppress(ProblemError, LeaseLostError):
                move()
                self.moved[move.__name__] = self.moved.get(move.__name__, 0) + 1
        return self.moved

    def claim(self) -> None:
        found = transitions.claim(self.database, self.name, "cpu", 60.0)
        if found is not None:
            self.held.append(found)

    def taken(self) -> Claim:
        if not self.held:
            raise LeaseLostError
        return self.held.pop(self.rng.randrange(len(self.held)))

    def finish(self) -> None:
        claim = self.taken()
        with self.database.begin() as write:
            transitions.hold(write, claim.lease.job)
            arrays.write_tiles(write, arrays.of_job(write, claim.lease.job), tiles_of(write, claim))
            transitions.finish(write, claim.lease)

    def renew(self) -> None:
        claim = self.taken()
        with self.database.begin() as write:
            if transitions.renew(write, claim.lease, 60.0):
                self.held.append(claim)

    def release(self) -> None:
        claim = self.taken()
        with self.database.begin() as write:
            transitions.release(write, claim.lease)

    def fail(self) -> None:
        claim, retry = self.taken(), self.rng.random() < 0.8
        with self.database.begin() as write:
            transitions.fail(write, claim.lease, PROBLEM, retry=retry, max_attempts=MOST)

    def expire(self) -> None:
        with self.database.begin() as write:
            write.execute(EXPIRE)

    def sweep(self) -> None:
        with self.database.read() as read:
            leases = transitions.expired(read)
        for lease in leases:
            with self.database.begin() as write:
                transitions.lose(write, lease, MOST)

    def _jobs(self, kinds: list[str], most: int) -> list[UUID]:
        with self.database.read() as read:
            query = text("SELECT id FROM job WHERE kind = ANY(:kinds) ORDER BY random() LIMIT :most")
            found = read.execute(query, {"kinds": kinds, "most": most}).scalars().all()
        if not found:
            raise LeaseLostError
        return list(found)

    def _submit(self, spec: Spec) -> None:
        with self.database.begin() as write:
            submit(write, spec, LIMITS, "test")

    def submit(self) -> None:
        architecture = mlp(depth=self.rng.randint(1, 3))
        self._submit(KernelSpec(dataset=self.dataset, architecture=architecture, kernels=["ntk"]))

    def submit_spectrum(self) -> None:
        self._submit(SpectrumSpec(kernel=self._jobs(["kernels"], 1)[0], top=self.rng.randint(1, 2)))

    def submit_needing(self) -> None:
        others = self._jobs(KINDS, self.rng.randint(1, 3))
        self._submit(Needs(others=[str(other) for other in others], number=self.rng.randint(1, 2)))

    def cancel(self) -> None:
        (job,) = self._jobs([self.rng.choice(KINDS)], 1)
        with self.database.begin() as write:
            transitions.cancel(write, job)

    def delete(self) -> None:
        transitions.delete(self.database, *self._jobs([self.rng.choice(KINDS)], 1))


def watch(database: Database, until: float) -> list[str]:
    while time.monotonic() < until:
        found = broken(database)
        if found:
            return found
        time.sleep(0.05)
    return []


def test_random_moves_at_once(empty: Database, database_url: str) -> None:
    database = Database(database_url, pool_size=THREADS + 2)
    dataset = store_points(database, POINTS)
    until = time.monotonic() + SECONDS
    actors = [Actor(database, dataset, seed, until) for seed in range(THREADS)]
    try:
        with ThreadPoolExecutor(THREADS + 1) as pool:
            watching = pool.submit(watch, database, until)
            moved = [future.result() for future in [pool.submit(actor.run) for actor in actors]]
        assert watching.result() == []
        assert broken(database) == []
    finally:
        database.dispose()
    totals = {name: sum(each.get(name, 0) for each in moved) for name in moved[0]}
    assert min(totals.values()) > 0, totals
