"""Kernel jobs by Monte Carlo: identity, faults, and what they are said to cost."""

import json

import pytest
from pydantic import ValidationError

from contracts.canonical import canonical_json
from contracts.kernels import KernelSpec
from contracts.plan import ArrayPlan, Plan, References
from contracts.problems import ProblemError
from contracts.settings import GIB, MIB, Settings
from ntk_engine.architecture import mlp

ONE, TWO = "1" * 32, "2" * 32
METHOD = {"type": "monte_carlo", "draws": 100, "width": 50}


def spec(architecture: object = None, against: str | None = None, **method: object) -> KernelSpec:
    return KernelSpec(dataset=ONE, against=against, architecture=architecture or mlp(3), method=METHOD | method)


def plan(n: int, d: int = 4, *, m: int | None = None, limits: Settings | None = None, **fields: object) -> Plan:
    datasets = {
        name: {"x": ArrayPlan("x", (count, d), "float64", count, d)} for name, count in ((ONE, n), (TWO, m or 1))
    }
    made = spec(against=None if m is None else TWO, **fields)
    return made.plan(References(datasets), limits or Settings())


def test_the_arrays_come_with_their_errors() -> None:
    names = [array.name for array in plan(10).arrays]
    assert names == ["ntk", "nngp", "ntk_standard_error", "nngp_standard_error"]
    assert all(array.symmetric and array.shape == (10, 10) for array in plan(10).arrays)
    assert [array.shape for array in plan(10, m=7).arrays] == [(10, 7)] * 4
    only = KernelSpec(dataset=ONE, architecture=mlp(3), kernels=["nngp"], method=METHOD)
    assert only.method.arrays(list(only.kernels)) == ["nngp", "nngp_standard_error"]


def test_widths_are_part_of_the_identity() -> None:
    """Of drawn networks, and not of those in the limit."""
    texts = {canonical_json(spec(mlp(3, width=width)).explicit()) for width in (None, 7, 8)}
    assert len(texts) == 3
    limit = {canonical_json(KernelSpec(dataset=ONE, architecture=mlp(3, width=width)).explicit()) for width in (7, 8)}
    assert len(limit) == 1


def test_equal_networks_are_one_job_and_survive_being_stored() -> None:
    short, long = spec(mlp(2, width=7)), spec([{"type": "dense", "width": 7}, "identity", "relu", "dense"])
    assert short.explicit() == long.explicit()
    skip = ["dense", {"type": "residual", "layers": ["relu", {"type": "dense", "width": 9}]}, "dense"]
    for made in (short, spec(skip), spec(seed=5)):
        again = KernelSpec.model_validate(json.loads(canonical_json(made.explicit())))
        assert again == made
        assert again.explicit() == made.explicit()
    assert spec(seed=1).explicit() != spec(seed=2).explicit() != spec(seed=2, draws=101).explicit()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"draws": 1}, "draws"),
        ({"draws": 10**6 + 1}, "draws"),
        ({"draws": 2.5}, "draws"),
        ({"draws": True}, "draws"),
        ({"width": 0}, "width"),
        ({"width": 10**4 + 1}, "width"),
        ({"width": None}, "width"),
        ({"seed": -1}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_fields_are_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(**change)
    assert [error["loc"] for error in refused.value.errors()] == [("method", "monte_carlo", field)]


def test_its_name_alone_is_the_method_with_its_defaults() -> None:
    named = KernelSpec(dataset=ONE, architecture=mlp(3), method="monte_carlo")
    assert named == KernelSpec(
        dataset=ONE, architecture=mlp(3), method={"type": "monte_carlo", "draws": 1000, "width": 512, "seed": 0}
    )


def test_a_network_that_cannot_be_is_refused() -> None:
    beside = {"type": "parallel", "combine": "concatenate", "branches": [["relu"], []], "weights": [1, 2]}
    with pytest.raises(ProblemError) as refused:
        plan(3, architecture=["dense", beside, "dense"])
    assert refused.value.problem.errors[0].pointer == "/architecture"
    assert "contradict" in refused.value.problem.detail


@pytest.mark.parametrize(
    ("fields", "pointer", "figure"),
    [
        ({"architecture": mlp(10_001)}, "/architecture/depth", "depth"),
        ({"architecture": mlp(10**400)}, "/architecture/depth", "depth"),
        ({"architecture": mlp(3, width=10**400)}, "/architecture", "parameters"),
        ({"width": 10_000}, "/architecture", "parameters"),
        ({"width": 3000, "draws": 10**6}, "/method", "seconds"),
    ],
)
def test_too_large_a_job_is_refused_with_figures(fields: dict[str, object], pointer: str, figure: str) -> None:
    with pytest.raises(ProblemError) as refused:
        plan(100, **fields)
    assert refused.value.problem.type == "/problems/too-large"
    assert refused.value.problem.errors[0].pointer == pointer
    assert refused.value.problem.figures is not None
    assert figure in refused.value.problem.figures


def test_parts_keep_to_the_memory_and_are_few() -> None:
    """Every part draws all networks and passes its rows through them, so blocks are no smaller than they must be."""
    thin, usual = plan(2000, limits=Settings(memory_bytes=256 * MIB)), plan(2000)
    assert (len(thin.parts), thin.arrays[0].tile_rows) == (36, 256)
    assert (len(usual.parts), usual.arrays[0].tile_rows) == (10, 512)
    assert thin.memory_bytes < 256 * MIB // 4
    assert thin.seconds > usual.seconds
    # Where drawing is nearly all, four parts in one are a quarter of the work.
    assert len(plan(1024, width=2000, limits=Settings(memory_bytes=4 * GIB)).parts) == 1


@pytest.mark.parametrize(
    ("n", "d", "depth", "width", "measured"),
    [
        (100, 2, 4, 8, 0.00096),
        (512, 784, 3, 64, 0.038),
        (512, 784, 4, 500, 0.17),
        (20, 2, 4, 1000, 0.062),
        (100, 10, 4, 2000, 0.44),
        (50, 3, 30, 100, 0.018),
    ],
)
def test_a_draw_is_said_to_take_what_it_was_seen_to_take(
    n: int, d: int, depth: int, width: int, measured: float
) -> None:
    # On one core that others used too; an estimate is good for the limits and for the seconds that are left.
    made = plan(n, d, architecture=mlp(depth), draws=10_000, width=width)
    assert len(made.parts) == 1
    assert measured / 2 < made.seconds / 10_000 < 2 * measured
