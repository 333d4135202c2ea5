"""The planner: every entry in exactly one part, parts within their time and memory, and no to what is too large."""

import json
from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.canonical import canonical_json, digest
from contracts.kernels import KernelSpec
from contracts.plan import ITEM_BYTES, ArrayPlan, Plan, References
from contracts.problems import KINDS, ProblemError
from contracts.registry import SPECS
from contracts.settings import GIB, MIB, Settings
from contracts.spectra import SpectrumSpec
from contracts.spectrum_plan import tile_of
from contracts.tiling import (
    LONGEST_PART_SECONDS,
    PART_SECONDS,
    SECONDS_PER_ENTRY_AND_LAYER,
    SECONDS_PER_EXPECTATION,
    SECONDS_PER_TABLE,
    SMALLEST_TILE,
    Block,
    tiling,
)
from ntk_engine.architecture import Evaluation, mlp

ONE, TWO = "1" * 32, "2" * 32
LIMITS = Settings()


def points(n: int, d: int) -> dict[str, ArrayPlan]:
    return {"x": ArrayPlan("x", (n, d), "float64", max(1, n), d)}


def plan(n: int, d: int = 4, *, m: int | None = None, limits: Settings = LIMITS, **fields: object) -> Plan:
    datasets = {ONE: points(n, d)} | ({} if m is None else {TWO: points(m, d)})
    spec = {"dataset": ONE, "against": None if m is None else TWO, "architecture": mlp(depth=3)} | fields
    return KernelSpec(**spec).plan(References(datasets), limits)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 3000), m=st.none() | st.integers(1, 3000), depth=st.sampled_from([1, 5, 100, 3000]))
def test_parts_cover_every_entry_once(n: int, m: int | None, depth: int) -> None:
    made = plan(n, m=m, architecture=mlp(depth=depth))
    tile = made.arrays[0].tile_rows
    covered = np.zeros((n, m or n), dtype=np.int8)
    for part in made.parts:
        block = Block(*part.spec["rows"], *part.spec["cols"])
        pieces = list(block.cut(tile, upper=m is None))
        assert part.work == sum(piece.entries for piece in pieces)
        for piece in pieces:
            assert piece.row % tile == piece.col % tile == 0
            covered[piece.row : piece.row_end, piece.col : piece.col_end] += 1
    if m is None:
        rows, cols = np.indices(covered.shape) // tile
        assert (covered == (cols >= rows)).all()
    else:
        assert (covered == 1).all()


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 10**6),
    d=st.integers(1, 10**5),
    layers=st.integers(1, 10**5),
    memory=st.sampled_from([256 * MIB, GIB, 8 * GIB]),
    dtype=st.sampled_from(["float64", "float32"]),
    tables=st.sampled_from([0.0, 0.3, 30.0]),
)
def test_parts_keep_to_their_time_and_memory_where_a_tile_can(
    n: int, d: int, layers: int, memory: int, dtype: str, tables: float
) -> None:
    cut = tiling(n, d, layers * SECONDS_PER_ENTRY_AND_LAYER, 2, dtype, memory, tables)
    assert cut.part % cut.tile == 0
    if cut.tile > SMALLEST_TILE or cut.part > cut.tile:
        assert cut.part**2 * cut.entry_seconds <= min(PART_SECONDS + 3 * tables, LONGEST_PART_SECONDS)
        assert cut.part_bytes <= memory // 4


def test_a_large_gram_matrix_stores_one_triangle_and_streams_in_narrow_panels() -> None:
    made = plan(20_000, 784, kernels=["ntk"])
    array = made.arrays[0]
    assert array.tile_rows * array.cols * ITEM_BYTES[array.dtype] <= 64 * MIB
    assert array.stored_bytes < 0.51 * 20_000**2 * 8
    assert made.memory_bytes < GIB // 4


