"""The compiled loop against its twin, the same descent step by step on tensors."""

from dataclasses import fields
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor

from ntk_engine import compiled
from ntk_engine.activations import ACTIVATIONS
from ntk_engine.architecture import Architecture, mlp, parse
from ntk_engine.costs import AnyCost, CrossEntropy, Direction, Huber, LeastSquares, Logistic
from ntk_engine.finite import Descent, Ending, Rule, Run, follow, init
from ntk_engine.finite.leaps import leaps
from ntk_engine.finite.parameters import augmented
from ntk_engine.finite.recording import Recording, outputs
from tests.ntk_engine.finite.cases import NETWORKS

SQUARES = LeastSquares()
COSTS = {"huber": Huber(delta=0.3), "logistic": Logistic(), "cross entropy": CrossEntropy(), "direction": Direction()}
NUMBERS: dict[str, Any] = {"rectified_power": {"power": 2}, "polynomial": {"coefficients": (0.3, 1.0, -0.2)}}
NUMBERS |= {"monomial": {"degree": 2}, "hermite": {"degree": 3}, "rbf": {"gamma": 0.7}}
NUMBERS |= {"abrelu": {"a": -0.2, "b": 1.3}, "leaky_relu": {"negative_slope": 0.1}}
NUMBERS |= {"expression": {"expression": "softplus(z) + max(z, 0.1*z) + atan(min(z, 1))*sign(z)"}}
# A step has 4 products of at most 30 terms, unless more are said, and their rounding is carried through 10 steps that
# make differences smaller, not larger: 40 eps a term.
NEAR = {torch.float64: 40 * 2**-52, torch.float32: 40 * 2**-23}


def data(dtype: torch.dtype, inputs: int, k: int, cost: AnyCost) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(inputs, 3, dtype=torch.float64, generator=generator)
    y = torch.randn(inputs, k, dtype=torch.float64, generator=generator)
    y = y.sign() if isinstance(cost, Logistic) else y.softmax(1) if isinstance(cost, CrossEntropy) else y
    return x.to(dtype), y.to(dtype)


def descent(
    arch: Architecture,
    *,
    width: int = 20,
    inputs: int = 7,
    k: int = 1,
    cost: AnyCost = SQUARES,
    seeds: tuple[int, ...] = (0,),
    dtype: torch.dtype = torch.float64,
    loop: bool = True,
    shift: Tensor | None = None,
    **rule: Any,
) -> Descent:
    """Networks of seeds, by the loop or without it."""
    drawn = zip(*(init(arch, 3, k, seed, width=width) for seed in seeds), strict=True)
    weights = [
        augmented(torch.stack([w.weight for w in some]), torch.stack([w.bias for w in some]), dtype) for some in drawn
    ]
    followed = Rule(**{"learning_rate": 0.2, **rule})
    given = Descent(arch, weights, *data(dtype, inputs, k, cost), cost, followed, seeds, shift=shift)
    if not loop:
        vars(given)["_loop"] = None
    assert (given._loop is not None) is loop
    return given


def near(one: Run, other: Run, dtype: torch.dtype = torch.float64, terms: int = 30) -> None:
    tolerance = {"rtol": terms * NEAR[dtype], "atol": terms * NEAR[dtype]}
    assert one.endings == other.endings
    assert one.steps == other.steps
    for found, wanted in zip([one.cost, *one.weights], [other.cost, *other.weights], strict=True):
        torch.testing.assert_close(found, wanted, **tolerance, equal_nan=True)
    for name, of in other.recorded.items():
        assert one.recorded[name].keys() == of.keys()
        for step, wanted in of.items():
            found = one.recorded[name][step]
            torch.testing.assert_close(found, wanted, **tolerance, equal_nan=True)


def same(one: Run, other: Run) -> None:
    """To the bit; NaN too."""
    for found, wanted in zip([one.cost, *one.weights], [other.cost, *other.weights], strict=True):
        assert torch.equal(found.nan_to_num(nan=-1.0), wanted.nan_to_num(nan=-1.0))


def activation(name: str) -> Any:
    """One of a family, as small as weights are: no descent here runs away."""
    return {"type": name, **NUMBERS.get(name, {})}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", NEAR)
def test_every_activation_is_compiled(name: str, dtype: torch.dtype) -> None:
    known = {field.name for field in fields(ACTIVATIONS[name])}
    assert NUMBERS.get(name, {}).keys() <= known
    steep = name in ("polynomial", "monomial", "hermite", "rectified_power", "exp", "expression")
    arch, rate = mlp(depth=3, activation=activation(name)), 0.01 if steep else 0.2
    runs = [follow(descent(arch, dtype=dtype, loop=loop, learning_rate=rate), 10) for loop in (True, False)]
    assert runs[0].endings == [Ending.ALL_STEPS]
    near(*runs, dtype)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("k", [2, 9])
