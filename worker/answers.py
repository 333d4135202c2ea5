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
from ntk_engine.function_space import Gaussian, HeldOut, Noise
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
    numbers = {
        "time": found.time,
        "cost": found.cost,
        "start_cost": found.start,
        "end_cost": found.end,
        "saved": found.saved,
    }
    for name, value in numbers.items():
        yield _vector(name, torch.tensor([value], dtype=torch.float64))
    if data.judged is not None:
        times = {"cost": found.time, "start_cost": 0.0, "end_cost": float("inf")}
        bounds = {name: _cost_bound(g, data.judged, time) for name, time in times.items()}
        yield from (ErrorBound(name, bound) for name, bound in bounds.items())
        yield ErrorBound("saved", bounds["cost"] + bounds["end_cost"])
    yield _vector("interval", torch.tensor(found.interval, dtype=torch.float64))
    some = torch.linspace(0, len(found.times) - 1, min(CURVE, len(found.times))).round().long()
    yield _vector("times", found.times.cpu()[some], CURVE)
    yield _vector("costs", found.costs.cpu()[some], CURVE)


def _cost_bound(g: Gaussian, targets: Tensor, time: float) -> float:
    """How far the cost on points held out may be off."""
    found = g.test_at(time)
    bound = function_space.cost_bound(found.mean - targets, found.mean_bound, found.covariance_bound)
    return float(bound)


def _learning_order(spec: AnswerSpec, question: LearningOrder, data: Data, context: Context) -> Iterator[Result | None]:
    blocks = kernels(spec, context, whole=False)
    yield None
    g: Gaussian = function_space.gaussian(
        blocks[spec.moving], None, data.y, [0.0], start=start_of(spec, data), covariance="none"
    )
    yield _vector("eigenvalues", g.eigenvalues)
    yield ErrorBound("eigenvalues", float(g.eigenvalues_bound))
    to_gain = data.y if data.start is None else data.y - data.start.train
    for row, level in enumerate(question.levels):
        found = function_space.learning_order(g.eigenvalues, g.eigenvectors, to_gain, level)
        yield from _row("components", row, found.components)
        yield from _row("points", row, found.points)
        yield None


def _learning_curve(spec: AnswerSpec, question: LearningCurve, data: Data, context: Context) -> Iterator[Result | None]:
    blocks = kernels(spec, context, whole=False)
    yield None
    found = spectrum.eigh(blocks[spec.moving].train)
    assert found.eigenvectors is not None
    coefficients = found.eigenvectors.mT @ data.y / len(data.y) ** 0.5
    yield _vector("eigenvalues", found.eigenvalues)
    yield ErrorBound("eigenvalues", float(spectrum.errors(blocks[spec.moving].train, found).amax()))
    curve = spectrum.learning_curve(
        found.eigenvalues, coefficients, question.sizes, question.ridges, noise=question.noise**2
    )
    yield from _rows({"kappa": curve.kappa, "learnability": curve.learnability})
    if question.theory == "spectrum":
        yield from _rows(_errors(curve))
        return
    for row, ridge in enumerate(question.ridges):
        # A ridge at a time, which the lease may be looked at between.
        whole = spectrum.population_curve(
            blocks[spec.moving].train, data.y, question.sizes, [ridge], noise=question.noise**2
        )
        yield from _rows(_errors(whole) | {"points_error": whole.points}, row)
        yield None


def _errors(curve: spectrum.LearningCurve | spectrum.PopulationCurve) -> dict[str, Tensor]:
    return {"unseen_error": curve.unseen, "train_error": curve.train, "everywhere_error": curve.everywhere}


def _rows(named: dict[str, Tensor], first: int = 0) -> Iterator[TileData]:
    for name, values in named.items():
        for row, entries in enumerate(values, start=first):
            yield from _row(name, row, entries)


def _vector(name: str, values: Tensor, length: int | None = None) -> TileData:
    """An array of one dimension, NaN behind its end; it may hold inf, as for what is never learned."""
    entries = values.double().cpu().numpy()
    behind = (length or len(entries)) - len(entries)
    return TileData(name, 0, 0, np.pad(entries, (0, behind), constant_values=np.nan), gaps=True)


def _row(name: str, number: int, values: Tensor) -> Iterator[TileData]:
    """One row of an array, which may hold inf; raises ArithmeticError where it is no number."""
    if bool(values.isnan().any()):
        raise ArithmeticError(f"{name} is beyond the numbers of float64")
    return tiles(name, values[None], (1, TILE), number, gaps=True)