@pytest.mark.parametrize(
    ("n", "fields", "limits", "figure"),
    [
        (10**7, {}, LIMITS, "largest_array_bytes"),
        (60_000, {"architecture": mlp(depth=10_000)}, LIMITS, "seconds"),
        (200, {}, Settings(memory_bytes=1000), "memory_bytes"),
    ],
)
def test_too_large_a_job_is_refused_with_figures(
    n: int, fields: dict[str, object], limits: Settings, figure: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        plan(n, limits=limits, **fields)
    problem = refused.value.problem
    assert problem.type == "/problems/too-large"
    assert problem.figures is not None
    assert problem.figures[figure] > problem.figures["limits"][figure]
    assert [fault.pointer for fault in problem.errors] == ["/dataset"]


@pytest.mark.parametrize("depth", [10**9, 10**400])
def test_no_matrix_is_small_enough_for_endless_layers(depth: int) -> None:
    with pytest.raises(ProblemError) as refused:
        plan(2, architecture=mlp(depth=depth))
    assert refused.value.problem.type == "/problems/too-large"
    assert refused.value.problem.errors[0].pointer == "/architecture/depth"


LONG = [
    ["dense", "relu", {"type": "dense", "width": 9}, "identity", "relu", "dense"],
    {
        "type": "serial",
        "layers": ["flatten", "dense", "relu", "dense", {"type": "activation", "activation": "relu"}, "dense"],
    },
]


BRANCHES = [
    {"type": "dense", "width": 9},
    {"type": "residual", "layers": ["layer_norm", "relu", {"type": "dense", "width": 9}]},
    {"type": "parallel", "branches": [["relu"], ["dense"]], "combine": "concatenate", "weights": [4, 2]},
    {"type": "dropout", "rate": 0.5},
    "dense",
]


@pytest.mark.parametrize("form", LONG)
def test_equal_networks_are_one_job_at_one_price(form: object) -> None:
    short = KernelSpec(dataset=ONE, architecture=mlp(3))
    assert KernelSpec.model_validate({"dataset": ONE, "architecture": form}).explicit() == short.explicit()
    assert plan(1000, architecture=form) == plan(1000, architecture=mlp(3))


def test_every_layer_of_every_branch_costs_time() -> None:
    branch = ["relu", "dense"]
    network = ["dense", {"type": "parallel", "branches": [branch * 500, branch * 500]}]
    assert plan(2000, architecture=network).seconds == pytest.approx(plan(2000, architecture=mlp(1001)).seconds)


SHARP = {"type": "expression", "expression": "z * max(z, 1)"}


@pytest.mark.parametrize(
    ("activation", "how"),
    [
        ("erf", Evaluation.CLOSED),
        ("tanh", Evaluation.TABLES),
        ("softsign", Evaluation.TABLES),
        ("hard_tanh", Evaluation.PIECES),
        ({"type": "expression", "expression": "clip(3*z - 1, -1, 1)"}, Evaluation.PIECES),
        (SHARP, Evaluation.QUADRATURE),
    ],
)
@pytest.mark.parametrize("network", [lambda some: mlp(3, some), lambda some: ["dense", some, "dense", some, "dense"]])
def test_an_activation_has_its_price(activation: object, how: Evaluation, network: Callable[[object], object]) -> None:
    # Of a matrix of few tiles much of what is computed is the other half of those on the diagonal.
    n = 300 if how is Evaluation.QUADRATURE else 3000
    made, relu = plan(n, architecture=network(activation)), plan(n, architecture=mlp(3))
    tables = 2 * SECONDS_PER_TABLE * len(made.parts) if how is Evaluation.TABLES else 0.0
    more = n * (n + 1) / 2 * 2 * SECONDS_PER_EXPECTATION[how] + tables
    # Tiles on the diagonal are computed whole, and of smaller tiles there are more.
    assert more <= made.seconds - relu.seconds + 1e-9 <= 1.3 * more + 0.01 * len(made.parts)


def test_a_slow_activation_has_small_tiles_and_a_table_large_parts() -> None:
    assert plan(3000, architecture=mlp(2, SHARP)).arrays[0].tile_rows == SMALLEST_TILE
    deep = plan(3000, architecture=mlp(6, "tanh"))
    entries = max(part.work for part in deep.parts)
    assert PART_SECONDS < entries * 5 * SECONDS_PER_EXPECTATION[Evaluation.TABLES] <= LONGEST_PART_SECONDS
    # Of two points there are no tables.
    assert plan(2, architecture=mlp(6, "tanh")).seconds < 5 * SECONDS_PER_TABLE


def test_layers_of_a_long_form_can_be_too_many() -> None:
    with pytest.raises(ProblemError) as refused:
        plan(2, architecture=["dense"] * 5000, limits=Settings(max_job_seconds=0.3))
    assert refused.value.problem.type == "/problems/too-large"
    assert refused.value.problem.errors[0].pointer == "/architecture"
    assert refused.value.problem.figures == {"layers": 2500, "limits": {"layers": 2000}}


def test_a_layer_costs_time_however_small_the_matrix() -> None:
    # A call into torch takes some microseconds, and a layer is several of them.
    assert plan(2, architecture=mlp(depth=10**6)).seconds > 10


def test_dimensions_must_agree() -> None:
    references = References({ONE: points(3, 4), TWO: points(3, 5)})
    with pytest.raises(ProblemError) as refused:
        KernelSpec(dataset=ONE, against=TWO, architecture=mlp(depth=2)).plan(references, LIMITS)
    assert refused.value.problem.errors[0].pointer == "/against"


def spectrum(limits: Settings = LIMITS, *, n: int = 100, symmetric: bool = True, **fields: object) -> Plan:
    job = uuid4()
    arrays = {"ntk": ArrayPlan("ntk", (n, n), "float64", 512, 512, symmetric)}
    references = References({}, {str(job): arrays}, {str(job): ("kernels", {})})
    return SpectrumSpec(kernel=job, **fields).plan(references, limits)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [({"top": 101}, "/top"), ({"array": "nngp"}, "/array"), ({"symmetric": False}, "/kernel")],
)
def test_spectra_that_do_not_fit_their_kernel(fields: dict[str, object], pointer: str) -> None:
    with pytest.raises(ProblemError) as refused:
        spectrum(**fields)
    assert refused.value.problem.errors[0].pointer == pointer


