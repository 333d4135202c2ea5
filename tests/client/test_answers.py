"""Questions about training through the service, against its own predictions and numpy."""

from math import inf
from typing import Any

import numpy as np
import pytest

from ntkd import Client, JobFailed, ProblemError

RNG = np.random.default_rng(5)
X, NEW = RNG.normal(size=(40, 3)), RNG.normal(size=(25, 3))
NETWORK: dict[str, Any] = {"depth": 3, "activation": "relu", "beta": 0.1}


def target(x: np.ndarray, noise: float) -> np.ndarray:
    clean = np.stack([np.sin(2 * x[:, 0]), x[:, 1] * x[:, 2]], axis=1)
    return clean + noise * np.random.default_rng(len(x)).normal(size=clean.shape)


Y, JUDGED = target(X, 0.5), target(NEW, 0.5)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"start": "zero"},
        {"start": "zero", "ridge": 1e-3},
        {"dynamics": {"type": "descent", "learning_rate": 0.5}, "start": "zero"},
    ],
)
def test_when_to_stop_by_points_held_out(client: Client, how: dict[str, Any]) -> None:
    """The cost there is that of a prediction, no other time's is lower, and the end's is what is saved more."""
    test = client.dataset(NEW, JUDGED)
    found = client.answer({"type": "early_stopping", **how}, X, Y, test, **NETWORK)
    time, cost = found.value("time"), found.value("cost")
    assert time is not None
    assert cost is not None
    assert 0 < time < inf
    first, last = found.array("interval")
    assert first < time < last
    grid = np.unique(np.concatenate([np.geomspace(first, last, 30), np.geomspace(time / 1e3, time * 1e3, 60)]))
    if "dynamics" in how:
        grid = np.unique(np.round(grid / 0.5)) * 0.5
    times = sorted({0.0, time, inf, *grid})
    costs = client.prediction(X, Y, test, times=times, **how, **NETWORK).array("test_cost")
    at = dict(zip(times, costs, strict=True))
    # Between two times of a grid of 40 a decade a valley is found to rounding of the cost.
    bound = found.error_bound("cost")
    assert bound is not None
    assert bound < 1e-9
    assert cost == pytest.approx(at[time], abs=2 * bound)
    assert costs.min() >= cost * (1 - 1e-10)
    within = [at[t] for t in times if first * (1 + 1e-6) <= t <= last * (1 - 1e-6)]
    assert max(within) <= 1.01 * cost * (1 + 1e-6)
    assert found.value("start_cost") == pytest.approx(at[0.0], rel=1e-10)
    assert found.value("end_cost") == pytest.approx(at[inf], rel=1e-7)
    assert found.value("saved") == pytest.approx(at[inf] - cost, rel=1e-6)
    curve = found.array("costs")
    assert np.nanmin(curve) >= cost * (1 - 1e-9)
    assert found.array("times")[0] == 0.0


def test_when_to_stop_by_a_stated_noise(client: Client) -> None:
    """Mallows' estimate, written out: the in-sample cost of targets with new noise."""
    noise = 0.5
    found = client.answer({"type": "early_stopping", "noise": noise, "start": "zero"}, X, Y, **NETWORK)
    k = client.kernel(X, **NETWORK).ntk / len(X)
    values, u = np.linalg.eigh(k)
    c = u.T @ Y

    def cost(t: float) -> float:
        kept = np.exp(-t * values)
        fitted = (c**2).sum(axis=1) @ kept**2
        return float((fitted + 2 * Y.shape[1] * noise**2 * (1 - kept).sum()) / (2 * len(X)))

    time = found.value("time")
    assert time is not None
    assert 0 < time < inf
    assert found.value("cost") == pytest.approx(cost(time), rel=1e-10)
    assert min(cost(t) for t in np.geomspace(time / 100, time * 100, 2001)) >= cost(time) * (1 - 1e-10)


def test_without_noise_the_end_is_best(client: Client) -> None:
    found = client.answer({"type": "early_stopping", "noise": 0.0, "start": "zero"}, X, Y, **NETWORK)
    assert (found.value("time"), found.value("saved")) == (inf, 0.0)
    assert "inf" in found.handle.job.model_dump_json()


def test_the_order_of_learning(client: Client) -> None:
    """At its time a point is as near to its target as the level says, and it stays so."""
    found = client.answer({"type": "learning_order", "levels": [0.5, 0.9]}, X, Y, **NETWORK)
    points, values = found.array("points"), found.array("eigenvalues")
    np.testing.assert_allclose(found.array("components")[0], np.log(2) / values, rtol=1e-12)
    times = sorted({*points[1], *(2 * points[1])})
    mean = client.prediction(X, Y, times=times, covariance="none", **NETWORK).array("train_mean")
    rest = np.linalg.norm(mean - Y, axis=2) / np.linalg.norm(Y, axis=1)
    for number, time in enumerate(points[1]):
        # Found by halving to the last digits of the time, whose slope is at most that of the fastest component.
        assert rest[times.index(time), number] == pytest.approx(0.1, abs=1e-9)
        assert (rest[times.index(time) + 1 :, number] < 0.1).all()
    assert (points[0] < points[1]).all()


