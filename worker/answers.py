"""Answer jobs: one part, from kernels and targets to when to stop, what is learned last, or how the error falls."""

from collections.abc import Iterator
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from contracts.answer_plan import CURVE
from contracts.answers import AnswerSpec, EarlyStopping, LearningCurve, LearningOrder
from contracts.prediction_plan import TILE
from ntk_engine import function_space, spectrum
from ntk_engine.function_space import Gaussian, HeldOut, Noise, Stopping
from storage.arrays import ErrorBound, TileData
from storage.jobs.transitions import Claim
from worker.context import Context
from worker.function_space_inputs import Data, data_of, dynamics_of, kernels, start_of
from worker.parts import Result
from worker.tiles import tiles


def run(claim: Claim, context: Context) -> Iterator[Result | None]:
    """The arrays of the question."""
    spec = AnswerSpec.model_validate(claim.job_spec)
    data = data_of(spec, context)
    yield None
    if isinstance(spec.question, EarlyStopping):
        yield from _early_stopping(spec, spec.question, data, context)
    elif isinstance(spec.question, LearningOrder):
        yield from _learning_order(spec, spec.question, data, context)
    else:
        yield from _learning_curve(spec, spec.question, data, context)


def _early_stopping(spec: AnswerSpec, question: EarlyStopping, data: Data, context: Context) -> Iterator[Result | None]:
    blocks = kernels(spec, context, whole=False)
    yield None
    g = function_space.gaussian(
        blocks[spec.moving],
        None if spec.prior is None else blocks[spec.prior],
        data.y,
        [float("inf")],
        dynamics=dynamics_of(question.dynamics),
        start=start_of(spec, data),
        ridge=question.ridge,
        covariance="diagonal" if spec.random else "none",
    )
    yield None
    known: HeldOut | Noise
    if question.noise is None:
        assert data.judged is not None
        known = HeldOut(data.judged)
    else:
        known = Noise(question.noise**2)
    found = function_space.early_stopping(g, known, slack=question.slack)
    if not (isfinite(found.cost) and isfinite(found.start)):
        raise ArithmeticError("the cost of these targets is too large a number for float64")
    yield from _stopping(found)


def _stopping(found: Stopping) -> Iterator[Result]:
    """Each number with its bound, and some of the curve."""
    numbers = {
        "time": (found.time, found.time_bound),
        "cost": (found.cost, found.cost_bound),
        "start_cost": (found.start, found.start_bound),
        "end_cost": (found.end, found.end_bound),
        "saved": (found.saved, found.saved_bound),
    }
    for name, (value, bound) in numbers.items():
        yield _vector(name, torch.tensor([value], dtype=torch.float64))
        yield ErrorBound(name, bound)
    interval, off = (torch.tensor(pair, dtype=torch.float64) for pair in (found.interval, found.interval_bound))
    yield from _with_bounds("interval", interval, off)
    some = torch.linspace(0, len(found.times) - 1, min(CURVE, len(found.times))).round().long()
    times, costs, bounds = (x.cpu()[some] for x in (found.times, found.costs, found.costs_bound))
    yield _vector("times", times, CURVE)
    # They are what was asked for.
    yield ErrorBound("times", 0.0)
    yield from _with_bounds("costs", costs, bounds, CURVE)


def _learning_order(spec: AnswerSpec, question: LearningOrder, data: Data, context: Context) -> Iterator[Result | None]:
    blocks = kernels(spec, context, whole=False)
    yield None
    g: Gaussian = function_space.gaussian(
        blocks[spec.moving], None, data.y, [0.0], start=start_of(spec, data), covariance="none"
    )
    yield _vector("eigenvalues", g.eigenvalues)
    yield ErrorBound("eigenvalues", float(g.eigenvalues_bound))
    to_gain = data.y if data.start is None else data.y - data.start.train
    for row, found in enumerate(function_space.learning_order(g, to_gain, question.levels)):
        yield from _row("components", row, found.components, found.components_bound)
        yield from _row("points", row, found.points, found.points_bound)
        yield None


def _learning_curve(spec: AnswerSpec, question: LearningCurve, data: Data, context: Context) -> Iterator[Result | None]:
    k = kernels(spec, context, whole=False)[spec.moving].train
    yield None
    found = spectrum.eigh(k)
    assert found.eigenvectors is not None
    coefficients = found.eigenvectors.mT @ data.y / len(data.y) ** 0.5
    errors, noise = spectrum.errors(k, found), question.noise**2
    yield _vector("eigenvalues", found.eigenvalues)
    yield ErrorBound("eigenvalues", float(errors.amax()))
    asked = found.eigenvalues, coefficients, question.sizes, question.ridges
    curve = spectrum.learning_curve(*asked, noise=noise)
    off = spectrum.errors_of(found, errors, data.y)
    bounds = spectrum.learning_bounds(curve, *asked, errors=off, noise=noise)
    yield from _rows("kappa", curve.kappa, bounds.kappa)
    for row, learned in enumerate(curve.learnability):
        yield from _entries("learnability", row, learned)
    yield ErrorBound("learnability", float(bounds.learnability.amax()))
    if question.theory == "spectrum":
        for name in ("unseen", "train", "everywhere"):
            yield from _rows(f"{name}_error", getattr(curve, name), getattr(bounds, name))
        return
    for row, ridge in enumerate(question.ridges):
        # A ridge at a time, which the lease may be looked at between.
        whole = spectrum.population_curve(k, data.y, question.sizes, [ridge], noise=noise)
        for name in ("unseen", "train", "everywhere", "points"):
            yield from _rows(f"{name}_error", getattr(whole, name), getattr(whole, f"{name}_bound"), row)
        yield None


def _rows(name: str, values: Tensor, bounds: Tensor, first: int = 0) -> Iterator[Result]:
    """Rows of an array, and their bounds."""
    for row, (entries, off) in enumerate(zip(values, bounds, strict=True), start=first):
        yield from _row(name, row, entries, off)


def _vector(name: str, values: Tensor, length: int | None = None) -> TileData:
    """An array of one dimension, NaN behind its end; it may hold inf, as for what is never learned."""
    entries = values.double().cpu().numpy()
    behind = (length or len(entries)) - len(entries)
    return TileData(name, 0, 0, np.pad(entries, (0, behind), constant_values=np.nan), gaps=True)


def _with_bounds(name: str, values: Tensor, bounds: Tensor, length: int | None = None) -> Iterator[Result]:
    """An array of one dimension, that of its bounds, and their largest."""
    yield _vector(name, values, length)
    yield _vector(f"{name}_bound", bounds, length)
    yield ErrorBound(name, float(bounds.amax()))


def _row(name: str, number: int, values: Tensor, bounds: Tensor) -> Iterator[Result]:
    """One row of an array, the same of its bounds, and their largest."""
    yield from _entries(name, number, values)
    yield from _entries(f"{name}_bound", number, bounds)
    yield ErrorBound(name, float(bounds.amax()))


def _entries(name: str, number: int, values: Tensor) -> Iterator[TileData]:
    """One row of an array, which may hold inf; raises ArithmeticError where it is no number."""
    if bool(values.isnan().any()):
        raise ArithmeticError(f"{name} is beyond the numbers of float64")
    return tiles(name, values[None], (1, TILE), number, gaps=True)
