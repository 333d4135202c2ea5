"""Parts of Monte Carlo jobs, in this process: blocks of what the engine estimates for the whole matrix."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.kernels import KernelSpec
from contracts.settings import MIB
from ntk_engine import finite
from ntk_engine.architecture import mlp, parse
from storage.datasets import Description, Rows, store
from storage.jobs import transitions
from storage.jobs.submission import submit
from storage.jobs.transitions import Claim
from tests.worker.conftest import context_on
from worker import kernels
from worker.context import Context

X = np.random.default_rng(3).normal(size=(300, 4))
Y = np.random.default_rng(4).normal(size=(70, 4))
DROPPING = ["dense", "relu", {"type": "dropout", "rate": 0.5}, "dense"]
METHOD = {"type": "monte_carlo", "draws": 20, "width": 30, "seed": 5}
Tiles = dict[tuple[str, int, int], np.ndarray]


@pytest.fixture(scope="module")
def context(database_url: str) -> Iterator[Context]:
    # So little memory that the matrix is cut.
    with context_on(database_url, memory_bytes=256 * MIB) as made:
        yield made


def claims(context: Context, *, cross: bool, dtype: str = "float64") -> list[Claim]:
    with context.database.begin() as write:
        ids = []
        for name, x in (("1", X), ("2", Y)):
            content = [Rows("x", x.shape, "float64", [x])]
            described = Description(None, {"type": "inline"}, "made here")
            ids.append(store(write, described, content, lambda name=name: name * 32))
        against = ids[1] if cross else None
        spec = KernelSpec(dataset=ids[0], against=against, architecture=DROPPING, method=METHOD, dtype=dtype)
        submit(write, spec, context.settings, "test")
    found = []
    while (claim := transitions.claim(context.database, "w", "cpu", 60.0)) is not None:
        found.append(claim)
    return found


def tiles(claim: Claim, context: Context) -> Tiles:
    found = list(kernels.run(claim, context))
    assert found
    return {(tile.array, tile.row, tile.col): tile.entries.copy() for tile in found if tile is not None}


@pytest.mark.parametrize(("cross", "parts"), [(False, 3), (True, 2)])
def test_the_parts_are_blocks_of_the_estimate(context: Context, cross: bool, parts: int) -> None:
    """With dropout: the second dataset's masks are its own, and a Gram matrix has one mask for every input."""
    found = claims(context, cross=cross)
    assert len(found) == parts
    together: Tiles = {}
    for claim in found:
        some = tiles(claim, replace(context, piece_bytes=0))
        assert not together.keys() & some.keys()
        together |= some
    x2 = torch.from_numpy(Y) if cross else None
    estimate = finite.monte_carlo(parse(DROPPING), torch.from_numpy(X), x2, draws=20, width=30, seed=5)
    assert len(together) == 4 * parts
    for (name, row, col), entries in together.items():
        whole = estimate.arrays[name].numpy()
        expected = whole[row * 256 : (row + 1) * 256, col * 256 : (col + 1) * 256]
        # Sums over neurons and draws in another order.
        np.testing.assert_allclose(entries, expected, rtol=0, atol=1e-12 * np.abs(whole).max())
        if not cross and row == col:
            np.testing.assert_array_equal(entries, entries.T)
    transitions.delete(context.database, found[0].lease.job)


def test_a_part_has_the_same_bits_again_and_single_precision_when_asked(context: Context) -> None:
    found = claims(context, cross=False)
    first, again = tiles(found[1], context), tiles(found[1], context)
    transitions.delete(context.database, found[0].lease.job)
    rounded = claims(context, cross=False, dtype="float32")
    single = tiles(rounded[1], context)
    transitions.delete(context.database, rounded[0].lease.job)
    assert first.keys() == again.keys() == single.keys()
    for key, entries in first.items():
        np.testing.assert_array_equal(again[key], entries)
        np.testing.assert_array_equal(single[key], entries.astype(np.float32))


def test_widths_that_are_named_are_those_that_are_drawn(context: Context) -> None:
    with context.database.begin() as write:
        content = [Rows("x", Y.shape, "float64", [Y])]
        dataset = store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: "2" * 32)
        spec = KernelSpec(dataset=dataset, architecture=mlp(2, width=3), method=METHOD, kernels=["nngp"])
        submit(write, spec, context.settings, "test")
    claim = transitions.claim(context.database, "w", "cpu", 60.0)
    assert claim is not None
    found = tiles(claim, context)
    transitions.delete(context.database, claim.lease.job)
    expected = finite.monte_carlo(mlp(2, width=3), torch.from_numpy(Y), draws=20, seed=5, kernels=["nngp"])
    assert {name for name, _, _ in found} == {"nngp", "nngp_standard_error"}
    np.testing.assert_array_equal(found["nngp", 0, 0], expected.nngp.numpy())
