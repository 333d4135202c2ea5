"""Kernel jobs of one finite network: identity, faults, shapes, and what they are said to cost."""

import json

import pytest
from pydantic import ValidationError

from contracts.canonical import canonical_json
from contracts.kernels import KernelSpec
from contracts.plan import SECONDS_PER_STORED_BYTE, ArrayPlan, Plan, References
from contracts.problems import ProblemError
from contracts.settings import GIB, MIB, Settings
from ntk_engine.architecture import mlp

ONE, TWO = "1" * 32, "2" * 32
METHOD = {"type": "empirical", "width": 50, "n_outputs": 3}


def spec(
    architecture: object = None, against: str | None = None, dtype: str = "float64", **method: object
) -> KernelSpec:
    network = architecture or mlp(3)
    return KernelSpec(dataset=ONE, against=against, architecture=network, method=METHOD | method, dtype=dtype)


def plan(n: int, d: int = 4, *, m: int | None = None, limits: Settings | None = None, **fields: object) -> Plan:
    datasets = {
        name: {"x": ArrayPlan("x", (count, d), "float64", count, d)} for name, count in ((ONE, n), (TWO, m or 1))
    }
    made = spec(against=None if m is None else TWO, **fields)
    return made.plan(References(datasets), limits or Settings())


def test_shapes() -> None:
    for outputs, further in (("full", (3, 3)), ("trace", ()), (2, ())):
        for m in (None, 7):
            arrays = plan(10, m=m, outputs=outputs).arrays
            assert [array.name for array in arrays] == ["ntk", "nngp"]
            assert all(array.shape == (10, m or 10, *further) for array in arrays)
            assert all(array.symmetric is (m is None and not further) for array in arrays)
            assert all(array.tile_cols == array.tile_rows * (9 if further else 1) for array in arrays)


def test_the_identity() -> None:
    """Widths, seeds and outputs are part of it; defaults are spelled out."""
    one = KernelSpec(dataset=ONE, architecture=mlp(3), method="empirical")
    default = {"type": "empirical", "seed": 0, "width": 512, "n_outputs": 1, "outputs": "trace"}
    assert one == KernelSpec(dataset=ONE, architecture=mlp(3), method=default)
    made = [spec(), spec(seed=1), spec(width=51), spec(n_outputs=4), spec(outputs="full"), spec(outputs=0)]
    made += [spec(mlp(3, width=7)), KernelSpec(dataset=ONE, architecture=mlp(3))]
    assert len({canonical_json(some.explicit()) for some in made}) == len(made)
    for some in made:
        again = KernelSpec.model_validate(json.loads(canonical_json(some.explicit())))
        assert again == some
        assert again.explicit() == some.explicit()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"width": 0}, "width"),
        ({"width": 2.5}, "width"),
        ({"n_outputs": 0}, "n_outputs"),
        ({"n_outputs": 1001}, "n_outputs"),
        ({"outputs": 3}, "outputs"),
        ({"outputs": -1}, "outputs"),
        ({"outputs": "all"}, "outputs"),
        ({"outputs": True}, "outputs"),
        ({"seed": -1}, "seed"),
        ({"draws": 10}, "draws"),
    ],
)
def test_bad_fields_are_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(**change)
    assert {error["loc"][:3] for error in refused.value.errors()} == {("method", "empirical", field)}


@pytest.mark.parametrize(
    ("fields", "pointer", "figure"),
    [
        ({"architecture": mlp(10_001)}, "/architecture/depth", "depth"),
        ({"width": 100_000}, "/architecture", "parameters"),
        ({"architecture": mlp(3, width=10**400)}, "/architecture", "parameters"),
        ({"n_outputs": 1000, "outputs": "full", "n": 10_000}, "/method", "largest_array_bytes"),
        ({"width": 5000, "limits": Settings(max_job_seconds=0.1)}, "/method", "seconds"),
    ],
)
def test_too_large_a_job_is_refused_with_figures(fields: dict[str, object], pointer: str, figure: str) -> None:
    with pytest.raises(ProblemError) as refused:
        plan(**({"n": 100} | fields))  # type: ignore[arg-type]
    assert refused.value.problem.type == "/problems/too-large"
    assert refused.value.problem.errors[0].pointer == pointer
    assert refused.value.problem.figures is not None
    assert figure in refused.value.problem.figures


def test_a_network_that_cannot_be_is_refused() -> None:
    with pytest.raises(ProblemError) as refused:
        plan(3, architecture=["dense", "relu", {"type": "dense", "width": 2}])
    assert refused.value.problem.errors[0].pointer == "/architecture"
    assert "contradict" in refused.value.problem.detail


def test_parts_keep_to_the_memory_and_are_few() -> None:
    thin, usual = plan(2000, limits=Settings(memory_bytes=64 * MIB)), plan(2000, limits=Settings(memory_bytes=GIB))
    assert len(thin.parts) == 10
    assert len(usual.parts) == 1
    assert thin.memory_bytes < 64 * MIB
    full = plan(2000, limits=Settings(memory_bytes=GIB), n_outputs=10, outputs="full")
    # Tiles are of whole rows of blocks, and no larger than others.
    assert full.arrays[0].tile_rows * full.arrays[0].tile_cols <= 512**2
    assert full.memory_bytes < GIB


@pytest.mark.parametrize(
    ("n", "d", "depth", "width", "k", "outputs", "dtype", "measured"),
    [
        (512, 784, 4, 512, 1, "trace", "float64", 0.079),
        (512, 784, 4, 512, 1, "trace", "float32", 0.055),
        (512, 784, 4, 512, 10, "full", "float64", 1.20),
        (512, 784, 4, 512, 10, "trace", "float64", 0.29),
        (128, 784, 4, 2048, 10, "full", "float32", 0.57),
        (512, 784, 4, 2048, 1, 0, "float64", 0.70),
        (50, 3, 30, 100, 2, "full", "float64", 0.018),
        (1000, 784, 5, 1000, 1, "trace", "float64", 0.50),
    ],
)
def test_a_job_is_said_to_take_what_it_was_seen_to_take(
    n: int, d: int, depth: int, width: int, k: int, outputs: str | int, dtype: str, measured: float
) -> None:
    # On one core that others used too, without storing; an estimate is good for the limits and for what is left.
    made = plan(n, d, architecture=mlp(depth), width=width, n_outputs=k, outputs=outputs, dtype=dtype)
    computed = made.seconds - sum(array.stored_bytes for array in made.arrays) * SECONDS_PER_STORED_BYTE
    assert measured / 2 < computed < 2 * measured


@pytest.mark.parametrize("architecture", [{"depth": 10**400}, ["dense", "relu", {"type": "dense", "width": 2}]])
def test_parameters_of_a_network_that_there_cannot_be(architecture: object) -> None:
    """It is refused before its parameters are counted."""
    with pytest.raises(ProblemError) as refused:
        plan(10, architecture=architecture, uploaded={"dataset": ONE})
    assert refused.value.problem.errors[0].pointer.startswith("/architecture")
