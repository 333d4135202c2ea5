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


def test_a_training_goes_on_where_another_ended(client: ntkd.Client) -> None:
    """Gradient descent has no memory but θ: the second half of a run, to the last bit, by job and by upload."""
    network = {"type": "mlp", "depth": 3, "width": 30}
    asked = {"architecture": network, "learning_rate": 0.5}
    whole = client.training(X, Y, **asked, steps=20, seeds=[3, 4], record={"parameters": {"at": [8]}})
    theta = client.upload_parameters(client.parameters(whole, seed=4, step=8), network)
    for given in ({"trained": {"training": whole.id, "seed": 4, "step": 8}}, {"uploaded": {"dataset": theta.id}}):
        rest = client.training(X, Y, **asked, steps=12, seeds=[0], **given)
        np.testing.assert_array_equal(rest.cost[0], whole.cost[1, 8:])
        np.testing.assert_array_equal(rest.parameters[0], whole.parameters[1])


def test_a_training_waits_for_the_one_that_it_goes_on_from(client: ntkd.Client) -> None:
    asked = {"architecture": {"type": "mlp", "depth": 3, "width": 30}, "learning_rate": 0.01}
    first = client.training(X, Y, **asked, steps=30_000, wait=False)
    second = client.training(X, Y, **asked, steps=3, trained={"training": first.id}, wait=False)
    assert [str(other) for other in second.job.waits_for] == [first.id]
    with pytest.raises(ntkd.ProblemError) as caught:
        first.handle.delete()
    assert caught.value.status == 409
    assert second.cost[0, 0] == first.cost[0, -1]


def test_a_training_waits_for_two_jobs(client: ntkd.Client) -> None:
    """For what it begins with and for what is recorded of it; it fails with the first."""
    asked = {"architecture": {"type": "mlp", "depth": 3, "width": 30}, "learning_rate": 0.01}
    first = client.training(X, Y, **asked, steps=10**6, wait=False)
    kernel = client.submit_kernel(X, depth=2, beta=0.123)
    vectors = client.spectrum(kernel, top=2, vectors=True, wait=False)
    record = {"projections": {"at": [0], "components": vectors.id}}
    more = {"steps": 1, "record": record, "trained": {"training": first.id}, "wait": False}
    second = client.training(X, Y, **asked, **more)
    assert first.id in [str(other) for other in second.job.waits_for]
    first.handle.cancel()
    with pytest.raises(ntkd.JobFailed):
        second.array("cost")