def test_every_cost_is_compiled(cost: str, k: int) -> None:
    arch = mlp(depth=3, activation="erf")
    near(*(follow(descent(arch, k=k, cost=COSTS[cost], loop=loop), 10) for loop in (True, False)))


@pytest.mark.parametrize("name", ["linear", "erf", "scaled", "ends in erf"])
def test_every_chain_is_compiled(name: str) -> None:
    near(*(follow(descent(parse(NETWORKS[name]), width=6, k=2, loop=loop), 10) for loop in (True, False)))


def test_inputs_may_meet_functions_first() -> None:
    arch = parse([{"type": "scale", "factor": -0.5}, "dense", "tanh", "dense"])
    near(*(follow(descent(arch, width=6, loop=loop), 10) for loop in (True, False)))


@pytest.mark.parametrize("rule", [{"momentum": 0.9}, {"weight_decay": 0.1}, {"momentum": 0.5, "weight_decay": 0.1}])
@pytest.mark.parametrize("dtype", NEAR)
def test_momentum_and_decay(rule: dict[str, float], dtype: torch.dtype) -> None:
    arch = mlp(depth=3, activation="relu")
    near(*(follow(descent(arch, dtype=dtype, loop=loop, **rule), 10) for loop in (True, False)), dtype)


@pytest.mark.parametrize("inputs", [1, 2, 4, 5, 33])
@pytest.mark.parametrize("width", [1, 7, 8, 15, 16, 30])
@pytest.mark.parametrize("dtype", NEAR)
def test_sizes_need_not_be_round(inputs: int, width: int, dtype: torch.dtype) -> None:
    sizes: dict[str, Any] = {"inputs": inputs, "width": width, "dtype": dtype, "k": 2}
    arch = mlp(depth=3, activation="relu", beta=0.3)
    near(*(follow(descent(arch, loop=loop, **sizes), 10) for loop in (True, False)), dtype)


@pytest.mark.parametrize("inputs", [32, 35, 130])
@pytest.mark.parametrize("width", [7, 16, 100, 290])
@pytest.mark.parametrize("rule", [{}, {"momentum": 0.5, "weight_decay": 0.1}])
@pytest.mark.parametrize("dtype", NEAR)
def test_many_inputs(inputs: int, width: int, rule: dict[str, float], dtype: torch.dtype) -> None:
    sizes: dict[str, Any] = {"inputs": inputs, "width": width, "dtype": dtype, "k": 2}
    arch = mlp(depth=3, activation="relu", beta=0.3)
    runs = [follow(descent(arch, loop=loop, **sizes, **rule), 10) for loop in (True, False)]
    near(*runs, dtype, max(inputs, width + 1))


def test_a_function_may_be_taken_from_the_networks() -> None:
    arch, seeds = mlp(depth=3, activation="relu"), (0, 1)
    shift = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    near(*(follow(descent(arch, k=3, seeds=seeds, loop=loop, shift=shift), 10) for loop in (True, False)))


def recordings(arch: Architecture) -> list[Recording]:
    x = data(torch.float64, 7, 1, LeastSquares())[0]
    return [Recording("outputs", range(0, 41, 7), outputs(arch, x)), Recording("ends", (3, 40), outputs(arch, x[:2]))]


def test_networks_end_each_at_its_own_step() -> None:
    arch, limit = mlp(depth=3, activation="relu", beta=0.5), 0.2
    runs = []
    for loop in (True, False):
        some = descent(arch, seeds=(0, 1, 2, 3), loop=loop)
        some.weights[-1][2] *= 1e3
        runs.append(follow(some, 40, recordings(arch), tolerance=limit))
    near(*runs)
    assert {Ending.TOLERANCE, Ending.DIVERGED} < {*runs[0].endings, Ending.ALL_STEPS}
    assert len(set(runs[0].steps)) > 2


@pytest.mark.parametrize("inputs", [7, 50])
def test_leaps_make_no_difference(inputs: int) -> None:
    arch = mlp(depth=3, activation="relu")
    at_once, again = (descent(arch, inputs=inputs, seeds=(0, 1)) for _ in range(2))
    whole = follow(at_once, 40)
    pieces = follow(again, 40, recordings(arch))
    same(whole, pieces)
    resumed = descent(arch, inputs=inputs, seeds=(0, 1))
    first = follow(resumed, 13)
    second = follow(resumed, 40, first_cost=first.cost[:, 0])
    assert torch.equal(torch.cat([first.cost[:, :-1], second.cost], dim=1), whole.cost)
    same(Run(0, whole.cost, weights=second.weights), whole)


