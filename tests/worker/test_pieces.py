"""Parts computed in pieces of any size, in this process: the same tiles, and all of them."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
import torch

from contracts.kernels import KernelSpec
from contracts.settings import MIB
from contracts.tiling import Block
from ntk_engine.architecture import mlp
from storage import arrays
from storage.arrays import TileData
from storage.datasets import Description, Rows, store
from storage.jobs import transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim
from tests.worker.conftest import context_on
from worker import analytic, kernels
from worker.context import Context, find_device, find_piece_bytes

X = np.random.default_rng(3).normal(size=(1500, 6))
Y = np.random.default_rng(4).normal(size=(900, 6))


@pytest.fixture(scope="module")
def context(database_url: str) -> Iterator[Context]:
    with context_on(database_url) as made:
        yield made


def claim(context: Context, *, cross: bool) -> Claim:
    with context.database.begin() as write:
        ids = []
        for name, x in (("1", X), ("2", Y)):
            content = [Rows("x", x.shape, "float64", [x])]
            described = Description(None, {"type": "inline"}, "made here")
            ids.append(store(write, described, content, lambda name=name: name * 32))
        spec = KernelSpec(dataset=ids[0], against=ids[1] if cross else None, architecture=mlp(depth=3))
        job, _ = submit(write, spec, context.settings, "test")
    found = transitions.claim(context.database, "w", "cpu", 60.0)
    assert found is not None
    assert found.lease.job == job
    assert found.parts_total == 1
    return found


def tiles(claimed: Claim, context: Context) -> dict[tuple[str, int, int], np.ndarray]:
    found = (item for item in kernels.run(claimed, context) if isinstance(item, TileData))
    return {(tile.array, tile.row, tile.col): tile.entries.copy() for tile in found}


@pytest.mark.parametrize("cross", [False, True])
def test_pieces_of_several_tiles_hold_the_same(context: Context, cross: bool) -> None:
    claimed = claim(context, cross=cross)
    single = tiles(claimed, context)
    larger = replace(context, piece_bytes=1024 * MIB)
    joined = tiles(claimed, larger)
    assert joined.keys() == single.keys()
    assert len(single) == 2 * (6 if not cross else 3 * 2)
    for key, entries in single.items():
        # Products of another shape sum in another order: 40 ulp, as the engine's own test derives.
        bound = 40 * np.finfo(float).eps * np.abs(entries).max()
        np.testing.assert_allclose(joined[key], entries, rtol=0, atol=bound)
    with context.database.read() as read:
        assert set(arrays.of_job(read, UUID(str(claimed.lease.job)))) == {"ntk", "nngp"}
    transitions.delete(context.database, claimed.lease.job)


@pytest.mark.parametrize(
    ("piece_bytes", "side"),
    [(0, 512), (8 * 16 * 1024**2, 1024), (8 * 16 * 1500**2, 1024), (10**12, 2048), (10**3, 512)],
)
def test_a_piece_is_what_the_memory_holds(piece_bytes: int, side: int) -> None:
    assert analytic.piece_side(piece_bytes, 512, Block(0, 2048, 2048, 4096)) == side


def test_the_device_is_the_one_that_is_there() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device("cuda:1") == torch.device("cuda:1")
    assert analytic.piece_side(find_piece_bytes(torch.device("cpu")), 256, Block(0, 2048, 2048, 4096)) == 512
