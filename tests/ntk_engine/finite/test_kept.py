"""Steps that are kept as factors of low rank before they change weights, against their twin, which keeps none."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ntk_engine import folding
from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares
from ntk_engine.finite import Descent, Ending, Rule, Run, follow, weights
from ntk_engine.finite.recording import Recording, outputs
from ntk_engine.folding import kept_numbers, kept_steps

BETA, RATE = 0.3, 0.2
ARCH = mlp(depth=4, activation="relu", beta=BETA)
SQUARES = LeastSquares()
# A step has 4 products of at most 34 terms, those with factors among them, and ten steps in which nothing grows.
NEAR = {torch.float64: 1500 * 2**-52, torch.float32: 1500 * 2**-23}


def data(inputs: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    some = torch.randn(inputs, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).to(dtype)
    return some[:, :3], some[:, 3:]


def descent(
    steps: int,
    *,
    width: int = 20,
    inputs: int = 5,
    dtype: torch.dtype = torch.float64,
    seeds: tuple[int, ...] = (0,),
    rate: float = RATE,
    of: list[Tensor] | None = None,
    first: int = 0,
) -> Descent:
    """One that keeps so many steps in every layer."""
    drawn = weights(ARCH, 3, 1, seeds, width=width, dtype=dtype) if of is None else of
    rule = Rule(learning_rate=rate)
    made = Descent(ARCH, drawn, *data(inputs, dtype), SQUARES, rule, seeds, step=first)
    vars(made)["kept"] = (steps,) * 4
    return made


def plain(some: list[Tensor], x: Tensor, y: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
    """C before each step and after the last, and V: one network, one layer after another, in float64."""
    some, costs = [item[0].double().clone() for item in some], []
    x, y = x.double(), y.double()
    for step in range(steps + 1):
        z, entering, before = x, [], []
        for number, v in enumerate(some):
            alpha = z.clamp_min(0.0) if number else z
            entering.append(torch.cat([alpha / alpha.shape[1] ** 0.5, torch.full_like(alpha[:, :1], BETA)], dim=1))
            before.append(z)
            z = entering[-1] @ v.T
        costs.append(SQUARES.value(z, y).mean())
        delta = SQUARES.direction(z, y) / len(x)
        for number in reversed(range(4 if step < steps else 0)):
            v, width = some[number].clone(), some[number].shape[1] - 1
            some[number] -= RATE * delta.T @ entering[number]
            delta = delta @ v[:, :-1] / width**0.5 * (before[number] > 0)
    return torch.stack(costs), some


def same(one: Run, other: Run) -> None:
    for found, wanted in zip([one.cost, *one.weights], [other.cost, *other.weights], strict=True):
        assert torch.equal(found.nan_to_num(nan=-1.0), wanted.nan_to_num(nan=-1.0))


@pytest.mark.parametrize("steps", [2, 3, 10, 16])
@pytest.mark.parametrize("inputs", [1, 2, 5, 33])
@pytest.mark.parametrize("width", [1, 7, 16, 30])
@pytest.mark.parametrize("dtype", NEAR)
def test_kept_steps_are_steps(steps: int, inputs: int, width: int, dtype: torch.dtype) -> None:
    """Ten of them: some, all or none of them are left to be folded in at the end."""
    made = descent(steps, width=width, inputs=inputs, dtype=dtype)
    cost, wanted = plain(made.weights, *data(inputs, dtype), 10)
    run = follow(made, 10)
    for found, right in zip([run.cost, *run.weights], [cost, *wanted], strict=True):
        torch.testing.assert_close(found[0].double(), right, rtol=NEAR[dtype], atol=NEAR[dtype])


@pytest.mark.parametrize("layer", range(4))
def test_any_layer_may_be_alone(layer: int) -> None:
    made = descent(3)
    vars(made)["kept"] = tuple(3 * (number == layer) for number in range(4))
    cost, wanted = plain(made.weights, *data(5, torch.float64), 10)
    run = follow(made, 10)
    for found, right in zip([run.cost, *run.weights], [cost, *wanted], strict=True):
        torch.testing.assert_close(found[0], right, rtol=NEAR[torch.float64], atol=NEAR[torch.float64])


@pytest.mark.parametrize(("width", "seeds"), [(20, (0, 1, 2, 3)), (600, (0,)), (600, (0, 1))])
def test_threads_make_no_difference(width: int, seeds: tuple[int, ...]) -> None:
    threads, runs = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            runs.append(follow(descent(8, width=width, seeds=seeds, inputs=7), 20))
    finally:
        torch.set_num_threads(threads)
    same(runs[0], runs[1])
    same(runs[0], runs[2])


@pytest.mark.parametrize("cut", [4, 13, 16])
def test_a_training_goes_on_from_the_end_of_a_leap(cut: int) -> None:
    """To the bit, from the weights alone; whatever is recorded ends a leap."""
    recorded = [Recording("outputs", (cut,), outputs(ARCH, data(5, torch.float64)[0]))]
    whole = follow(descent(8), 40, recorded)
    first = follow(descent(8), cut)
    second = follow(descent(8, of=[item.clone() for item in first.weights], first=cut), 40, first_cost=first.cost[:, 0])
    assert torch.equal(torch.cat([first.cost[:, :-1], second.cost], dim=1), whole.cost)
    same(Run(0, whole.cost, weights=second.weights), whole)


def test_networks_that_end_have_the_weights_of_their_last_step() -> None:
    made = descent(8, seeds=(0, 1, 2, 3))
    made.weights[-1][2] *= 1e3
    start = [item.clone() for item in made.weights]
    run = follow(made, 40, tolerance=0.4)
    assert {Ending.TOLERANCE, Ending.DIVERGED} < {*run.endings, Ending.ALL_STEPS}
    assert any(steps % 8 for steps in run.steps)
    for network, steps in enumerate(run.steps):
        _, wanted = plain([item[network : network + 1] for item in start], *data(5, torch.float64), steps)
        for found, right in zip(run.weights, wanted, strict=True):
            scale = right.abs().max().item()
            torch.testing.assert_close(found[network], right, rtol=0.0, atol=40 * NEAR[torch.float64] * scale)


def test_short_leaps_keep_nothing() -> None:
    every = [Recording("outputs", range(0, 13, 3), outputs(ARCH, data(5, torch.float64)[0]))]
    same(follow(descent(8), 12, every), follow(descent(0), 12))


def test_what_is_kept_is_said() -> None:
    x, y = data(4, torch.float32)
    made = descent(0, width=500, inputs=4, dtype=torch.float32)
    vars(made).pop("kept")
    assert follow(made, 4).kept == (0, kept_steps(500, 501, 4, 4), kept_steps(500, 501, 4, 4), 0)
    assert made.kept[1] > 1
    for rule in ({"momentum": 0.5}, {"weight_decay": 0.1}, {"batch_size": 2}):
        some: dict[str, Any] = {"learning_rate": RATE, **rule}
        other = Descent(ARCH, weights(ARCH, 3, 1, [0], width=500, dtype=x.dtype), x, y, SQUARES, Rule(**some), [0])
        assert other.kept == (0, 0, 0, 0)


def test_float32_is_nearer_to_float64() -> None:
    """At once, changes below half a unit of a weight's last digit are lost; four points of the circle, 1000 steps."""
    angle = torch.tensor([-2.5, -1.0, 0.3, 1.8], dtype=torch.float64)
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    arch, y = mlp(depth=4), x[:, :1] * x[:, 1:]
    drawn = weights(arch, 2, 1, [0], width=500, dtype=torch.float32)
    found = {}
    for steps, dtype in ((0, torch.float64), (0, torch.float32), (16, torch.float32)):
        of = weights(arch, 2, 1, [0], width=500, dtype=dtype)
        for item, start in zip(of, drawn, strict=True):
            item.copy_(start)
        made = Descent(arch, of, x.to(dtype), y.to(dtype), SQUARES, Rule(learning_rate=1.0), [0])
        vars(made)["kept"] = (0, steps, steps, 0)
        found[steps, dtype] = follow(made, 1000).cost[0, -1].double()
    exact = found[0, torch.float64]
    assert abs(found[16, torch.float32] - exact) < 0.25 * abs(found[0, torch.float32] - exact)


def test_the_choice_is_the_models_least() -> None:
    """Nothing that takes a sixth longer; no narrow layer, no other dtype, and nothing where there are many inputs."""
    for width in (20, 500, 3000):
        for inputs in (1, 4, 16, 64):
            at_once, chosen = folding._at_once(width, width + 1, inputs), kept_steps(width, width + 1, inputs, 4)
            assert chosen * inputs <= 256
            assert kept_steps(width, width + 1, inputs, 8) == 0
            assert not chosen or folding._kept(width, width + 1, inputs, chosen) < at_once * 7 / 6
            assert chosen or all(folding._kept(width, width + 1, inputs, steps) > at_once for steps in (2, 4, 16))
    assert kept_steps(2000, 3, 4, 4) == kept_steps(1, 2001, 4, 4) == kept_steps(4000, 4001, 1000, 4) == 0
    assert kept_steps(4000, 4001, 4, 4) > 1
    assert kept_numbers(4000, 4001, 4, 4) == kept_steps(4000, 4001, 4, 4) * 4 * 8001
