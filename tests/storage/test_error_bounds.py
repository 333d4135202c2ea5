"""The error bound of an array: the largest that a part has stated."""

from itertools import permutations
from math import inf
from uuid import UUID

import pytest

from storage import arrays
from storage.arrays import ErrorBound
from storage.database import Database
from storage.jobs import queries, transitions
from tests.storage.conftest import Submit


def bounds(database: Database, job: UUID) -> dict[str, float | None]:
    with database.read() as read:
        found = queries.get(read, job)
    assert found is not None
    return {array.name: array.error_bound for array in found.arrays}


def state(database: Database, job: UUID, *values: float) -> None:
    with database.begin() as write:
        stored = arrays.of_job(write, job)
        arrays.raise_bounds(write, stored, [ErrorBound("ntk", value) for value in values])


@pytest.mark.parametrize("order", list(permutations([0.0, 3e-15, 2e-14])))
def test_the_largest_stays_however_often_it_comes(
    empty: Database, submit_kernel: Submit, order: tuple[float, ...]
) -> None:
    job = submit_kernel()
    assert bounds(empty, job) == {"ntk": None, "nngp": None}
    for value in (*order, *order):
        state(empty, job, value)
    assert bounds(empty, job) == {"ntk": 2e-14, "nngp": None}


def test_nothing_is_known_once_a_part_knows_nothing(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel()
    state(empty, job, inf)
    state(empty, job, 1e-15)
    assert bounds(empty, job)["ntk"] is None


def test_a_job_that_will_have_no_result_has_no_bound(empty: Database, submit_kernel: Submit) -> None:
    job = submit_kernel()
    state(empty, job, 1e-15)
    with empty.begin() as write:
        transitions.cancel(write, job)
    assert bounds(empty, job)["ntk"] is None
