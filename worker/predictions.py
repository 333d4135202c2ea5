"""Prediction jobs: one part, from kernels and targets to f_t at every time."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf, isnan
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from contracts.direction import Direction
from contracts.prediction_plan import TILE
from contracts.predictions import PredictionSpec
from contracts.random_functions import RandomFunctions
from ntk_engine import function_space
from ntk_engine.function_space import Blocks, Gaussian, Moments
from storage.arrays import ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.function_space_inputs import Data, data_of, dynamics_of, inputs, kernels, start_of
from worker.parts import Result
from worker.prediction_paths import path
from worker.random_predictions import functions_of
from worker.tiles import tiles


class _Seen(NamedTuple):
    """What is looked at at one time, on the points trained on or on the test points."""

    name: str
    """train or test."""
    moments: Moments
    targets: Tensor | None


def run(claim: Claim, context: Context) -> Iterator[Result | None]:
    """Time by time what is asked for of f_t, then what there is a number of for every time, and bounds on errors."""
    spec = PredictionSpec.model_validate(claim.job_spec)
    data = data_of(spec, context)
    way = _Way(spec, data)
    if claim.part_spec["method"] == "conjugate":
        yield from way.ended(context)
    else:
        yield from way.closed(context) if spec.closed else way.integrated(context)


class _Way:
    """A prediction on its way."""

    def __init__(self, spec: PredictionSpec, data: Data) -> None:
        self.spec, self.data = spec, data
        self.numbers: dict[str, list[float]] = defaultdict(list)
        self.bounds: dict[str, float] = defaultdict(float)

    def closed(self, context: Context) -> Iterator[Result | None]:
        """Least squares."""
        spec = self.spec
        blocks = kernels(spec, context, whole=spec.whole)
        yield None
        if spec.random_functions is not None:
            yield from self._random(spec.random_functions, blocks[spec.moving], context)
            return
        given: dict[str, Any] = {
            "start": start_of(spec, self.data),
            "ridge": spec.ridge,
            "covariance": "none" if not spec.random else "full" if spec.whole else "diagonal",
        }
        ntk, nngp = blocks[spec.moving], None if spec.prior is None else blocks[spec.prior]
        if spec.end_alone:
            end = function_space.final(ntk, nngp, self.data.y, **given)
            if end is not None:
                yield from self._seen(0, end.train, end.test)
                yield from self._ended()
                return
        dynamics = dynamics_of(spec.dynamics)
        yield from self._gaussian(
            function_space.gaussian(ntk, nngp, self.data.y, spec.times, dynamics=dynamics, **given)
        )

    def _random(self, asked: RandomFunctions, blocks: Blocks, context: Context) -> Iterator[Result | None]:
        """Least squares with ever more random functions in place of the kernel."""
        spec, last = self.spec, None
        functions = functions_of(spec, asked, blocks, context)
        kernel, errors = Blocks(blocks.train, blocks.cross), []
        how: dict[str, Any] = {"dynamics": dynamics_of(spec.dynamics), "ridge": spec.ridge}
        for number, last in enumerate(
            function_space.random_predictions(kernel, functions, self.data.y, asked.counts, spec.times, **how)
        ):
            errors.append([last.of.frobenius, last.of.operator])
            self._bound("kernel_error", last.of.error_bound)
            yield TileData("train_missed", number, 0, np.array([last.train_missed]))
            self._bound("train_missed", last.train_missed_bound)
            if last.test_missed is not None:
                yield TileData("test_missed", number, 0, np.array([last.test_missed]))
                self._bound("test_missed", last.test_missed_bound)
            yield None
        yield TileData("kernel_error", 0, 0, np.array(errors))
        if asked.of == "gaussian":
            expected = [function_space.expected_error(kernel.train, count) for count in asked.counts]
            yield TileData("expected_error", 0, 0, np.array(expected))
            self._bound("expected_error", function_space.expected_error_bound(max(expected), len(kernel.train)))
        assert last is not None
        yield from self._gaussian(last.found)

    def _gaussian(self, found: Gaussian) -> Iterator[Result | None]:
        """What is asked for of a closed form."""
        if not self.spec.end_alone:
            yield TileData("eigenvalues", 0, 0, found.eigenvalues.cpu().numpy())
            self._bound("eigenvalues", found.eigenvalues_bound)
        for number, time in enumerate(self.spec.times):
            test = None if found.test_points is None else found.test_at(time)
            yield from self._seen(number, found.train_at(time), test)
            yield None
        yield from self._ended()

    def integrated(self, context: Context) -> Iterator[Result | None]:
        """Any other cost, or a direction."""
        spec = self.spec
        blocks = kernels(spec, context, whole=False)[spec.moving]
        yield None
        followed = path(spec, blocks, self.data)
        yield TileData("eigenvalues", 0, 0, followed.eigenvalues.cpu().numpy())
        self._bound("eigenvalues", followed.eigenvalues_bound)
        for number, at in enumerate(followed):
            self.numbers["decrease"].append(at.decrease)
            self._bound("decrease", at.decrease_bound)
            self.numbers["train_cost"].append(at.cost)
            self._bound("train_cost", at.cost_bound)
            if spec.judges:
                accuracy = function_space.accuracy(at.train, self.data.y)
                self.numbers["train_accuracy"].append(float(accuracy))
                off = at.train.new_tensor(at.error_bound)
                self._bound("train_accuracy", function_space.accuracy_bound(at.train, self.data.y, off))
            yield from self._at(number, _Seen("train", _certain(at.train, at), None))
            if at.test is not None:
                yield from self._at(number, _Seen("test", _certain(at.test, at), self.data.judged))
            yield None
        yield from self._ended()

    def ended(self, context: Context) -> Iterator[Result | None]:
        """The end of least squares, where no decomposition fits into memory."""
        spec, (x, other) = self.spec, inputs(self.spec, context)
        assert spec.architecture is not None
        start = self.data.start
        to_gain = self.data.y if start is None else self.data.y - start.train
        kernel = spec.moving
        found = function_space.ended(spec.architecture, x, to_gain, kernel=kernel, ridge=spec.ridge)
        yield TileData("residuals", 0, 0, found.residuals.cpu().numpy())
        self._bound("residuals", found.residuals_bound)
        train, bound = found.trained, x.new_tensor(found.error_bound(x))
        if start is not None:
            train = train + start.train
        yield from self._at(0, _Seen("train", Moments(train, None, None, bound, None), self.data.y))
        if other is not None:
            at = found.at(other)
            mean = at.mean if start is None or start.test is None else at.mean + start.test
            moments = Moments(mean, None, None, x.new_tensor(at.error_bound), None)
            yield from self._at(0, _Seen("test", moments, self.data.judged))
        yield from self._ended()

    def _seen(self, number: int, train: Moments, test: Moments | None) -> Iterator[TileData]:
        """One time on both sets of points."""
        yield from self._at(number, _Seen("train", train, self.data.y))
        if test is not None:
            yield from self._at(number, _Seen("test", test, self.data.judged))

    def _at(self, number: int, seen: _Seen) -> Iterator[TileData]:
        """What is stored of one time on one set of points."""
        spec, (name, moments, targets) = self.spec, seen
        before = "" if name == "test" else "train_"
        if targets is not None:
            self._judge(name, moments, targets)
        if name in spec.points:
            yield from tiles(f"{before}mean", moments.mean[None], (1, TILE), number)
            self._bound(f"{before}mean", moments.mean_bound)
            if moments.variance is not None:
                yield from self._spread(before, number, moments)
        if name == "test" and spec.samples and moments.covariance is not None:
            assert moments.covariance_bound is not None
            bounds = moments.mean_bound, moments.covariance_bound
            drawn = function_space.sampled(moments.mean, moments.covariance, spec.samples, spec.seed, *bounds)
            yield from tiles("samples", drawn.values[None], (1, TILE), number)
            self._bound("samples", drawn.bound)

    def _spread(self, before: str, number: int, moments: Moments) -> Iterator[TileData]:
        assert moments.variance is not None
        name = {"full": "covariance", "diagonal": "variance"}.get(self.spec.covariance)
        if name is not None:
            values = getattr(moments, name)
            yield from tiles(f"{before}{name}", values[None], (1, TILE), number)
            self._bound(f"{before}{name}", moments.covariance_bound)
        if self.spec.percentiles:
            found = function_space.percentiles(moments.mean, moments.variance, self.spec.percentiles)
            yield from tiles(f"{before}percentiles", found[None], (1, TILE), number)
            assert moments.covariance_bound is not None
            some = self.spec.percentiles, moments.mean_bound, moments.covariance_bound
            self._bound(f"{before}percentiles", function_space.percentile_bound(moments.variance, *some))

    def _judge(self, name: str, moments: Moments, targets: Tensor) -> None:
        """Expected over the ensemble, where there is one."""
        assert not isinstance(self.spec.cost, Direction)
        if self.spec.closed:
            cost = function_space.cost(moments.mean, moments.variance, targets)
        else:
            cost = self.spec.cost.value(moments.mean, targets).mean()
        self.numbers[f"{name}_cost"].append(float(cost))
        self._bound(f"{name}_cost", self._cost_bound(cost, moments, targets))
        self.numbers[f"{name}_accuracy"].append(float(function_space.accuracy(moments.mean, targets)))
        self._bound(f"{name}_accuracy", function_space.accuracy_bound(moments.mean, targets, moments.mean_bound))
        if moments.variance is not None:
            expected = function_space.expected_accuracy(moments.mean, moments.variance, targets)
            self.numbers[f"{name}_expected_accuracy"].append(float(expected))
            assert moments.covariance_bound is not None
            bounds = moments.mean_bound, moments.covariance_bound
            off = function_space.expected_accuracy_bound(moments.mean, moments.variance, targets, *bounds)
            self._bound(f"{name}_expected_accuracy", off)

    def _cost_bound(self, cost: Tensor, moments: Moments, targets: Tensor) -> Tensor:
        """Of what means and variances err by, and of its own rounding."""
        asked, f = self.spec.cost, moments.mean
        assert not isinstance(asked, Direction)
        direction, slope = asked.direction(f, targets), asked.slope(f.shape[1])
        some = direction, moments.mean_bound, moments.covariance_bound
        bound = function_space.cost_bound(*some, steepness=asked.steepness, slope=slope)
        return bound + function_space.cost_rounding(cost, direction, f, squares=self.spec.closed)

    def _bound(self, array: str, bound: Tensor | float | None) -> None:
        if bound is not None:
            value = float(bound)
            self.bounds[array] = inf if isnan(value) else max(self.bounds[array], value)

    def _ended(self) -> Iterator[Result]:
        for name, values in self.numbers.items():
            yield TileData(name, 0, 0, np.array(values))
        for name, bound in self.bounds.items():
            yield ErrorBound(name, bound)


def _certain(f: Tensor, at: function_space.At) -> Moments:
    """Without a spread."""
    return Moments(f, None, None, f.new_tensor(at.error_bound), None)
