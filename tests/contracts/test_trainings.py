"""Training jobs: what is recorded when, how they are cut, and what is refused."""

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.canonical import canonical_json
from contracts.plan import ArrayPlan, Plan, References
from contracts.problems import ProblemError
from contracts.recording import Schedule
from contracts.settings import MIB, Settings
from contracts.trainings import TrainingSpec

ONE, TWO, JOB = "1" * 32, "2" * 32, "00000000-0000-4000-8000-000000000000"
THETA, BEFORE = "3" * 32, "00000000-0000-4000-8000-000000000001"
PARAMETERS = 3 * 50 + 2 * 51 * 50 + 51
ASKED = {
    "dataset": ONE,
    "architecture": {"type": "mlp", "depth": 4, "width": 50},
    "learning_rate": 1.0,
    "steps": 1000,
}


def spec(**fields: Any) -> TrainingSpec:
    return TrainingSpec(**(ASKED | fields))


def plan(points: int = 100, outputs: int = 1, limits: Settings | None = None, **fields: Any) -> Plan:
    datasets = {
        ONE: {
            "x": ArrayPlan("x", (points, 2), "float64", points, 2),
            "y": ArrayPlan("y", (points, outputs), "float64", points, outputs),
        },
        TWO: {"x": ArrayPlan("x", (7, 3), "float64", 7, 3)},
    }
    vectors = ArrayPlan("eigenvectors", (points, 3), "float64", points, 3)
    before = ArrayPlan("parameters", (2, PARAMETERS), "float64", 1, PARAMETERS)
    datasets[THETA] = {"x": ArrayPlan("x", (2, PARAMETERS), "float64", 2, PARAMETERS)}
    jobs = {JOB: {"eigenvectors": vectors}, BEFORE: {"parameters": before}}
    earlier = spec(seeds=[4, 5], record={"parameters": {"at": [7]}}).explicit()
    specs = {JOB: ("spectra", {}), BEFORE: ("trainings", earlier)}
    return spec(**fields).plan(References(datasets, jobs, specs), limits or Settings())


@pytest.mark.parametrize(
    ("schedule", "last", "steps"),
    [
        ({"every": 3}, 7, (0, 3, 6)),
        ({"at": [5, 0, 5, 9]}, 7, (0, 5)),
        ({"log": 4}, 1000, (0, 1, 10, 100, 1000)),
        ({"log": 1}, 8, (0, 1, 8)),
        ({"log": 5}, 0, (0,)),
    ],
)
def test_schedules(schedule: dict[str, Any], last: int, steps: tuple[int, ...]) -> None:
    assert tuple(Schedule(**schedule).steps(last)) == steps


def test_a_spec_survives_being_stored() -> None:
    made = spec(
        cost={"type": "direction", "starts": [0, 10]},
        record={"outputs": {"log": 5, "on": TWO}, "projections": {"every": 10, "components": JOB}},
        ensemble={},
        tolerance=1e-3,
    )
    again = TrainingSpec.model_validate(json.loads(canonical_json(made.explicit())))
    assert again == made
    assert again.explicit() == made.explicit()
    assert spec(cost="huber").explicit() == spec(cost={"type": "huber", "delta": 1.0}).explicit()
    assert spec().datasets() == {"/dataset": ONE}
    assert made.datasets() == {"/dataset": ONE, "/record/outputs/on": TWO}
    assert made.jobs() == {"/record/projections/components": JOB}
    assert spec(trained={"training": BEFORE}).jobs() == {"/trained/training": BEFORE}
    assert spec(uploaded={"dataset": THETA}).datasets() == {"/dataset": ONE, "/uploaded/dataset": THETA}


def test_parts_are_chains_and_every_step_is_in_one() -> None:
    found = plan(steps=20_000, seeds=list(range(30)), record={"outputs": {"every": 100}}, ensemble={})
    chains: dict[int, list[tuple[int, list[int]]]] = {}
    for index, part in enumerate(found.parts):
        if "statistics" in part.spec:
            # Behind all groups of its steps.
            of = [found.parts[other].spec for other in part.after]
            assert all(other["steps"] == part.spec["statistics"] for other in of)
            assert sum(end - first for first, end in (other["networks"] for other in of)) == 30
            continue
        first, _ = part.spec["networks"]
        chain = chains.setdefault(first, [])
        assert part.after == ((chain[-1][0],) if chain else ())
        chain.append((index, part.spec["steps"]))
    for chain in chains.values():
        edges = [steps for _, steps in chain]
        assert [edges[0][0], edges[-1][1]] == [0, 20_000]
        assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
        # What a part costs lies in whole tiles.
        cost = next(array for array in found.arrays if array.name == "cost")
        assert all(start % cost.tile_cols == 0 for start, _ in edges)


