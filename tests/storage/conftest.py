"""A database, a dataset, and jobs to move about."""

from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from contracts.kernels import KernelSpec
from contracts.settings import Settings
from ntk_engine.architecture import mlp
from storage.database import Database
from storage.datasets import Description, Rows, store
from storage.jobs.submission import submit

LIMITS = Settings()
Submit = Callable[..., UUID]


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
