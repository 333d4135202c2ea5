"""Predictions through the client, checked against the engine."""

from math import inf
from typing import Any

import numpy as np
import pytest
import torch

import ntkd
from ntk_engine import function_space, infinite
from ntk_engine.architecture import mlp
from ntk_engine.costs import Huber
from ntk_engine.function_space import Blocks

RNG = np.random.default_rng(4)
X, OTHER = RNG.standard_normal((12, 3)), RNG.standard_normal((5, 3))
Y, JUDGED = np.sin(X[:, :2]), np.sin(OTHER[:, :2])
TRAIN, TEST, TARGETS = (torch.from_numpy(array) for array in (X, OTHER, Y))
ARCH = mlp(3, "erf", beta=0.2)
NETWORK: dict[str, Any] = {"depth": 3, "activation": "erf", "beta": 0.2}


def blocks(name: str) -> Blocks:
    pairs = ((TRAIN, None), (TEST, TRAIN), (TEST, None))
    return Blocks(*(infinite.kernel(ARCH, *pair, kernels=[name]).arrays[name] for pair in pairs))


# Kernels whose rows are taken in other blocks differ by rounding, and predictions by some hundred times that.
def close(found: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_gaussian_at_every_time(client: ntkd.Client) -> None:
    test = client.dataset(OTHER, JUDGED)
    times = [0, 2.5, inf]
    found = client.prediction(
        X, Y, test, times=times, covariance="full", percentiles=[10, 50], samples=4, seed=7, **NETWORK
    )
    expected = function_space.gaussian(blocks("ntk"), blocks("nngp"), TARGETS, times)
    close(found.mean, expected.test.mean)
    close(found.covariance, expected.test.covariance)
    close(found.array("train_covariance"), expected.train.covariance)
    close(found.array("eigenvalues"), expected.eigenvalues)
    for number, at in enumerate((expected.test_at(0.0), expected.test_at(2.5), expected.test_at(inf))):
        close(found.percentiles[number], function_space.percentiles(at.mean, at.variance, [10, 50]))
        # Of other bits of the covariance, eigenvectors may have other signs: what they spread is the same.
        drawn = function_space.samples(at.mean, at.covariance, 4, 7)
        assert found.samples[number].shape == drawn.shape
        cost = function_space.cost(at.mean, at.variance, torch.from_numpy(JUDGED))
        close(found.array("test_cost")[number], cost)
    assert found.array("train_accuracy")[-1] == 1.0
    bounds = {array.name: array.error_bound for array in found.job.arrays}
    certain = {"mean", "covariance", "percentiles", "train_mean", "train_covariance", "train_percentiles"}
    assert all(
        0 < (bounds[name] or 0) < 1e-6 for name in certain | {"train_cost", "test_cost", "samples", "eigenvalues"}
    )
    assert None not in bounds.values()


def test_steps_of_descent_from_a_given_function(client: ntkd.Client) -> None:
    """With a ridge, of the last layer alone."""
    f, g = RNG.standard_normal((12, 2)), RNG.standard_normal((5, 2))
    start = {"type": "given", "train": client.dataset(f).id, "test": client.dataset(g).id}
    dynamics = {"type": "descent", "learning_rate": 0.5, "momentum": 0.3}
    asked = {"start": start, "dynamics": dynamics, "trained": "last_layer", "ridge": 0.01, "times": [0, 1, 50]}
    found = client.prediction(X, Y, OTHER, **asked, **NETWORK)
    expected = function_space.gaussian(
        blocks("nngp"),
        None,
        TARGETS,
        [0, 1, 50],
        dynamics=function_space.GradientDescent(0.5, 0.3),
        start=function_space.Start(torch.from_numpy(f), torch.from_numpy(g)),
        ridge=0.01,
    )
    close(found.mean, expected.test.mean)
    close(found.array("train_mean"), expected.train.mean)
    assert {array.name for array in found.job.arrays}.isdisjoint({"variance", "covariance", "test_cost"})


def test_another_cost(client: ntkd.Client) -> None:
    cost = {"type": "huber", "delta": 0.2}
    found = client.prediction(X, Y, OTHER, times=[0.0, 3.0, 1e3], cost=cost, tolerance=1e-7, **NETWORK)
    ntk = blocks("ntk")
    path = function_space.follow(ntk.train, ntk.cross, TARGETS, Huber(delta=0.2), [0.0, 3.0, 1e3], tolerance=1e-7)
    for number, at in enumerate(path):
        # Steps are chosen by errors, which rounding changes: both are as near to the truth as they say.
        np.testing.assert_allclose(found.mean[number], at.test, rtol=0, atol=1e-12 + 2 * at.error_bound)
        assert found.array("train_cost")[number] == pytest.approx(at.cost, rel=1e-6)
        assert found.array("decrease")[number] == pytest.approx(at.decrease, rel=1e-5)


def test_the_posterior_of_the_process_of_the_tangent_kernel(client: ntkd.Client) -> None:
    """GP(0, Θ) given the targets: κK⁻¹y and Θ(x, x) − κK⁻¹κᵀ; of jobs as of an architecture."""
    start = {"type": "ensemble", "kernel": "ntk"}
    found = client.prediction(X, Y, OTHER, times=[0, inf], covariance="full", start=start, **NETWORK)
    k, cross, own = (block.numpy() for block in blocks("ntk"))
    np.testing.assert_allclose(found.mean[1], cross @ np.linalg.solve(k, Y), rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.covariance[0], own, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.covariance[1], own - cross @ np.linalg.solve(k, cross.T), rtol=0, atol=1e-11)
    ids = {"train": client.kernel(X, **NETWORK).id, "cross": client.kernel(OTHER, X, **NETWORK).id}
    ids["test"] = client.kernel(OTHER, **NETWORK).id
    by_jobs = client.prediction(X, Y, OTHER, times=[0, inf], covariance="full", start=start, kernels=ids)
    np.testing.assert_allclose(by_jobs.covariance, found.covariance, rtol=0, atol=1e-11)


def test_steps_of_another_cost(client: ntkd.Client) -> None:
    """Written out: f ← f − η v, v ← μ v + K d/N, for cross-entropy."""
    labels = np.eye(2)[(X[:, 0] > 0).astype(int)]
    dynamics = {"type": "descent", "learning_rate": 0.5, "momentum": 0.5}
    found = client.prediction(X, labels, OTHER, times=[0, 1, 10], cost="cross_entropy", dynamics=dynamics, **NETWORK)
    k, _, _ = blocks("ntk")
    f, v = np.zeros((12, 2)), np.zeros((12, 2))
    for step in range(1, 21):
        p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
        v = 0.5 * v + k.numpy() @ (p - labels) / 12
        f = f - 0.5 * v
        if step in (2, 20):
            number = 1 if step == 2 else 2
            np.testing.assert_allclose(found.array("train_mean")[number], f, rtol=0, atol=1e-12)
    assert found.error_bound("train_mean") == pytest.approx(0, abs=1e-12)
    assert (np.diff(found.array("train_cost")) < 0).all()
    assert found.array("train_accuracy")[-1] == 1.0


@pytest.mark.parametrize(
    ("of", "network"),
    [("gaussian", NETWORK), ("networks", NETWORK | {"trained": "last_layer", "depth": 2})],
)
def test_random_functions_tend_to_the_kernel(client: ntkd.Client, of: str, network: dict[str, Any]) -> None:
    """Section 3.1: errors fall as P^(−½), and so what is predicted misses less; of one hidden layer the mean is Σ."""
    counts = [10, 100, 10_000]
    asked: dict[str, Any] = {"random_functions": {"counts": counts, "of": of, "width": 8, "seed": 3}}
    found = client.prediction(X, Y, OTHER, times=[0.0, 1.0, inf], **asked, **network)
    errors = found.array("kernel_error")
    assert errors.shape == (3, 2)
    assert (np.diff(errors, axis=0) < 0).all()
    if of == "gaussian":
        k = blocks("ntk").train.numpy()
        expected = np.sqrt((1 + (np.trace(k) / np.linalg.norm(k)) ** 2) / np.array(counts))
        np.testing.assert_allclose(found.array("expected_error"), expected, rtol=1e-12)
        # Root mean squares of draws; one falls within a factor of 2 of it but for odds of a thousandth.
        assert (np.abs(np.log2(errors[:, 0] / expected)) < 1).all()
    limit = client.prediction(X, Y, OTHER, times=[0.0, 1.0, inf], start="zero", **network)
    missed = np.sqrt(((found.mean - limit.mean) ** 2).mean(axis=(1, 2)))
    np.testing.assert_allclose(found.array("test_missed")[-1], missed, rtol=0, atol=1e-10)
    assert found.array("train_missed").shape == (3, 3)
    assert found.array("test_missed")[-1, 1] < found.array("test_missed")[0, 1]


@pytest.mark.parametrize("between", ["constant", "linear"])
def test_a_direction_that_is_given(client: ntkd.Client, between: str) -> None:
    """f_t = f_0 − K/N ∫ d, with the integral by hand."""
    d = RNG.standard_normal((3, 12, 2))
    cost = {"type": "direction", "starts": [0, 1, 4], "between": between}
    directions = np.concatenate(list(d), axis=1)
    found = client.prediction(X, directions, OTHER, times=[0.5, 3.0], cost=cost, **NETWORK)
    if between == "constant":
        integrals, last = [0.5 * d[0], d[0] + 2 * d[1]], d[1]
    else:
        half, last = (d[0] + d[1]) / 2, (d[1] + 2 * d[2]) / 3
        integrals = [0.5 * (d[0] + half) / 2, half + 2 * (d[1] + last) / 2]
    k, cross, _ = (block.numpy() for block in blocks("ntk"))
    for number, integral in enumerate(integrals):
        np.testing.assert_allclose(found.array("train_mean")[number], -k @ integral / 12, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.mean[number], -cross @ integral / 12, rtol=0, atol=1e-12)
    assert found.array("decrease")[1] == pytest.approx((last * (k @ last)).sum() / 144, rel=1e-12)
    assert found.array("train_cost")[1] == pytest.approx((last * (-k @ integrals[1] / 12)).sum() / 12, rel=1e-12)
    assert "train_accuracy" not in {array.name for array in found.job.arrays}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"times": [1, 0.5]}, "/times/1"),
        ({"times": [-1]}, "/times/0"),
        ({"times": ["soon"]}, "/times/0"),
        ({"times": [1, 1.5], "dynamics": {"type": "descent", "learning_rate": 1.0}}, "/times/1"),
        ({"percentiles": [120]}, "/percentiles/0"),
        ({"ridge": -0.1}, "/ridge"),
        ({"covariance": "some"}, "/covariance"),
        ({"start": "nowhere"}, "/start/type"),
        ({"dynamics": {"type": "descent", "learning_rate": 0}}, "/dynamics/learning_rate"),
        ({"cost": "cross_entropy"}, "/cost"),
        ({"cost": "logistic", "times": [1, inf]}, "/times/1"),
        ({"cost": "huber", "start": "ensemble"}, "/start"),
        ({"random_functions": {"counts": [3, 2]}}, "/random_functions/counts"),
        ({"random_functions": {"counts": [2], "of": "networks"}}, "/random_functions"),
        ({"random_functions": {"counts": [2]}, "start": "ensemble"}, "/start"),
        ({"random_functions": {"counts": [2]}, "cost": "huber"}, "/random_functions"),
        ({"random_functions": {"counts": [10**7 + 1]}}, "/random_functions/counts/0"),
        ({"cost": {"type": "direction", "starts": [0, 1, 2]}}, "/cost"),
        ({"cost": {"type": "direction", "starts": [1.0]}}, "/cost/starts"),
        ({"cost": {"type": "direction", "starts": [0, 1], "between": "linear"}, "times": [2]}, "/times/0"),
        ({"cost": "direction", "dynamics": {"type": "descent", "learning_rate": 1.0}}, "/dynamics"),
        ({"cost": "direction", "times": ["inf"]}, "/times/0"),
        ({"kernels": {"train": "00000000-0000-4000-8000-000000000000"}}, "/kernels/train"),
    ],
)
def test_what_is_wrong_is_named(client: ntkd.Client, change: dict[str, Any], pointer: str) -> None:
    asked = {"times": [1.0], **({} if "kernels" in change else NETWORK), **change}
    with pytest.raises(ntkd.ProblemError) as caught:
        client.prediction(X, Y, OTHER, **asked)
    assert [fault.pointer for fault in caught.value.problem.errors] == [pointer]


