"""What an answer stores and costs: one decomposition, and what is looked at in its basis."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.dynamics import Descent
from contracts.function_space_sizes import Sizes
from contracts.plan import SECONDS_PER_FLOP, SECONDS_PER_TILE_AND_LAYER, ArrayPlan, PartPlan, Plan, check_limits
from contracts.prediction_plan import CROSSES, DECOMPOSITION, MATRICES, TESTS, TILE
from contracts.problems import INVALID_REQUEST
from contracts.settings import Settings
from contracts.tiling import check_layers, pairs_seconds

if TYPE_CHECKING:
    from contracts.answers import AnswerSpec, LearningCurve

# Points of the curve of early stopping that are stored; behind its end there are none.
CURVE = 1000
# Flops of the points' effective ridges, over N³, for a size and a ridge: five inverses, one more and three products.
EFFECTIVE = 30.0
# Operations of all bounds of costs, over N²: divided differences of all pairs at some times, where a descent swings.
BOUNDS = 64 * 30.0
# Times that are looked at: 40 a decade of the spectrum's, and those between them.
TIMES = 1000
# Of every level, times that are a point's own, and what an exponential takes in flops.
OWN, EXPONENTIAL = 10, 20.0


def plan(spec: "AnswerSpec", sizes: Sizes, limits: Settings) -> Plan:
    """Arrays, the one part, and cost; raises ProblemError for what does not fit the question, or no worker holds."""
    question = spec.question
    _check_test(spec, sizes)
    if question.type == "learning_curve":
        _check_sizes(question, sizes)
    n, other, k = sizes.train, sizes.test, sizes.outputs
    arrays = tuple(_arrays(spec, sizes))
    seconds = (DECOMPOSITION * n**3 + 4.0 * n * n * other) * SECONDS_PER_FLOP
    if spec.architecture is not None:
        check_layers(spec.architecture, int(limits.max_job_seconds / SECONDS_PER_TILE_AND_LAYER))
        points = n + other
        seconds += pairs_seconds(spec.architecture, points * (points + 1) / 2, sizes.dimension, len(spec.needed))
    if question.type == "learning_order":
        own = len(question.levels) * OWN * (EXPONENTIAL + 4.0 * k)
        seconds += (TIMES * 2.0 * k + own) * n * n * SECONDS_PER_FLOP
    elif question.type == "early_stopping":
        bounds = BOUNDS if isinstance(question.dynamics, Descent) else 0.0
        seconds += (TIMES * 2.0 + bounds) * n * n * SECONDS_PER_FLOP
    elif question.theory == "points":
        seconds += len(question.sizes) * len(question.ridges) * EFFECTIVE * n**3 * SECONDS_PER_FLOP
    memory = 8 * (MATRICES * n * n + CROSSES * n * other + TESTS * other)
    stored = sum(array.stored_bytes for array in arrays)
    part = PartPlan({}, len(arrays))
    return check_limits(Plan(arrays, (part,), "arrays", seconds, memory + 2 * stored), limits, "/train")


def _check_test(spec: "AnswerSpec", sizes: Sizes) -> None:
    if spec.held_out and not sizes.judged:
        said = "The expected cost is that of points held out, a test set with targets, or follows from a stated noise."
        raise INVALID_REQUEST.error(said, "/test" if spec.test is not None else "/question/noise")
    if not spec.held_out and spec.test is not None:
        raise INVALID_REQUEST.error("This question is about the points trained on; leave test out.", "/test")


def _check_sizes(question: "LearningCurve", sizes: Sizes) -> None:
    for number, size in enumerate(question.sizes):
        if size > sizes.train:
            said = f"There are {sizes.train} points to draw from."
            raise INVALID_REQUEST.error(said, f"/question/sizes/{number}")


def _arrays(spec: "AnswerSpec", sizes: Sizes) -> Iterator[ArrayPlan]:
    question, n = spec.question, sizes.train
    if question.type == "early_stopping":
        for name in ("time", "cost", "start_cost", "end_cost", "saved"):
            yield _of(name, 1)
        yield from _with_bound("interval", 2)
        yield _of("times", CURVE)
        yield from _with_bound("costs", CURVE)
    elif question.type == "learning_order":
        yield from _with_bound("components", len(question.levels), n)
        yield from _with_bound("points", len(question.levels), n)
        yield _of("eigenvalues", n)
    else:
        rows = len(question.ridges)
        for name in ("unseen_error", "train_error", "everywhere_error", "kappa"):
            yield from _with_bound(name, rows, len(question.sizes))
        if question.theory == "points":
            yield from _with_bound("points_error", rows, len(question.sizes), n)
        yield _of("learnability", rows, len(question.sizes), n)
        yield _of("eigenvalues", n)


def _with_bound(name: str, *shape: int) -> Iterator[ArrayPlan]:
    """An array, and how far each of its entries may be off."""
    yield _of(name, *shape)
    yield _of(f"{name}_bound", *shape)


def _of(name: str, *shape: int) -> ArrayPlan:
    if len(shape) == 1:
        return ArrayPlan(name, shape, "float64", TILE, 1)
    return ArrayPlan(name, shape, "float64", 1, min(shape[-1] * (shape[1] if len(shape) > 2 else 1), TILE))
