"""A database, a dataset, and jobs to move about."""

from collections.abc import Callable, Sequence
from typing import ClassVar
from uuid import UUID

import numpy as np
import pytest

from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.plan import ArrayPlan, PartPlan, Plan, References
from contracts.settings import Settings
from ntk_engine.architecture import mlp
from storage.database import Database
from storage.datasets import Description, Rows, store
from storage.jobs.submission import submit

LIMITS = Settings()
Submit = Callable[..., UUID]


class Needs(Spec):
    """A job of one part, which needs the results of others; one that is named twice is one that it waits for."""

    kind: ClassVar[str] = "needs"

    others: list[str]
    number: int

    def jobs(self) -> dict[str, str]:
        return {f"/others/{place}": other for place, other in enumerate(self.others)}

    def plan(self, references: References, limits: Settings) -> Plan:
        return Plan((ArrayPlan("state", (1, 1), "float64", 1, 1),), (PartPlan({}, 1),), "steps", 1.0, 1)


def needing(database: Database, others: Sequence[UUID] = (), number: int = 0) -> UUID:
    """The one job that needs these and has this number."""
    with database.begin() as write:
        return submit(write, Needs(others=[str(other) for other in others], number=number), LIMITS, "test")[0]


def store_points(database: Database, points: int, identity: str = "a" * 32) -> str:
    x = np.arange(2.0 * points).reshape(points, 2)
    with database.begin() as write:
        content = [Rows("x", x.shape, "float64", [x[:3], x[3:]])]
        return store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: identity)


@pytest.fixture
def submit_kernel(empty: Database) -> Submit:
    """Submit a kernel job; of 5,000 points it has six parts, of ten one."""

    def run(points: int = 10, **fields: object) -> UUID:
        dataset = store_points(empty, points, f"{points:032x}")
        spec = KernelSpec(**({"dataset": dataset, "architecture": mlp(depth=2)} | fields))
        with empty.begin() as write:
            return submit(write, spec, LIMITS, "test")[0]

    return run
