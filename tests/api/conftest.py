"""A real server on a free port, its database, and a hand that does the work of a worker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray

from api.app import create_app
from contracts.plan import ArrayPlan
from contracts.settings import Settings
from contracts.tiling import Block
from storage import arrays
from storage.arrays import TileData
from storage.database import Database
from storage.jobs import transitions

MAX_UPLOAD = 2**20
MAX_BODY = 2**16
TARGETS = {"type": "x1*x2"}


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The application under uvicorn in a thread; yields its address."""
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        max_body_bytes=MAX_BODY,
        max_upload_bytes=MAX_UPLOAD,
        log_level="ERROR",
    )


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    with serving(settings) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as made:
        yield made


def rows_of(database: Database) -> dict[str, int]:
    """How many rows every table has that a request may fill."""
    from sqlalchemy import text

    tables = ("dataset", "job", "part", "event", "stored_array", "tile", "idempotency_key")
    with database.read() as read:
        return {table: read.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}


def points(client: httpx.Client, count: int = 4, **fields: object) -> str:
    """The id of a dataset of `count` points on the circle; fields: such as its targets."""
    answer = client.post("/v1/datasets", json={"source": {"type": "circle", "points": count}} | fields)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


def kernel_spec(dataset: str, **fields: object) -> dict[str, object]:
    return {"dataset": dataset, "architecture": {"type": "mlp", "depth": 2}} | fields


def submit(client: httpx.Client, count: int = 4, **fields: object) -> str:
    """The id of a kernel job on `count` points."""
    answer = client.post("/v1/kernels", json=kernel_spec(points(client, count), **fields))
    assert answer.status_code in (200, 202), answer.text
    return str(answer.json()["id"])


def submit_prediction(client: httpx.Client) -> tuple[httpx.Response, list[str]]:
    """What answers a prediction from three kernels that nobody has computed yet, and the ids of their jobs."""
    train, test = points(client, 5, targets=TARGETS), points(client, 3)
    specs = [kernel_spec(train), kernel_spec(test, against=train), kernel_spec(test)]
    kernels = [str(client.post("/v1/kernels", json=spec).json()["id"]) for spec in specs]
    named = dict(zip(("train", "cross", "test"), kernels, strict=True))
    asked = {"train": train, "test": test, "kernels": named, "times": [1]}
    return client.post("/v1/predictions", json=asked), kernels


class Hand:
    """Takes parts and stores values of the test's own, as a worker would, one step at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def take(self) -> transitions.Claim:
        claim = transitions.claim(self.database, "hand", "cpu", 60.0)
        assert claim is not None
        return claim

    def finish(self, claim: transitions.Claim, values: dict[str, NDArray[np.floating]] | None = None) -> None:
        """Store the part's tiles of every array, zeros unless `values` says otherwise, and finish the part."""
        with self.database.begin() as write:
            stored = arrays.of_job(write, claim.lease.job)
            for name, array in stored.items():
                whole = (values or {}).get(name)
                matrix = np.zeros((array.plan.rows, array.plan.cols)) if whole is None else whole
                part = claim.part_spec or {"rows": [0, array.plan.rows], "cols": [0, array.plan.cols]}
                arrays.write_tiles(write, stored, tiles(array.plan, matrix, part))
            transitions.finish(write, claim.lease)

    def work(self, job: str, values: dict[str, NDArray[np.floating]] | None = None) -> None:
        """All parts of the one open job, which is `job`."""
        for _ in range(self.parts(job)):
            claim = self.take()
            assert claim.lease.job == UUID(job)
            self.finish(claim, values)

    def parts(self, job: str) -> int:
        from storage.jobs import queries

        with self.database.read() as read:
            found = queries.get(read, UUID(job))
        assert found is not None
        return found.parts


def tiles(plan: ArrayPlan, matrix: NDArray[np.floating], part: dict[str, list[int]]) -> Iterator[TileData]:
    """The tiles of `matrix` in the block of rows and columns that `part` names."""
    block = Block(*part["rows"], *part["cols"])
    assert plan.tile_rows == plan.tile_cols
    for piece in block.cut(plan.tile_rows, upper=plan.symmetric):
        entries = matrix[piece.row : piece.row_end, piece.col : piece.col_end].astype(plan.dtype)
        yield TileData(plan.name, piece.row // plan.tile_rows, piece.col // plan.tile_cols, entries)


@pytest.fixture
def hand(empty: Database) -> Hand:
    """A worker by hand, on an empty database."""
    return Hand(empty)
