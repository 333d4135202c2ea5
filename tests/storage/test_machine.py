"""Any sequence of moves against an obvious twin in memory: the same answers, and every invariant after each."""

from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from contracts.jobs import State
from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.problems import COMPUTATION_FAILED, ProblemError
from contracts.settings import MIB, Settings
from contracts.spectra import SpectrumSpec
from ntk_engine.architecture import mlp
from storage import arrays
from storage.arrays import TileData
from storage.database import Database, Write
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim, Lease, LeaseLostError
from tests.storage.conftest import Needs, store_points
from tests.storage.invariants import broken

# So little memory that 40 points make three parts of one tile each.
LIMITS = Settings(memory_bytes=MIB)
POINTS, TILE, MOST = 40, 32, 2
PROBLEM = COMPUTATION_FAILED.problem("it broke")
EXPIRE = text(
    "UPDATE part SET lease_until = clock_timestamp() - interval '1 s' "
    "WHERE job_id = :job AND index = :index AND attempt = :attempt AND state = 'running'"
)
SEEN = text("""
    SELECT job.id, job.state, (SELECT count(*) FROM event WHERE job_id = job.id) AS events,
           ARRAY(SELECT on_id FROM awaited WHERE job_id = job.id) AS waits_for,
           ARRAY(SELECT part.state FROM part WHERE job_id = job.id ORDER BY index) AS parts FROM job""")
PICK = st.integers(0, 1000)


@dataclass
class PartTwin:
    state: State = State.QUEUED
    attempt: int = 0
    failures: int = 0
    expired: bool = False


@dataclass
class JobTwin:
    """`key` is what makes two jobs equal; `served` is when a worker last took a part of it, 0 for never."""

    id: UUID
    key: tuple[object, ...]
    parts: list[PartTwin]
    waits_for: set[UUID] = field(default_factory=set)
    state: State = State.QUEUED
    served: int = 0
    version: int = 1

    def queued(self) -> list[int]:
        return [index for index, part in enumerate(self.parts) if part.state is State.QUEUED]

    def put_back(self, part: PartTwin) -> None:
        part.state, self.version = State.QUEUED, self.version + 1
        self.state = State.RUNNING if any(p.state is State.RUNNING for p in self.parts) else State.QUEUED


@dataclass
class Twin:
    """What the tables should say; jobs in the order of their creation."""

    jobs: dict[UUID, JobTwin] = field(default_factory=dict)
    clock: int = 0

    def live(self, key: tuple[object, ...]) -> JobTwin | None:
        found = [job for job in self.jobs.values() if job.key == key and not self.dead(job)]
        return found[0] if found else None

    @staticmethod
    def dead(job: JobTwin) -> bool:
        return job.state in (State.FAILED, State.CANCELLED)

    def claim(self) -> tuple[UUID, int, int, int] | None:
        open_ = [job for job in self.jobs.values() if job.queued() and not job.waits_for]
        if not open_:
            return None
        job = min(open_, key=lambda job: job.served)
        index = job.queued()[0]
        part = job.parts[index]
        part.state, part.attempt, part.expired = State.RUNNING, part.attempt + 1, False
        self.clock += 1
        job.served, job.version = self.clock, job.version + (job.state is State.QUEUED)
        job.state = State.RUNNING
        return job.id, index, part.attempt, part.failures

    def held(self, lease: Lease) -> tuple[JobTwin, PartTwin] | None:
        job = self.jobs.get(lease.job)
        if job is None:
            return None
        part = job.parts[lease.index]
        return (job, part) if (part.state, part.attempt) == (State.RUNNING, lease.attempt) else None

    def finish(self, job: JobTwin, part: PartTwin) -> State:
        part.state, job.version = State.SUCCEEDED, job.version + 1
        if all(p.state is State.SUCCEEDED for p in job.parts):
            job.state = State.SUCCEEDED
            for other in self.waiting(job.id):
                other.waits_for.discard(job.id)
                other.version += 1
        return job.state

    def fail(self, job: JobTwin, part: PartTwin, *, retry: bool) -> State:
        part.failures += 1
        if retry and part.failures < MOST:
            job.put_back(part)
        else:
            part.state = State.FAILED
            self.end(job, State.FAILED)
        return job.state

    def end(self, job: JobTwin, state: State) -> bool:
        if job.state.finished:
            return False
        job.state, job.waits_for, job.version = state, set(), job.version + 1
        for part in job.parts:
            part.state = part.state if part.state.finished else State.CANCELLED
        for other in self.waiting(job.id):
            self.end(other, State.FAILED)
        return True

    def waiting(self, cause: UUID) -> list[JobTwin]:
        return [job for job in self.jobs.values() if cause in job.waits_for]


