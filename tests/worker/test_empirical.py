"""Parts of empirical kernels, in this process: blocks of what the engine computes for the whole matrix."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from contracts.kernels import KernelSpec
from contracts.settings import MIB
from ntk_engine import finite
from ntk_engine.architecture import parse
from storage import arrays
from storage.datasets import Description, Rows, store
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from tests.worker.conftest import context_on
from worker.context import Context
from worker.runner import serve

X = np.random.default_rng(3).normal(size=(300, 4))
Y = np.random.default_rng(4).normal(size=(70, 4))
NETWORK = ["dense", {"type": "residual", "layers": ["erf", "dense"]}, "relu", "dense"]


@pytest.fixture(scope="module")
def context(database_url: str) -> Iterator[Context]:
    # So little memory that the matrix is cut.
    with context_on(database_url, memory_bytes=8 * MIB) as made:
        yield made


def computed(context: Context, *, cross: bool, **fields: Any) -> tuple[int, dict[str, np.ndarray]]:
    """How many parts a job had, and its arrays as stored."""
    with context.database.begin() as write:
        ids = []
        for name, x in (("1", X), ("2", Y)):
            described = Description(None, {"type": "inline"}, "made here")
            ids.append(store(write, described, [Rows("x", x.shape, "float64", [x])], lambda name=name: name * 32))
        dtype = fields.pop("dtype", "float64")
        method = {"type": "empirical", "seed": 5, "width": 30} | fields
        against = ids[1] if cross else None
        spec = KernelSpec(dataset=ids[0], against=against, architecture=NETWORK, method=method, dtype=dtype)
        job, _ = submit(write, spec, context.settings, "test")
    assert not serve(context)
    with context.database.read() as read:
        stored = arrays.of_job(read, job)
        done = queries.get(read, job)
    found = {}
    for name, array in stored.items():
        whole = arrays.block(context.database, array, slice(0, array.plan.rows))
        found[name] = whole.reshape(array.plan.shape)
    transitions.delete(context.database, job)
    assert done is not None
    assert done.state == "succeeded"
    return done.parts, found


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize(("k", "outputs"), [(1, "trace"), (3, "full"), (3, "trace"), (3, 2)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_job_is_what_the_engine_computes(context: Context, cross: bool, k: int, outputs: Any, dtype: str) -> None:
    parts, found = computed(context, cross=cross, n_outputs=k, outputs=outputs, dtype=dtype)
    assert parts > 1
    real = torch.float64 if dtype == "float64" else torch.float32
    params = finite.init(parse(NETWORK), 4, k, 5, width=30)
    params = tuple(finite.Weights(*(part.to(real) for part in some)) for some in params)
    x, y = torch.from_numpy(X), torch.from_numpy(Y) if cross else None
    expected = finite.kernel(parse(NETWORK), params, x, y, outputs=outputs)
    assert set(found) == {"ntk", "nngp"}
    for name, matrix in found.items():
        whole = expected.arrays[name].numpy()
        assert (matrix.shape, matrix.dtype) == (whole.shape, whole.dtype)
        # Sums over 30 neurons and three layers in another order.
        np.testing.assert_allclose(matrix, whole, rtol=0, atol=50 * np.finfo(dtype).eps * np.abs(whole).max())
        if not cross:
            np.testing.assert_array_equal(matrix, matrix.transpose(1, 0, *range(2, matrix.ndim)[::-1]))


def test_equal_jobs_have_equal_bits_and_seeds_matter(context: Context) -> None:
    (_, first), (_, again), (_, other) = (computed(context, cross=False, seed=seed) for seed in (1, 1, 2))
    for name, matrix in first.items():
        np.testing.assert_array_equal(matrix, again[name])
        assert not np.array_equal(matrix, other[name])
