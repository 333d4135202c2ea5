"""Training jobs: a chain of parts leaves what one go leaves, to the last bit, whoever dies in between."""

import os
import signal
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import psutil
import pytest
import torch

from contracts import training_plan, training_prices
from contracts.jobs import State
from contracts.trainings import TrainingSpec
from ntk_engine import finite
from ntk_engine.finite import Descent, Ending, Rule, follow
from storage import arrays
from storage.database import Database
from storage.datasets import Description, Rows, store
from storage.jobs import queries, transitions
from storage.jobs.submission import submit
from tests.worker.conftest import System, context_on
from worker import training_records
from worker.context import Context
from worker.runner import run_part

X = np.random.default_rng(3).normal(size=(20, 4))
Y = np.random.default_rng(4).normal(size=(20, 2))
NETWORK = {"type": "mlp", "depth": 3, "width": 12}
SPEC = {
    "architecture": NETWORK,
    "learning_rate": 0.5,
    "steps": 50,
    "seeds": [4, 7, 1],
    "record": {
        "outputs": {"every": 10},
        "kernel": {"at": [0, 33, 50]},
        "drift": {"log": 4},
        "movement": {"at": [7]},
        "parameters": {"at": [25]},
    },
    "ensemble": {"quantiles": [0.5]},
}


@pytest.fixture(scope="module")
def context(database_url: str) -> Iterator[Context]:
    with context_on(database_url) as made:
        yield made


def dataset(database: Database, y: np.ndarray = Y, identity: str = "1" * 32) -> str:
    x = X[: len(y)]
    with database.begin() as write:
        content = [Rows("x", x.shape, "float64", [x]), Rows("y", y.shape, "float64", [y])]
        return store(write, Description(None, {"type": "inline"}, "made here"), content, lambda: identity)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few steps, of one network each."""
    monkeypatch.setattr(training_plan, "PART_SECONDS", 2e-3)
    monkeypatch.setattr(training_prices, "looped", lambda *_: False)
    monkeypatch.setattr(training_plan, "CHECKPOINTS", 0)
    monkeypatch.setattr(training_plan, "GROUP_SECONDS", 0.0)


def submitted(context: Context, **fields: object) -> UUID:
    with context.database.begin() as write:
        spec = TrainingSpec(**(SPEC | {"dataset": dataset(context.database)} | fields))
        return submit(write, spec, context.settings, "test")[0]


def computed(context: Context, job: UUID) -> dict[str, np.ndarray]:
    """All arrays, after all parts were run here; the job is gone then."""
    while (claim := transitions.claim(context.database, "w", "cpu", 60.0)) is not None:
        run_part(claim, context)
    with context.database.read() as read:
        done = queries.get(read, job)
        stored = arrays.of_job(read, job)
    assert done is not None
    assert done.state is State.SUCCEEDED, done.error
    found = {
        name: arrays.block(context.database, item, slice(0, item.plan.rows)).reshape(item.plan.shape)
        for name, item in stored.items()
    }
    transitions.delete(context.database, job)
    return found


@pytest.mark.parametrize("rule", [{}, {"momentum": 0.8}, {"batch_size": 6, "weight_decay": 0.01}])
@pytest.mark.usefixtures("short_parts")
def test_a_chain_of_parts_is_one_training(context: Context, rule: dict[str, float]) -> None:
    job = submitted(context, **rule)
    with context.database.read() as read:
        found = queries.get(read, job)
    assert found is not None
    assert found.parts > 9
    got = computed(context, job)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    arch = TrainingSpec(dataset="1" * 32, **SPEC).architecture
    torch.set_num_threads(1)
    for number, seed in enumerate([4, 7, 1]):
        weights = finite.weights(arch, 4, 2, [seed])
        kept = finite.flattened(weights)
        spec = TrainingSpec(dataset="1" * 32, **SPEC, **rule)
        descent = Descent(arch, weights, x, y, spec.cost, Rule(learning_rate=0.5, **rule), [seed])
        run = follow(descent, 50)
        np.testing.assert_array_equal(got["cost"][number], run.cost[0])
        np.testing.assert_array_equal(got["parameters"][number], finite.flattened(run.weights)[0])
        assert not np.array_equal(got["parameters_at"][number, 0], kept[0])
        f = finite.apply(arch, run.parameters, x)[0]
        np.testing.assert_array_equal(got["outputs"][number, -1], f)
    assert got["outputs_steps"].tolist() == [0, 10, 20, 30, 40, 50]
    assert got["endings"].tolist() == [[0, 50]] * 3
    assert got["kept"].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(got["kernel_drift"][:, 0], 0.0)
    drift = got["kernel"][:, 2] - got["kernel"][:, 0]
    expected = np.linalg.norm(drift, axis=(1, 2)) / np.linalg.norm(got["kernel"][:, 0], axis=(1, 2))
    np.testing.assert_allclose(got["kernel_drift"][:, -1], expected, rtol=1e-13)
    np.testing.assert_allclose(got["outputs_mean"], got["outputs"].mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(got["kernel_quantiles"][:, 0], np.median(got["kernel"], axis=0), rtol=1e-14)


@pytest.mark.parametrize("more", [{"centred": True}, {"expansion": 2}])
@pytest.mark.usefixtures("short_parts")
def test_a_network_that_began_as_it_was_told_may_end_early(context: Context, more: dict[str, object]) -> None:
    """The parts after its end have no network to look back at."""
    arch = TrainingSpec(dataset="1" * 32, **SPEC).architecture
    theta = finite.flattened(finite.weights(arch, 4, 2, [8]))
    with context.database.begin() as write:
        rows = Rows("x", tuple(theta.shape), "float64", [theta.numpy()])
        given = store(write, Description(None, {"type": "inline"}, "made here"), [rows], lambda: "e" * 32)
    asked = {"uploaded": {"dataset": given}, "seeds": [3], "record": {"outputs": {"at": [0, 50]}}, "ensemble": None}
    got = computed(context, submitted(context, **asked, tolerance=1e6, **more))
    assert got["endings"].tolist() == [[float(Ending.TOLERANCE), 0.0]]
    np.testing.assert_array_equal(got["parameters"], theta)


@pytest.mark.parametrize("more", [{}, {"centred": True}, {"expansion": 1}])
@pytest.mark.usefixtures("short_parts")
def test_a_chain_begins_with_the_parameters_that_are_given(context: Context, more: dict[str, object]) -> None:
    """Whatever part looks back at θ_0: against the engine, from the numbers of a dataset's second row."""
    arch = TrainingSpec(dataset="1" * 32, **SPEC).architecture
    theta = finite.flattened(finite.weights(arch, 4, 2, [8, 9]))
    with context.database.begin() as write:
        rows = Rows("x", tuple(theta.shape), "float64", [theta.numpy()])
        given = store(write, Description(None, {"type": "inline"}, "made here"), [rows], lambda: "c" * 32)
    record = {"outputs": {"at": [0, 50]}, "parameters": {"at": [0]}}
    record |= {} if more.get("expansion") else {"drift": {"at": [0, 50]}}
    asked = {"uploaded": {"dataset": given, "row": 1}, "seeds": [3], "record": record, "ensemble": None}
    job = submitted(context, **asked, **more)
    with context.database.read() as read:
        found = queries.get(read, job)
    assert found is not None
    assert found.parts > 3
    got = computed(context, job)
    torch.set_num_threads(1)
    x, y, start = torch.from_numpy(X), torch.from_numpy(Y), finite.init(arch, 4, 2, 9)
    around = finite.Around(1, finite.weights(arch, 4, 2, [9])) if more.get("expansion") else None
    shift = finite.apply(arch, start, x) if more.get("centred") else None
    spec = TrainingSpec(dataset="1" * 32, **SPEC)
    weights = finite.weights(arch, 4, 2, [9])
    rule = Rule(learning_rate=0.5)
    run = follow(Descent(arch, weights, x, y, spec.cost, rule, [3], shift=shift, around=around), 50)
    np.testing.assert_array_equal(got["parameters_at"][0, 0], theta[1])
    np.testing.assert_array_equal(got["cost"][0], run.cost[0])
    np.testing.assert_array_equal(got["parameters"], finite.flattened(run.weights))
    if around is None:
        moved = [
            (new.weight[0] - old.weight).norm() / old.weight.norm()
            for new, old in zip(run.parameters, start, strict=True)
        ]
        np.testing.assert_allclose(got["parameter_drift"][0], [[0.0] * 3, moved], rtol=1e-13)
    if more.get("centred"):
        np.testing.assert_array_equal(got["outputs"][0, 0], 0.0)