@pytest.mark.parametrize("inputs", [7, 50])
@pytest.mark.parametrize(("width", "seeds"), [(20, (0, 1, 2, 3, 4)), (600, (0,)), (600, (0, 1))])
def test_threads_make_no_difference(inputs: int, width: int, seeds: tuple[int, ...]) -> None:
    arch, threads, runs = mlp(depth=4, activation="relu"), torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            runs.append(follow(descent(arch, inputs=inputs, width=width, seeds=seeds), 20))
    finally:
        torch.set_num_threads(threads)
    same(runs[0], runs[1])
    same(runs[0], runs[2])


def test_threads_may_change_between_leaps() -> None:
    arch, threads, runs = mlp(depth=3, activation="relu"), torch.get_num_threads(), []
    try:
        for counts in ((1, 1, 1), (1, 4, 2)):
            some = descent(arch, inputs=50, width=320)
            for number, count in enumerate(counts, start=1):
                torch.set_num_threads(count)
                runs.append(follow(some, 2 * number, first_cost=torch.ones(1, dtype=torch.float64)))
                assert len(some._loop._strips) == count  # type: ignore[union-attr]
    finally:
        torch.set_num_threads(threads)
    same(runs[2], runs[5])


def test_without_a_thread_none_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started, threads = Thread.start, [], torch.get_num_threads()

    def some_start(thread: Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    given = descent(mlp(depth=4, activation="relu"), width=600)
    monkeypatch.setattr(Thread, "start", some_start)
    try:
        torch.set_num_threads(3)
        with pytest.raises(RuntimeError, match="new thread"):
            follow(given, 20)
    finally:
        torch.set_num_threads(threads)
    started[0].join(10.0)
    assert not started[0].is_alive()


def test_networks_side_by_side_are_those_alone() -> None:
    arch = mlp(depth=3, activation="tanh")
    together = follow(descent(arch, seeds=(0, 1, 2)), 20)
    for seed in range(3):
        alone = follow(descent(arch, seeds=(seed,)), 20)
        same(Run(0, together.cost[seed : seed + 1], weights=[w[seed : seed + 1] for w in together.weights]), alone)


def test_rows_in_any_place_are_taken() -> None:
    arch = mlp(depth=3, activation="relu")
    wanted, dense = follow(descent(arch), 10), descent(arch)
    dense.weights[:] = [item.contiguous() for item in dense.weights]
    same(follow(dense, 10), wanted)


def test_directions_change_in_the_loop() -> None:
    arch, cost = mlp(depth=3, activation="relu"), Direction(starts=(0, 3, 8))
    runs = []
    for loop in (True, False):
        some = descent(arch, k=1, cost=cost, loop=loop)
        some._y = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        runs.append(follow(some, 12))
    near(*runs)


@pytest.mark.parametrize("tolerance", [None, 0.0])
def test_a_cost_at_the_end_is_of_the_direction_that_starts_there(tolerance: float | None) -> None:
    arch, cost = mlp(depth=3, activation="relu"), Direction(starts=(0, 3))
    _, y = data(torch.float64, 7, 2, cost)
    runs = []
    for loop in (True, False):
        given = descent(arch, cost=cost, k=1, seeds=(0, 1, 2), loop=loop)
        given._y = y
        runs.append(follow(given, 3, tolerance=tolerance))
    near(*runs)


def test_what_is_not_for_the_loop() -> None:
    arch = mlp(depth=3, activation="relu")
    assert descent(arch, inputs=40, width=200).seeds == (0,)
    for other in (
        {"arch": parse(NETWORKS["residual"])},
        {"arch": arch, "batch_size": 3},
        {"arch": arch, "inputs": 65, "width": 725},
    ):
        assert descent(loop=False, **{**other}) is not None
        given = descent(loop=False, **{**other})
        vars(given).pop("_loop")
        assert given._loop is None


def test_without_a_compiler_steps_are_made_on_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise compiled.CompilerError("none")

    arch = mlp(depth=3, activation="relu")
    wanted = follow(descent(arch, loop=False), 5)
    given = descent(arch)
    vars(given).pop("_loop")
    monkeypatch.setattr(compiled, "Descents", none)
    same(follow(given, 5), wanted)
    assert leaps(given._links or (), given.weights, given._x, LeastSquares()) is None