def test_a_test_set_that_does_not_fit(client: ntkd.Client) -> None:
    with pytest.raises(ntkd.ProblemError) as caught:
        client.prediction(X, Y, OTHER[:, :2], times=[1.0])
    assert caught.value.problem.errors[0].pointer == "/test"
    with pytest.raises(ntkd.ProblemError) as caught:
        client.prediction(X, Y, client.dataset(OTHER, JUDGED[:, :1]), times=[1.0])
    assert caught.value.problem.errors[0].pointer == "/test"


def test_kernels_may_still_be_running_unless_that_is_refused(client: ntkd.Client) -> None:
    slow = client.submit_kernel(
        np.tile(X, (40, 1)) + RNG.standard_normal((480, 3)), depth=2, beta=0.3, method={"type": "monte_carlo"}
    )
    targets = RNG.standard_normal((480, 1))
    x = client.dataset(RNG.standard_normal((480, 3)), targets)
    kernels = {"train": slow.id, "unfinished": "refuse"}
    with pytest.raises(ntkd.ProblemError) as caught:
        client.prediction(x, times=[1.0], kernels=kernels, start="zero")
    assert (caught.value.status, caught.value.problem.errors[0].pointer) == (409, "/kernels/train")
    waiting = client.prediction(x, times=[1.0], kernels={"train": slow.id}, start="zero", wait=False)
    assert [str(other) for other in waiting.job.waits_for] == [slow.id]
    slow.cancel()
    with pytest.raises(ntkd.JobFailed):
        waiting.array("train_mean")
