"""Training against the slow reading: autograd of the printed function, and stock gradient descent on all parameters."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ntk_engine.architecture import Architecture, mlp, parse
from ntk_engine.costs import CrossEntropy, Direction, Huber, LeastSquares, Logistic
from ntk_engine.finite import Ending, Parameters, Weights, init, train
from tests.ntk_engine.finite.cases import NETWORKS
from tests.ntk_engine.finite.jacobians import output

X = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
COSTS = {
    "least squares": (LeastSquares(), lambda f, y: 0.5 * ((f - y) ** 2).sum(1).mean()),
    "huber": (Huber(delta=0.3), lambda f, y: torch.nn.functional.huber_loss(f, y, delta=0.3, reduction="sum") / len(f)),
    "logistic": (Logistic(), lambda f, y: torch.nn.functional.soft_margin_loss(f, y, reduction="sum") / len(f)),
    "cross entropy": (CrossEntropy(), lambda f, y: torch.nn.functional.cross_entropy(f, y)),
    "direction": (Direction(), lambda f, y: (f * y).sum(1).mean()),
}
# Rounding of one step is some 100 products deep; ten steps of well-conditioned descent keep it below this.
NEAR = 1e-12


def targets(cost: str, k: int) -> Tensor:
    """Of X, for a cost."""
    y = torch.randn(len(X), k, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    return {"logistic": y.sign(), "cross entropy": y.softmax(1)}.get(cost, y)


def drawn(arch: Architecture, k: int, seed: int = 0) -> Parameters:
    return init(arch, X.shape[1], k, seed, width=6)


def slowly(arch: Architecture, params: Parameters, y: Tensor, loss: Any, steps: int, **options: Any) -> list[Tensor]:
    """Parameters after steps of torch's own gradient descent."""
    leaves = [tuple(part.clone().requires_grad_() for part in some) for some in params]
    sgd = torch.optim.SGD([part for some in leaves for part in some], lr=0.3, **options)
    for _ in range(steps):
        sgd.zero_grad()
        loss(output(arch, leaves, X, []), y).backward()
        sgd.step()
    return [part.detach() for some in leaves for part in some]


def flat(params: Parameters) -> list[Tensor]:
    return [part.squeeze(0) for some in params for part in some]


def near(found: list[Tensor], wanted: list[Tensor]) -> None:
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "drop" not in name])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"momentum": 0.5, "weight_decay": 0.1}]
)
def test_steps_are_those_of_gradient_descent(name: str, options: dict[str, float]) -> None:
    arch = parse(NETWORKS[name])
    k = 4 if name == "ends side by side" else 2
    params, y = drawn(arch, k), targets("least squares", k)
    run = train(arch, params, X, y, LeastSquares(), 0.3, 4, **options)
    near(flat(run.parameters), slowly(arch, params, y, COSTS["least squares"][1], 4, **options))


@pytest.mark.parametrize("cost", COSTS)
def test_every_cost_is_followed(cost: str) -> None:
    arch, k = mlp(depth=3, activation="erf"), 2
    params, y = drawn(arch, k), targets(cost, k)
    run = train(arch, params, X, y, COSTS[cost][0], 0.3, 10)
    near(flat(run.parameters), slowly(arch, params, y, COSTS[cost][1], 10))
    first = COSTS[cost][1](output(arch, params, X, []), y)
    last = COSTS[cost][1](
        output(arch, tuple(Weights(*map(torch.Tensor.squeeze, some, (0, 0))) for some in run.parameters), X, []), y
    )
    near([run.cost[0, 0], run.cost[0, -1]], [first, last])


def test_networks_side_by_side_are_those_alone() -> None:
    arch, y = mlp(depth=3, activation="relu"), targets("least squares", 1)
    alone = [train(arch, drawn(arch, 1, seed), X, y, LeastSquares(), 0.3, 5) for seed in range(3)]
    together = [
        type(some[0])(*(torch.stack(parts) for parts in zip(*some, strict=True)))
        for some in zip(*(drawn(arch, 1, seed) for seed in range(3)), strict=True)
    ]
    run = train(arch, tuple(together), X, y, LeastSquares(), 0.3, 5)
    near(list(run.cost), [item.cost[0] for item in alone])


def test_batches_go_through_all_inputs_in_an_order_of_the_seed() -> None:
    arch, params, y = mlp(depth=2, activation="erf"), drawn(mlp(depth=2), 1), targets("least squares", 1)
    leaves = [tuple(part.clone().requires_grad_() for part in some) for some in params]
    sgd = torch.optim.SGD([part for some in leaves for part in some], lr=0.3)
    for epoch in range(2):
        order = np.random.default_rng((3, epoch)).permutation(len(X))
        for batch in (order[:3], order[3:6], order[6:]):
            sgd.zero_grad()
            loss = COSTS["least squares"][1](output(arch, leaves, X[batch], []), y[batch])
            loss.backward()
            sgd.step()
    run = train(arch, params, X, y, LeastSquares(), 0.3, 6, batch_size=3, seeds=(3,))
    near(flat(run.parameters), [part.detach() for some in leaves for part in some])


def test_directions_hold_from_their_starts() -> None:
    arch, params = mlp(depth=2, activation="erf"), drawn(mlp(depth=2), 1)
    y = targets("direction", 2)
    run = train(arch, params, X, y, Direction(starts=(0, 3)), 0.3, 5)
    first = train(arch, params, X, y[:, :1], Direction(), 0.3, 3)
    second = train(arch, first.parameters, X, y[:, 1:], Direction(), 0.3, 2)
    near(flat(run.parameters), flat(second.parameters))


def test_a_cost_that_is_low_enough_ends_a_network() -> None:
    arch, y = mlp(depth=3, activation="relu", width=64), targets("least squares", 1)
    params = init(arch, X.shape[1], 1, 0)
    whole = train(arch, params, X, y, LeastSquares(), 0.5, 40)
    limit = whole.cost[0, 20].item()
    run = train(arch, params, X, y, LeastSquares(), 0.5, 40, tolerance=limit)
    assert run.endings == [Ending.TOLERANCE]
    reached = int((whole.cost[0] <= limit).nonzero()[0])
    assert run.steps == [reached]
    assert run.cost[0, reached + 1 :].isnan().all()
    near(flat(run.parameters), flat(train(arch, params, X, y, LeastSquares(), 0.5, reached).parameters))


def test_divergence_is_a_result() -> None:
    arch, y = mlp(depth=2, activation="identity", width=64), targets("least squares", 1)
    run = train(arch, init(arch, X.shape[1], 1, 0), X, y, LeastSquares(), 100.0, 500)
    assert run.endings == [Ending.DIVERGED]
    assert 0 < run.steps[0] < 500
    seen = run.cost[0, : run.steps[0] + 1]
    assert seen[:-1].isfinite().all()
    assert all(cost <= 1e6 * max(seen[0], 0.5 * y.square().mean()) for cost in seen[:-1])


def test_targets_of_another_kind_are_refused() -> None:
    arch = mlp(depth=2)
    with pytest.raises(ValueError, match="-1 or 1"):
        train(arch, drawn(arch, 1), X, targets("huber", 1), Logistic(), 0.1, 1)


def test_dropout_is_drawn_anew_at_every_step() -> None:
    arch = parse(NETWORKS["dropout"])
    params, y = drawn(arch, 1), targets("least squares", 1)
    run = train(arch, params, X, y, LeastSquares(), 0.0, 3)
    assert all(one != other for one, other in pairwise(run.cost[0].tolist()))
    again = train(arch, params, X, y, LeastSquares(), 0.0, 3)
    assert torch.equal(run.cost, again.cost)