class Moves(RuleBasedStateMachine):
    """Every move there is, of jobs and leases that may be long gone."""

    database: Database
    dataset: str

    def __init__(self) -> None:
        super().__init__()
        with self.database.begin() as write:
            write.execute(text("DELETE FROM awaited"))
            write.execute(text("DELETE FROM job"))
        self.twin = Twin()
        self.claims: list[Claim] = []

    def job(self, pick: int) -> JobTwin:
        return list(self.twin.jobs.values())[pick % len(self.twin.jobs)]

    def lease(self, pick: int) -> tuple[Claim, tuple[JobTwin, PartTwin] | None]:
        """Mostly one of the latest claims: the older ones are of leases long lost."""
        claim = self.claims[-1 - pick % min(len(self.claims), 4)]
        return claim, self.twin.held(claim.lease)

    def submit(self, spec: Spec, key: tuple[object, ...], needed: list[JobTwin], parts: int) -> None:
        with self.database.begin() as write:
            id_, created = submit(write, spec, LIMITS, "test")
        found = self.twin.live(key)
        assert (found is None) == created
        if found is None:
            waits_for = {job.id for job in needed if job.state is not State.SUCCEEDED}
            self.twin.jobs[id_] = JobTwin(id_, key, [PartTwin() for _ in range(parts)], waits_for)
        else:
            assert found.id == id_

    @rule(depth=st.integers(1, 2))
    def submit_kernel(self, depth: int) -> None:
        spec = KernelSpec(dataset=self.dataset, architecture=mlp(depth=depth), kernels=["ntk"])
        self.submit(spec, ("kernels", depth), [], 3)

    @precondition(lambda self: self.twin.jobs)
    @rule(pick=PICK, top=st.integers(1, 2))
    def submit_spectrum(self, pick: int, top: int) -> None:
        kernel = self.job(pick)
        try:
            self.submit(SpectrumSpec(kernel=kernel.id, top=top), ("spectra", *kernel.key, top), [kernel], 1)
        except ProblemError:
            assert kernel.key[0] != "kernels" or self.twin.dead(kernel)

    @precondition(lambda self: self.twin.jobs)
    @rule(picks=st.lists(PICK, max_size=3), number=st.integers(1, 2))
    def submit_needing(self, picks: list[int], number: int) -> None:
        needed = [self.job(pick) for pick in picks]
        others = [str(job.id) for job in needed]
        dead = any(self.twin.dead(job) for job in needed)
        try:
            self.submit(Needs(others=others, number=number), ("needs", *others, number), needed, 1)
        except ProblemError:
            assert dead
        else:
            assert not dead

    @rule()
    def claim(self) -> None:
        claim = transitions.claim(self.database, "w", "cpu", 60.0)
        lease = claim and claim.lease
        found = claim and lease and (lease.job, lease.index, lease.attempt, claim.failures)
        assert found == self.twin.claim()
        self.claims += [claim] if claim else []

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def finish(self, pick: int) -> None:
        claim, held = self.lease(pick)
        try:
            with self.database.begin() as write:
                self.store_tiles(write, claim)
                before = queries.open_parts(write)
                finished = transitions.finish(write, claim.lease)
                assert finished.opened == queries.open_parts(write) - before
        except LeaseLostError:
            assert held is None
        else:
            assert held is not None
            assert finished.state is self.twin.finish(*held)

    def store_tiles(self, write: Write, claim: Claim) -> None:
        rows, cols = claim.part_spec.get("rows", (0, 2)), claim.part_spec.get("cols", (0, 1))
        for name, stored in arrays.of_job(write, claim.lease.job).items():
            entries = np.ones((min(rows[1], stored.plan.rows) - rows[0], cols[1] - cols[0]))
            tile = TileData(name, rows[0] // TILE, cols[0] // TILE, entries)
            arrays.write_tiles(write, {name: stored}, [tile])

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        claim, held = self.lease(pick)
        with self.database.begin() as write:
            assert transitions.renew(write, claim.lease, 60.0) == (held is not None)
        if held is not None:
            held[1].expired = False

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        claim, held = self.lease(pick)
        with self.database.begin() as write:
            transitions.release(write, claim.lease)
        if held is not None:
            held[0].put_back(held[1])

    @precondition(lambda self: self.claims)
    @rule(pick=PICK, retry=st.booleans())
    def fail(self, pick: int, retry: bool) -> None:
        claim, held = self.lease(pick)
        with self.database.begin() as write:
            state = transitions.fail(write, claim.lease, PROBLEM, retry=retry, max_attempts=MOST)
        assert state is (held and self.twin.fail(*held, retry=retry))

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def expire(self, pick: int) -> None:
        claim, held = self.lease(pick)
        with self.database.begin() as write:
            write.execute(EXPIRE, claim.lease.fence)
        if held is not None:
            held[1].expired = True

    @rule()
    def sweep(self) -> None:
        with self.database.read() as read:
            leases = transitions.expired(read)
        running = [(job, i, part) for job in self.twin.jobs.values() for i, part in enumerate(job.parts)]
        expected = {(job.id, i) for job, i, part in running if part.state is State.RUNNING and part.expired}
        assert {(lease.job, lease.index) for lease in leases} == expected
        for lease in leases:
            held = self.twin.held(lease)
            with self.database.begin() as write:
                state = transitions.lose(write, lease, MOST)
            assert state is (held and self.twin.fail(*held, retry=True))

    @precondition(lambda self: self.twin.jobs)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job = self.job(pick)
        with self.database.begin() as write:
            assert transitions.cancel(write, job.id) == self.twin.end(job, State.CANCELLED)

    @precondition(lambda self: self.twin.jobs)
    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        job = self.job(pick)
        try:
            transitions.delete(self.database, job.id)
        except ProblemError:
            assert self.twin.waiting(job.id)
        else:
            assert not self.twin.waiting(job.id)
            del self.twin.jobs[job.id]

    @invariant()
    def the_tables_say_what_the_twin_says(self) -> None:
        with self.database.read() as read:
            seen = {row.id: row for row in read.execute(SEEN)}
        assert seen.keys() == self.twin.jobs.keys()
        for job in self.twin.jobs.values():
            row = seen[job.id]
            assert (row.state, set(row.waits_for), row.events) == (job.state, job.waits_for, job.version)
            assert row.parts == [part.state for part in job.parts]
        assert broken(self.database) == []


def test_moves_in_any_order(empty: Database) -> None:
    class OfThisDatabase(Moves):
        database, dataset = empty, store_points(empty, POINTS)

    checked = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(OfThisDatabase, settings=checked)