def test_a_full_spectrum_beyond_the_memory_is_refused_and_its_top_is_not() -> None:
    with pytest.raises(ProblemError) as refused:
        spectrum(n=20_000)
    assert refused.value.problem.figures is not None
    assert spectrum(n=20_000, top=10, vectors=True).memory_bytes < GIB


@pytest.mark.parametrize(
    ("fields", "measured"),
    [
        ({"n": 2048, "vectors": True}, 201 * MIB),
        ({"n": 3072, "vectors": True}, 423 * MIB),
        ({"n": 2048}, 92 * MIB),
        ({"n": 3072}, 188 * MIB),
        ({"n": 3072, "vectors": True, "top": 10}, 83 * MIB),
        ({"n": 3072, "vectors": True, "top": 300}, 306 * MIB),
    ],
)
def test_a_spectrum_is_said_to_take_what_it_was_seen_to_take(fields: dict[str, object], measured: int) -> None:
    # An estimate below what was measured lets a job in that kills its worker; one far above refuses what fits.
    assert measured <= spectrum(**fields).memory_bytes <= 1.5 * measured


def test_reading_long_rows_costs_time() -> None:
    # Measured: half a second for each of the parts that read two panels of 64 rows of 100,000 numbers, 100 MB.
    made = plan(300, 100_000)
    assert made.seconds > 0.4 * (len(made.parts) - 5)


def test_specs_survive_being_stored() -> None:
    for architecture in ({"type": "mlp", "depth": 3, "activation": "relu", "width": 7}, *LONG, BRANCHES):
        kernel = KernelSpec.model_validate({"dataset": ONE, "architecture": architecture})
        again = SPECS["kernels"].model_validate(json.loads(canonical_json(kernel.explicit())))
        assert again == kernel
        assert again.explicit() == kernel.explicit()
        assert "width" not in canonical_json(kernel.explicit())
    assert set(SPECS) == {"kernels", "spectra", "predictions", "answers", "trainings"}


@pytest.mark.parametrize(
    "change",
    [
        {"kernels": []},
        {"kernels": ["x"]},
        {"dataset": "no"},
        {"dtype": "float16"},
        {"more": 1},
        {"method": {"type": "magic"}},
    ],
)
def test_bad_fields_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KernelSpec(**({"dataset": ONE, "architecture": mlp(depth=2)} | change))


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "n t k", "x" * 1000])
def test_an_array_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValidationError):
        SpectrumSpec(kernel=uuid4(), array=name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_canonical_json_knows_no_order(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(turned) == canonical_json(value)
    assert digest(value) != digest(value | {"one more": 1})


def test_canonical_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_problem_names_are_unique_and_statuses_are_errors() -> None:
    assert len(KINDS) > 15
    assert all(400 <= kind.status < 600 for kind in KINDS.values())


def test_a_top_that_is_nearly_all_is_found_densely() -> None:
    def method(made: Plan) -> str:
        return str(made.parts[0].spec["method"])

    assert method(spectrum(n=4000, top=10)) == "streamed"
    assert method(spectrum(n=4000, top=3600)) == method(spectrum(n=4000)) == "dense"
    assert spectrum(n=4000, top=3600).arrays[0].shape == (3600,)


@pytest.mark.parametrize("shape", [(1, 100_000, 50, 10), (4, 30, 2), (7, 1), (3,), (2000, 300_000)])
def test_tiles_of_projections_hold_no_more_than_others(shape: tuple[int, ...]) -> None:
    """However long a trajectory is; and one tile is enough for a short one."""
    array = ArrayPlan("projections_f", shape, "float64", *tile_of(shape))
    assert array.tile_rows * array.tile_cols <= 2**18
    assert array.stored_tiles <= 2 * (array.rows * array.cols) // 2**18 + array.rows
    if array.rows * array.cols <= 2**18:
        assert array.stored_tiles == 1