@pytest.mark.usefixtures("short_parts")
def test_kept_steps_are_folded_in_where_a_part_ends(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a checkpoint is all that the next part needs; and the job says what was kept."""
    monkeypatch.setattr(training_plan, "PART_SECONDS", 8e-3)
    network, count, seed = NETWORK | {"width": 300}, 31, 4
    fields = {"architecture": network, "dtype": "float32", "steps": count, "seeds": [seed], "learning_rate": 0.1}
    few = dataset(context.database, Y[:4], "2" * 32)
    job = submitted(context, record={}, ensemble=None, **(fields | {"dataset": few}))
    with context.database.read() as read:
        length = arrays.of_job(read, job)["cost"].plan.tile_cols
    assert 4 <= length < count
    got = computed(context, job)
    spec = TrainingSpec(dataset="1" * 32, **(SPEC | fields))
    x, y = torch.from_numpy(X[:4]).float(), torch.from_numpy(Y[:4]).float()
    weights, first = finite.weights(spec.architecture, 4, 2, [seed], dtype=x.dtype), None
    for start in range(0, count, length):
        descent = Descent(spec.architecture, weights, x, y, spec.cost, Rule(learning_rate=0.1), [seed], step=start)
        run = follow(descent, min(start + length, count), first_cost=first)
        first = run.cost[:, 0] if first is None else first
        weights = run.weights
    np.testing.assert_array_equal(got["parameters"], finite.flattened(weights))
    assert got["kept"].tolist() == list(run.kept) == [0, 4, 0]


def test_a_job_from_before_an_array_goes_without_it(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was queued by an older build of the same release."""
    made = training_plan._arrays
    monkeypatch.setattr(training_plan, "_arrays", lambda *of: [item for item in made(*of) if item.name != "kept"])
    job = submitted(context)
    monkeypatch.undo()
    got = computed(context, job)
    assert "kept" not in got
    assert np.isfinite(got["cost"]).all()


@pytest.mark.usefixtures("short_parts")
def test_a_network_that_ends_leaves_gaps(context: Context) -> None:
    got = computed(context, submitted(context, learning_rate=60.0, architecture=NETWORK | {"activation": "identity"}))
    assert got["endings"][:, 0].tolist() == [Ending.DIVERGED] * 3
    for number, (_, made) in enumerate(got["endings"]):
        last = int(made)
        assert 0 < last < 50
        assert np.isfinite(got["cost"][number, :last]).all()
        assert np.isnan(got["cost"][number, last + 1 :]).all()
        theta = got["kernel"][number, 0]
        assert got["largest_rate"][number] == pytest.approx(2 * 20 / np.linalg.eigvalsh(theta)[-1], rel=1e-12)
        assert got["largest_rate"][number] < 60.0
    assert np.isnan(got["outputs"][:, -1]).all()


@pytest.mark.usefixtures("short_parts")
def test_many_inputs_bound_the_rate_by_products(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """From above, and by no more than the residual's share; nothing where no time was left for them."""
    network = NETWORK | {"activation": "identity"}
    monkeypatch.setattr(training_records, "DECOMPOSED", 10)
    got = computed(context, submitted(context, learning_rate=60.0, architecture=network, steps=100))
    for theta, rate in zip(got["kernel"][:, 0], got["largest_rate"], strict=True):
        exact = 2 * 20 / np.linalg.eigvalsh(theta)[-1]
        assert exact * (1 - 1e-12) < rate < exact * (1 + 1e-3)
    few = computed(context, submitted(context, learning_rate=60.0, architecture=network, steps=40, record={}))
    assert few["endings"][:, 0].tolist() == [Ending.DIVERGED] * 3
    assert np.isnan(few["largest_rate"]).all()


@pytest.mark.parametrize(("x", "y"), [(0.0, 1e200), (1e200, 1.0)])
def test_a_kernel_that_is_zero_or_no_number_bounds_no_rate(context: Context, x: float, y: float) -> None:
    with context.database.begin() as write:
        content = [
            Rows("x", (5, 4), "float64", [np.full((5, 4), x)]),
            Rows("y", (5, 1), "float64", [np.full((5, 1), y)]),
        ]
        made = store(
            write, Description(None, {"type": "inline"}, "made here"), content, lambda: ("a" if x else "b") * 32
        )
        spec = TrainingSpec(dataset=made, architecture=NETWORK | {"beta": 0.0}, learning_rate=0.5, steps=3)
        job, *_ = submit(write, spec, context.settings, "test")
    got = computed(context, job)
    assert got["endings"].tolist() == [[Ending.DIVERGED, 0]]
    assert np.isnan(got["largest_rate"]).all()


def test_a_training_of_no_steps_is_the_network_as_it_is_drawn(context: Context) -> None:
    got = computed(context, submitted(context, steps=0, record={"outputs": {"every": 1}}))
    assert got["cost"].shape == (3, 1)
    arch = TrainingSpec(dataset="1" * 32, **SPEC).architecture
    for number, seed in enumerate([4, 7, 1]):
        f = finite.apply(arch, finite.init(arch, 4, 2, seed), torch.from_numpy(X))
        np.testing.assert_allclose(got["outputs"][number, 0], f, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.usefixtures("short_parts")
def test_killing_workers_in_the_middle_changes_no_bit(system: System) -> None:
    spec = TrainingSpec(dataset=dataset(system.database), **(SPEC | {"steps": 200}))
    worker, _ = system.start("worker"), system.start("sweeper")
    job = system.submit(spec)
    for part in (0.3, 0.6):
        system.wait(job, 240.0, until=lambda job, part=part: job.progress.done > part * job.progress.total)
        for child in psutil.Process(worker.pid).children(recursive=True):
            os.kill(child.pid, signal.SIGKILL)
        os.kill(worker.pid, signal.SIGKILL)
        worker = system.start("worker")
    assert system.wait(job, 240.0).state is State.SUCCEEDED
    with system.database.read() as read:
        stored = arrays.of_job(read, job)
    torch.set_num_threads(1)
    for number, seed in enumerate(spec.seeds):
        weights = finite.weights(spec.architecture, 4, 2, [seed])
        rule = Rule(learning_rate=spec.learning_rate)
        descent = Descent(spec.architecture, weights, torch.from_numpy(X), torch.from_numpy(Y), spec.cost, rule, [seed])
        run = follow(descent, 200)
        for name, expected in (("cost", run.cost), ("parameters", finite.flattened(run.weights))):
            found = arrays.block(system.database, stored[name], slice(number, number + 1))
            np.testing.assert_array_equal(found, expected, name)