def test_the_curve_of_learning(client: Client) -> None:
    """κ solves its equation, learnabilities add up to N, and without a ridge nothing is left on points trained on."""
    question = {"type": "learning_curve", "sizes": [5, 10, 20], "ridges": [0.0, 0.1]}
    found = client.answer(question, X, Y, **NETWORK)
    values, kappa = found.array("eigenvalues"), found.array("kappa")
    learned = found.array("learnability")
    assert learned.shape == (2, 3, 40)
    np.testing.assert_allclose(learned, values / (values + kappa[:, :, None]), rtol=1e-12)
    np.testing.assert_allclose(learned[0].sum(axis=1), [5, 10, 20], rtol=1e-12)
    np.testing.assert_allclose(
        learned[1].sum(axis=1) + 0.1 / kappa[1] * (1 - learned[1].sum(axis=1) / 40), [5, 10, 20], rtol=1e-12
    )
    by_spectrum = client.answer(question | {"theory": "spectrum"}, X, Y, **NETWORK)
    assert "points_error" not in {array.name for array in by_spectrum.job.arrays}
    np.testing.assert_allclose(by_spectrum.array("kappa"), kappa, rtol=1e-12)
    # Two theories of the same mean over draws, each to leading order in 1/N.
    np.testing.assert_allclose(by_spectrum.array("unseen_error"), found.array("unseen_error"), rtol=0.2)
    assert (np.diff(found.array("unseen_error"), axis=1) < 0).all()
    np.testing.assert_allclose(found.array("train_error")[0], 0.0, atol=1e-20)
    assert (found.array("everywhere_error") < found.array("unseen_error")).all()


def test_a_curve_ends_where_each_point_is_left_out(client: Client) -> None:
    """At N = M its errors are exactly those of leaving one out: (y − f)/(1 − h) of the fit to all."""
    question = {"type": "learning_curve", "sizes": [10, 40], "ridges": [0.1, 1.0]}
    found = client.answer(question, X, Y, **NETWORK)
    k = client.kernel(X, **NETWORK).ntk
    for number, ridge in enumerate((0.1, 1.0)):
        inverse = np.linalg.inv(k + ridge * np.eye(40))
        left_out = ((inverse @ Y / inverse.diagonal()[:, None]) ** 2).sum(axis=1)
        np.testing.assert_allclose(found.array("points_error")[number, 1], left_out, rtol=1e-9)
        assert found.array("unseen_error")[number, 1] == pytest.approx(left_out.mean(), rel=1e-9)


QUESTIONS: list[tuple[dict[str, Any], set[str]]] = [
    ({"type": "early_stopping"}, set()),
    ({"type": "early_stopping", "noise": 0.5}, set()),
    # The end is best, from some time on, and the least cost is 0: 1 % of it is rounding.
    ({"type": "early_stopping", "noise": 0.0}, {"time", "interval"}),
    ({"type": "early_stopping", "dynamics": {"type": "descent", "learning_rate": 0.5, "momentum": 0.5}}, set()),
    ({"type": "learning_order"}, set()),
    ({"type": "learning_curve", "sizes": [5, 20, 40], "ridges": [0.0, 0.1]}, set()),
    ({"type": "learning_curve", "sizes": [5, 20, 40], "theory": "spectrum", "noise": 0.1}, set()),
]


@pytest.mark.parametrize(("question", "untold"), QUESTIONS)
def test_every_array_states_its_error_bound(client: Client, question: dict[str, Any], untold: set[str]) -> None:
    """A number, or null where it is documented; an array of bounds has one entry for each of the other's."""
    held_out = question["type"] == "early_stopping" and "noise" not in question
    found = client.answer(question, X, Y, client.dataset(NEW, JUDGED) if held_out else None, **NETWORK)
    names = [array.name for array in found.job.arrays]
    for name in names:
        bound = found.error_bound(name)
        if name.endswith("_bound"):
            assert bound is None
            of = found.array(name.removesuffix("_bound"))
            each = found.array(name)
            assert each.shape == of.shape
            assert (np.isnan(each) == np.isnan(of)).all()
            largest = float(np.nanmax(each))
            assert found.error_bound(name.removesuffix("_bound")) == (largest if largest < inf else None)
        elif name in untold:
            assert bound is None
        else:
            assert bound is not None, name
            # Times have most of it: a valley is as flat as a root of what its cost is known to.
            values = found.array(name)
            assert 0.0 <= bound <= 1e-4 * np.abs(values[np.isfinite(values)]).max(initial=1e-20), name
    assert {"costs_bound", "interval_bound", "components_bound", "kappa_bound"} & set(names)


