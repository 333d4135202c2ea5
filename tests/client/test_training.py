"""Training through the client, checked against the engine."""

import numpy as np
import pytest
import torch

import ntkd
from ntk_engine import finite
from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares

X = np.random.default_rng(1).standard_normal((12, 2))
Y = X[:, :1] * X[:, 1:]
PROBES = np.random.default_rng(2).standard_normal((3, 2))


def test_local_arrays_become_trajectories_in_one_call(client: ntkd.Client) -> None:
    result = client.training(
        X,
        Y,
        depth=3,
        width=30,
        learning_rate=0.5,
        steps=20,
        seeds=[3, 4],
        record={"outputs": {"every": 10, "on": PROBES}},
    )
    assert result.cost.shape == (2, 21)
    assert result.outputs.shape == (2, 3, 3, 1)
    arch, x, y = mlp(3, width=30), torch.from_numpy(X), torch.from_numpy(Y)
    for number, seed in enumerate((3, 4)):
        run = finite.train(arch, finite.init(arch, 2, 1, seed), x, y, LeastSquares(), 0.5, 20)
        # Seeds side by side and alone: twenty steps of rounding.
        np.testing.assert_allclose(result.cost[number], run.cost[0], rtol=1e-12)
        f = finite.apply(arch, run.parameters, torch.from_numpy(PROBES))
        np.testing.assert_allclose(result.outputs[number, -1], f[0], rtol=0, atol=1e-12)
    assert client.training(client.dataset(X, Y), depth=3, width=30, learning_rate=0.5, steps=20).cost.shape == (1, 21)


def test_targets_that_a_cost_does_not_take_are_refused(client: ntkd.Client) -> None:
    with pytest.raises(ntkd.ProblemError) as caught:
        client.training(X, Y, depth=2, width=3, learning_rate=0.1, steps=1, cost="logistic")
    assert caught.value.problem.errors is not None
    assert caught.value.problem.errors[0].pointer == "/cost"