def test_arrays_have_the_shapes_that_they_should() -> None:
    record = {name: {"at": [0, 500]} for name in ("outputs", "kernel", "drift", "movement", "parameters")} | {
        "projections": {"every": 250, "components": JOB}
    }
    shapes = {array.name: array.shape for array in plan(10, 3, seeds=[0, 1], momentum=0.5, record=record).arrays}
    parameters = 3 * 50 + 2 * 51 * 50 + 51 * 3
    assert shapes == {
        "cost": (2, 1001),
        "endings": (2, 2),
        "largest_rate": (2,),
        "kept": (4,),
        "parameters": (2, parameters),
        "velocity": (2, parameters),
        "outputs": (2, 2, 10, 3),
        "kernel": (2, 2, 10, 10),
        "kernel_drift": (2, 2),
        "parameter_drift": (2, 2, 4),
        "movement": (2, 2, 4),
        "parameters_at": (2, 2, parameters),
        "projections": (2, 5, 3, 3),
    } | {f"{name}_steps": (2,) for name in record if name != "projections"} | {"projections_steps": (5,)}


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"steps": -1},
        {"seeds": []},
        {"seeds": [1, 1]},
        {"seeds": [-1]},
        {"cost": "what"},
        {"cost": {"type": "huber", "delta": 0}},
        {"cost": {"type": "direction", "starts": [1]}},
        {"cost": {"type": "direction", "starts": [0, 5, 3]}},
        {"architecture": {"type": "mlp", "depth": 4, "width": 0}},
        {"momentum": 1.0},
        {"weight_decay": -0.1},
        {"batch_size": 0},
        {"record": {"outputs": {}}},
        {"record": {"outputs": {"every": 1, "log": 3}}},
        {"record": {"everything": {"every": 1}}},
        {"ensemble": {"quantiles": [1.2]}},
        {"trained": {"training": BEFORE}, "seeds": [0, 1]},
        {"uploaded": {"dataset": THETA}, "seeds": [0, 1]},
        {"uploaded": {"dataset": THETA}, "trained": {"training": BEFORE}},
        {"uploaded": {"dataset": THETA, "row": -1}},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(**change)
    assert refused.value.errors()[0]["loc"][0] == next(iter(change))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"dataset": TWO}, "/dataset"),
        ({"architecture": {"type": "mlp", "depth": 4}}, "/architecture"),
        ({"architecture": {"type": "mlp", "depth": 4, "width": 100_000}}, "/architecture"),
        ({"architecture": {"type": "mlp", "depth": 4, "width": 10**400}}, "/architecture"),
        ({"architecture": {"type": "mlp", "depth": 10**400, "width": 5}}, "/architecture/depth"),
        ({"cost": "cross_entropy"}, "/cost"),
        ({"cost": {"type": "direction", "starts": [0, 5]}}, "/cost"),
        ({"record": {"outputs": {"every": 1, "on": TWO}}}, "/record/outputs/on"),
        ({"record": {"outputs": {"at": [1001]}}}, "/record/outputs/at"),
        ({"record": {"outputs": {"every": 1}}, "seeds": list(range(500))}, "/record/outputs"),
        ({"record": {"kernel": {"every": 500}}, "points": 3000}, "/record/kernel"),
        ({"record": {"kernel": {"every": 500}}, "points": 1000, "seeds": list(range(60)), "ensemble": {}}, "/ensemble"),
        ({"record": {"projections": {"every": 1, "components": JOB}}, "points": 5000}, None),
        ({"uploaded": {"dataset": THETA, "row": 1}}, None),
        ({"uploaded": {"dataset": THETA, "row": 2}}, "/uploaded/row"),
        ({"uploaded": {"dataset": TWO}}, "/uploaded/dataset"),
        ({"trained": {"training": BEFORE, "seed": 5, "step": 7}}, None),
        ({"trained": {"training": BEFORE, "seed": 6}}, "/trained/seed"),
        ({"trained": {"training": BEFORE, "seed": 5, "step": 8}}, "/trained/step"),
        ({"trained": {"training": BEFORE, "seed": 5}, "outputs": 2}, "/trained/training"),
        ({"trained": {"training": JOB}}, "/trained/training"),
        ({"trained": {"training": BEFORE}, "architecture": {"depth": 3, "width": 50}}, "/architecture"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(change: dict[str, Any], pointer: str | None) -> None:
    if pointer is None:
        plan(**change)
        return
    with pytest.raises(ProblemError) as refused:
        plan(**change)
    assert [fault.pointer for fault in refused.value.problem.errors or ()] == [pointer]


def test_steps_are_counted_and_not_listed() -> None:
    fields = ("outputs", "kernel", "drift", "movement", "parameters")
    tracemalloc.start()
    with pytest.raises(ProblemError, match="too often"):
        plan(1, architecture=[{"type": "dense"}], steps=10**8, record={name: {"every": 1} for name in fields})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


def test_a_small_worker_takes_no_large_network() -> None:
    with pytest.raises(ProblemError, match="memory_bytes") as refused:
        plan(limits=Settings(memory_bytes=64 * MIB), architecture={"type": "mlp", "depth": 4, "width": 1100})
    assert refused.value.problem.figures is not None
    plan(limits=Settings(memory_bytes=1024 * MIB), architecture={"type": "mlp", "depth": 4, "width": 2000})


def test_a_part_records_no_more_than_a_worker_holds() -> None:
    """A kernel of 8 MB at every step, which are made in no time: parts are as short as a quarter of the memory asks."""
    record = {"kernel": {"every": 1, "on": None}}
    found = plan(points=1000, steps=100, record=record, architecture={"type": "mlp", "depth": 2, "width": 2})
    for part in found.parts:
        start, end = part.spec["steps"]
        assert (end - start + 1) * 16 * 10**6 <= Settings().memory_bytes // 4
    assert found.memory_bytes <= Settings().memory_bytes
    assert found.work == 100


@pytest.mark.parametrize(("seeds", "alone"), [([1], True), (list(range(40)), False)])
def test_the_parts_of_one_chain_run_alone(seeds: list[int], alone: bool) -> None:
    found = plan(steps=20_000, seeds=seeds, points=500)
    assert len(found.parts) > 1
    assert {part.spec["alone"] for part in found.parts} == {alone}


def test_statistics_are_no_steps() -> None:
    found = plan(steps=50, seeds=[1, 2], record={"outputs": {"every": 10}}, ensemble={})
    assert found.work == 100