def test_what_no_bound_is_told_of(client: Client) -> None:
    """Two equal inputs: what is never learned, and least squares of as many points as there are different ones."""
    x, y = np.concatenate([X[:8], X[:1]]), np.concatenate([Y[:8], Y[1:2]])
    order = client.answer("learning_order", x, y, **NETWORK)
    for name in ("components", "points"):
        assert order.error_bound(name) is None
        assert (np.isinf(order.array(f"{name}_bound")) == np.isinf(order.array(name))).all()
    question = {"type": "learning_curve", "sizes": [3, 8], "theory": "spectrum"}
    curve = client.answer(question, x, y, **NETWORK)
    assert curve.error_bound("unseen_error") is None
    assert np.isinf(curve.array("unseen_error")).tolist() == [[False, True]]
    assert np.isinf(curve.array("unseen_error_bound")).tolist() == [[False, True]]


def test_kernels_of_jobs(client: Client) -> None:
    kernel = client.kernel(X, **NETWORK)
    by_job = client.answer("learning_order", X, Y, kernels={"train": kernel.id})
    np.testing.assert_allclose(
        by_job.array("components"), client.answer("learning_order", X, Y, **NETWORK).array("components"), rtol=1e-9
    )
    # A question about the points trained on does not read what is known of others.
    start = {"type": "given", "train": client.dataset(0 * Y).id}
    all_jobs = {"train": kernel.id, "cross": client.kernel(NEW, X, **NETWORK).id}
    again = client.answer({"type": "learning_order", "start": start}, X, Y, kernels=all_jobs)
    np.testing.assert_array_equal(again.array("points"), by_job.array("points"))


@pytest.mark.parametrize(
    ("question", "held_out", "pointer"),
    [
        ("early_stopping", False, "/question/noise"),
        ({"type": "early_stopping", "noise": 0.1}, True, "/test"),
        ({"type": "early_stopping", "noise": -0.1}, False, "/question/noise"),
        ({"type": "early_stopping", "noise": 0.1, "ridge": -1}, False, "/question/ridge"),
        ("learning_order", True, "/test"),
        ({"type": "learning_order", "levels": []}, False, "/question/levels"),
        ({"type": "learning_order", "levels": [0.5, 1.0]}, False, "/question/levels/1"),
        ({"type": "learning_order", "start": "ensemble"}, False, "/question/start"),
        ({"type": "learning_curve", "sizes": [0]}, False, "/question/sizes/0"),
        ({"type": "learning_curve", "sizes": [9, 41]}, False, "/question/sizes/1"),
        ({"type": "learning_curve", "sizes": [9, 9]}, False, "/question/sizes"),
        ({"type": "learning_curve", "sizes": [9], "ridges": [-1.0]}, False, "/question/ridges/0"),
        ({"type": "learning_curve", "sizes": [9], "ridges": [1e101]}, False, "/question/ridges/0"),
        ({"type": "early_stopping", "noise": 1e155}, False, "/question/noise"),
        ("learning_curve", False, "/question/sizes"),
        ("oracle", False, "/question"),
    ],
)
def test_what_does_not_fit_is_named(client: Client, question: Any, held_out: bool, pointer: str) -> None:
    with pytest.raises(ProblemError) as refused:
        client.answer(question, X, Y, client.dataset(NEW, JUDGED) if held_out else None, **NETWORK)
    found = [fault.pointer for fault in refused.value.problem.errors]
    assert len(found) == 1
    assert found[0].startswith(pointer)


def test_no_kernel_and_targets_too_large(client: Client) -> None:
    """Nothing is learned, whatever is asked; and what no number holds is said in a sentence."""
    zeros, ones = np.zeros((6, 3)), np.ones((6, 1))
    network = NETWORK | {"beta": 0.0}
    curve = client.answer({"type": "learning_curve", "sizes": [2, 6]}, zeros, ones, **network)
    np.testing.assert_array_equal(curve.array("unseen_error"), 1.0)
    assert np.isinf(client.answer("learning_order", zeros, ones, **network).array("points")).all()
    with pytest.raises(JobFailed, match="too large"):
        client.answer("early_stopping", X, Y * 1e200, client.dataset(NEW, JUDGED), **NETWORK)


def test_a_set_held_out_needs_targets(client: Client) -> None:
    with pytest.raises(ProblemError) as refused:
        client.answer("early_stopping", X, Y, NEW, **NETWORK)
    assert [fault.pointer for fault in refused.value.problem.errors] == ["/test"]
