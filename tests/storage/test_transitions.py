"""The state machine, one move at a time."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import text

from contracts.jobs import Job, State
from contracts.problems import COMPUTATION_FAILED, ProblemError
from contracts.spectra import SpectrumSpec
from storage import arrays
from storage.arrays import TileData
from storage.database import Database
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim, LeaseLostError
from tests.storage.conftest import LIMITS, Submit

PROBLEM = COMPUTATION_FAILED.problem("it broke")


def take(database: Database, seconds: float = 60.0) -> Claim:
    claim = transitions.claim(database, "w1", "cpu", seconds)
    assert claim is not None
    return claim


def finish(database: Database, claim: Claim) -> State:
    with database.begin() as write:
        return transitions.finish(write, claim.lease).state


def fail(database: Database, claim: Claim, *, retry: bool = True, most: int = 3) -> State | None:
    with database.begin() as write:
        return transitions.fail(write, claim.lease, PROBLEM, retry=retry, max_attempts=most)


def read(database: Database, job: UUID) -> Job:
    with database.read() as reading:
        found = queries.get(reading, job)
    assert found is not None
    return found


def expire(database: Database, claim: Claim) -> None:
    with database.begin() as write:
        write.execute(
            text(
                "UPDATE part SET lease_until = clock_timestamp() - interval '1 s' "
                "WHERE job_id = :job AND index = :index"
            ),
            {"job": claim.lease.job, "index": claim.lease.index},
        )


def spectrum_of(database: Database, kernel: UUID) -> UUID:
    with database.begin() as write:
        return submit(write, SpectrumSpec(kernel=kernel), LIMITS, "test")[0]


def test_a_job_runs_through(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    queued = read(empty, job)
    assert (queued.state, queued.progress.done, queued.progress.total) == (State.QUEUED, 0, 100)
    assert queued.progress.seconds_left is not None
    claim = take(empty)
    assert (claim.lease.job, claim.lease.attempt, claim.kind, claim.parts_total) == (job, 1, "kernels", 1)
    running = read(empty, job)
    assert (running.state, running.attempts, running.device) == (State.RUNNING, 1, "cpu")
    assert finish(empty, claim) is State.SUCCEEDED
    done = read(empty, job)
    assert (done.state, done.progress.done, done.progress.seconds_left) == (State.SUCCEEDED, 100, 0.0)
    assert done.finished_at is not None
    assert done.finished_at <= datetime.now(UTC)
    with empty.read() as reading:
        events = queries.events(reading, job, 0)
    assert [event.type for event in events] == ["queued", "started", "succeeded"]
    assert [event.id for event in events] == [1, 2, 3]
    assert done.version == 3


def test_parts_are_handed_out_once_each_and_in_order(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(5000)
    total = read(empty, job).parts
    claims = [take(empty) for _ in range(total)]
    assert [claim.lease.index for claim in claims] == list(range(total))
    assert transitions.claim(empty, "w2", "cpu", 60.0) is None
    states = [finish(empty, claim) for claim in reversed(claims)]
    assert states == [State.RUNNING] * (total - 1) + [State.SUCCEEDED]
    assert read(empty, job).progress.done == read(empty, job).progress.total


def test_jobs_are_served_in_turn(empty: Database, submit_kernel: Submit) -> None:
    first, second = submit_kernel(5000), submit_kernel(5001)
    assert [take(empty).lease.job for _ in range(4)] == [first, second, first, second]


def test_a_lost_lease_cannot_commit(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    slow = take(empty)
    expire(empty, slow)
    with empty.begin() as write:
        (lease,) = transitions.expired(write)
        assert transitions.lose(write, lease, 3) is State.QUEUED
    assert read(empty, job).state is State.QUEUED
    quick = take(empty)
    assert quick.lease.attempt == 2
    with pytest.raises(LeaseLostError), empty.begin() as write:
        arrays.write_tiles(write, arrays.of_job(write, job), [TileData("ntk", 0, 0, np.zeros((10, 10)))])
        transitions.finish(write, slow.lease)
    with empty.begin() as write:
        assert not transitions.renew(write, slow.lease, 60.0)
        assert transitions.renew(write, quick.lease, 60.0)
        assert (
            write.execute(
                text("SELECT count(*) FROM tile JOIN stored_array ON array_id = id WHERE job_id = :j"), {"j": job}
            ).scalar_one()
            == 0
        )
    assert finish(empty, quick) is State.SUCCEEDED


def test_a_renewed_lease_does_not_expire(empty: Database, submit_kernel: Submit) -> None:
    submit_kernel(10)
    claim = take(empty)
    expire(empty, claim)
    with empty.read() as reading:
        (lease,) = transitions.expired(reading)
    with empty.begin() as write:
        assert transitions.renew(write, claim.lease, 60.0)
    with empty.begin() as write:
        assert transitions.lose(write, lease, 3) is None
    assert finish(empty, claim) is State.SUCCEEDED


def test_attempts_are_bounded_and_keep_their_error(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    assert [fail(empty, take(empty)) for _ in range(3)] == [State.QUEUED, State.QUEUED, State.FAILED]
    failed = read(empty, job)
    assert (failed.state, failed.error, failed.attempts) == (State.FAILED, PROBLEM, 3)
    assert transitions.claim(empty, "w1", "cpu", 60.0) is None


def test_a_fault_of_the_question_is_not_retried(empty: Database, submit_kernel: Submit) -> None:
    submit_kernel(5000)
    claims = [take(empty), take(empty)]
    assert fail(empty, claims[0], retry=False) is State.FAILED
    with pytest.raises(LeaseLostError):
        finish(empty, claims[1])


def test_a_released_part_costs_no_attempt(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    for _ in range(5):
        claim = take(empty)
        with empty.begin() as write:
            transitions.release(write, claim.lease)
        assert read(empty, job).state is State.QUEUED
    assert take(empty).failures == 0


def test_a_job_stays_running_while_another_part_runs(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(5000)
    first, second = take(empty), take(empty)
    assert fail(empty, first) is State.RUNNING
    assert fail(empty, second) is State.QUEUED
    assert read(empty, job).state is State.QUEUED


def test_cancelling_ends_a_job_and_its_tiles_and_can_be_repeated(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(5000)
    done, running = take(empty), take(empty)
    with empty.begin() as write:
        plan = arrays.of_job(write, job)["ntk"].plan
        tile = np.zeros((plan.tile_rows, plan.tile_cols))
        arrays.write_tiles(write, arrays.of_job(write, job), [TileData("ntk", 0, 0, tile)])
        transitions.finish(write, done.lease)
    with empty.begin() as write:
        assert transitions.cancel(write, job)
    with empty.begin() as write:
        assert not transitions.cancel(write, job)
        assert (
            write.execute(
                text("SELECT count(*) FROM tile JOIN stored_array ON array_id = id WHERE job_id = :j"), {"j": job}
            ).scalar_one()
            == 0
        )
    with pytest.raises(LeaseLostError):
        finish(empty, running)
    assert read(empty, job).state is State.CANCELLED
    again = submit_kernel(5000)
    assert again != job


def test_a_job_waits_for_another(empty: Database, submit_kernel: Submit) -> None:
    kernel = submit_kernel(10)
    spectrum = spectrum_of(empty, kernel)
    assert read(empty, spectrum).waits_for == [kernel]
    claim = take(empty)
    assert claim.lease.job == kernel
    assert transitions.claim(empty, "w2", "cpu", 60.0) is None
    finish(empty, claim)
    assert take(empty).lease.job == spectrum


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_fails_with_the_one_it_waits_for(empty: Database, submit_kernel: Submit, end: str) -> None:
    kernel = submit_kernel(10)
    spectrum = spectrum_of(empty, kernel)
    if end == "fail":
        fail(empty, take(empty), retry=False)
    else:
        with empty.begin() as write:
            transitions.cancel(write, kernel)
    failed = read(empty, spectrum)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.type == "/problems/dependency-failed"
    with pytest.raises(ProblemError) as refused:
        spectrum_of(empty, kernel)
    assert refused.value.problem.errors[0].pointer == "/kernel"


def test_what_waited_for_a_cancelled_job_is_not_taken_for_a_new_one(empty: Database, submit_kernel: Submit) -> None:
    waiting = spectrum_of(empty, submit_kernel(10))
    with empty.begin() as write:
        transitions.cancel(write, submit_kernel(10))
    kernel = submit_kernel(10)
    again = spectrum_of(empty, kernel)
    assert again != waiting
    assert read(empty, again).waits_for == [kernel]


def test_a_job_that_may_begin_has_changed(empty: Database, submit_kernel: Submit) -> None:
    spectrum = spectrum_of(empty, submit_kernel(10))
    assert (read(empty, spectrum).version, finish(empty, take(empty))) == (1, State.SUCCEEDED)
    with empty.read() as reading:
        assert [event.type for event in queries.events(reading, spectrum, 0)] == ["queued", "ready"]
    assert (read(empty, spectrum).version, read(empty, spectrum).waits_for) == (2, [])


def test_equal_specs_are_one_job(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    assert submit_kernel(10, kernels=["nngp", "ntk", "ntk"]) == job
    assert submit_kernel(10, kernels=["ntk"]) != job
    finish(empty, take(empty))
    assert submit_kernel(10) == job


def test_deleting_takes_everything(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    claim = take(empty)
    transitions.delete(empty, job)
    with pytest.raises(LeaseLostError):
        finish(empty, claim)
    with empty.read() as reading:
        assert queries.get(reading, job) is None
        for table in ("part", "event"):
            assert reading.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
        assert arrays.of_job(reading, job) == {}


def test_unknown_jobs(empty: Database) -> None:
    with pytest.raises(ProblemError) as refused:
        spectrum_of(empty, uuid4())
    assert refused.value.problem.errors[0].pointer == "/kernel"
    with empty.begin() as write:
        assert not transitions.cancel(write, uuid4())


def test_a_worker_leaves_the_kinds_it_does_not_know(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    assert transitions.claim(empty, "old", "cpu", 60.0, ["spectra"]) is None
    claimed = transitions.claim(empty, "new", "cpu", 60.0, ["spectra", "kernels"])
    assert claimed is not None
    assert claimed.lease.job == job


def test_an_error_that_a_retry_mended_is_gone(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel(10)
    fail(empty, take(empty))
    assert read(empty, job).error == PROBLEM
    finish(empty, take(empty))
    assert read(empty, job).error is None
    with empty.read() as reading:
        events = {event.type: event.error for event in queries.events(reading, job, 0)}
    assert (events["retry"], events["succeeded"]) == (PROBLEM, None)
