"""What a prediction stores and costs: one decomposition of the Gram matrix, and from it every time."""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from contracts.function_space_sizes import Sizes
from contracts.plan import (
    SECONDS_PER_FLOP,
    SECONDS_PER_STORED_BYTE,
    SECONDS_PER_TILE_AND_LAYER,
    ArrayPlan,
    PartPlan,
    Plan,
    check_limits,
)
from contracts.settings import Settings
from contracts.tiling import Matrix, check_layers, pairs_seconds

if TYPE_CHECKING:
    from contracts.predictions import PredictionSpec
    from contracts.random_functions import RandomFunctions

# Entries of a tile, which is of one time.
TILE = 2**18
# Flops that bounds on errors take of a time for each pair of points, in what it takes.
BOUND = 4000.0
# A step of descent however small: some twenty calls into torch, as flops.
STEP = 6e6
# Descents of normal errors beside one that may make errors grow, copies of them, and what a number that is drawn takes
# in flops.
PROBES, COPIES, DRAWN = 8, 6, 400.0
# Steps of integration, of which most tasks take some hundred to two thousand.
STEPS = 1000
# Peaks in matrices of the size of the Gram matrix (measured: 11 to 29, by how many eigenvalues are taken in two words),
# of the cross matrix, and of the test points' own.
MATRICES, CROSSES, TESTS = 30, 5, 4
# Matrices of all points, for the root of a covariance.
ROOTS = 4
# Flops of a decomposition, over N³: from 10, to 120 where half of the inputs have near twins.
DECOMPOSITION = 30.0
# Conjugate gradients: exact products, rough ones, and numbers of a row beside what is held of the kernel: columns of
# the preconditioner, copies of the inputs, and of outputs.
ROUNDS, ITERATIONS = 6, 300
HELD_COLUMNS, HELD_ROWS, HELD_OUTPUTS = 2500, 4, 20
# And of that of all outputs at all points: the matrix of a step, and its factor.
FACTORS = 3


def plan(spec: "PredictionSpec", sizes: Sizes, limits: Settings) -> Plan:
    """Arrays, the one part, and cost; raises ProblemError for what no worker, or no array, holds."""
    iterated = spec.iterable and _memory(spec, sizes) > limits.memory_bytes
    arrays = tuple(_arrays(spec, sizes, iterated=iterated))
    stored = sum(array.stored_bytes for array in arrays)
    kernels, n, k = _kernel_seconds(spec, sizes, limits), sizes.train, sizes.outputs
    if iterated:
        seconds = ROUNDS * kernels + ITERATIONS * 2.0 * n * n * k * SECONDS_PER_FLOP
        memory = 2 * n * n + 8 * n * (HELD_COLUMNS + HELD_ROWS * sizes.dimension + HELD_OUTPUTS * k)
    else:
        seconds, memory = kernels + _seconds(spec, sizes), _memory(spec, sizes)
        if spec.random_functions is not None:
            seconds += _random_seconds(spec, spec.random_functions, sizes, limits)
            memory += 8 * ROOTS * (n + sizes.test) ** 2
    largest = max(arrays, key=lambda array: array.stored_bytes).name
    pointer = "/times" if not spec.closed and spec.dynamics.type == "descent" else "/train"
    pointer = "/covariance" if largest.endswith("covariance") else "/samples" if largest == "samples" else pointer
    part = PartPlan({"method": "conjugate" if iterated else "dense"}, len(spec.times))
    # All that a part makes is stored at its end.
    whole = Plan(arrays, (part,), "times", seconds + stored * SECONDS_PER_STORED_BYTE, memory + 2 * stored)
    return check_limits(whole, limits, pointer)


def _memory(spec: "PredictionSpec", sizes: Sizes) -> int:
    """Bytes of matrices at their peak."""
    n, other = sizes.train, sizes.test
    held = 8 * (MATRICES * n * n + CROSSES * n * other + TESTS * other * (other if spec.whole else 1))
    if not spec.closed and spec.dynamics.type == "descent":
        held += 8 * (n * sizes.outputs * (sizes.outputs + COPIES * PROBES) + PROBES * other * sizes.outputs)
    return held if spec.tolerance is None else held + 8 * FACTORS * (n * sizes.outputs) ** 2


def sets(spec: "PredictionSpec", sizes: Sizes) -> Iterator[tuple[str, int]]:
    """The points on which arrays are stored: what their names begin with, and how many."""
    if "test" in spec.points and sizes.test:
        yield "", sizes.test
    if "train" in spec.points:
        yield "train_", sizes.train


def _arrays(spec: "PredictionSpec", sizes: Sizes, *, iterated: bool) -> Iterator[ArrayPlan]:
    t, k = len(spec.times), sizes.outputs
    for before, n in sets(spec, sizes):
        yield _of_times(f"{before}mean", t, n, k)
        if spec.random and spec.covariance == "full":
            yield _of_times(f"{before}covariance", t, n, n)
        if spec.random and spec.covariance == "diagonal":
            yield _of_times(f"{before}variance", t, n)
        if spec.random and spec.percentiles:
            yield _of_times(f"{before}percentiles", t, len(spec.percentiles), n, k)
    if spec.samples and sizes.test:
        yield _of_times("samples", t, spec.samples, sizes.test, k)
    if not spec.closed:
        yield _of_times("decrease", t)
    if spec.random_functions is not None:
        yield from _of_functions(spec.random_functions, sizes, t)
    for name in ("train", *(("test",) if sizes.judged else ())):
        yield _of_times(f"{name}_cost", t)
        if spec.judges:
            yield _of_times(f"{name}_accuracy", t)
        if spec.random:
            yield _of_times(f"{name}_expected_accuracy", t)
    if iterated:
        yield ArrayPlan("residuals", (k,), "float64", TILE, 1)
    elif not spec.end_alone:
        yield ArrayPlan("eigenvalues", (sizes.train,), "float64", TILE, 1)


def _of_functions(asked: "RandomFunctions", sizes: Sizes, times: int) -> Iterator[ArrayPlan]:
    """Errors for every number of functions."""
    counts = len(asked.counts)
    yield ArrayPlan("kernel_error", (counts, 2), "float64", TILE, 2)
    if asked.of == "gaussian":
        yield ArrayPlan("expected_error", (counts,), "float64", TILE, 1)
    yield ArrayPlan("train_missed", (counts, times), "float64", 1, times)
    if sizes.test:
        yield ArrayPlan("test_missed", (counts, times), "float64", 1, times)


def _of_times(name: str, *shape: int) -> ArrayPlan:
    if len(shape) == 1:
        return ArrayPlan(name, shape, "float64", TILE, 1)
    return ArrayPlan(name, shape, "float64", 1, min(prod(shape[1:]), TILE))


def _step(points: int, outputs: int) -> float:
    """Flops of a step of integration: curvatures, their factor, and twelve products."""
    pairs, size = outputs * (outputs + 1) // 2, points * outputs
    return 2.0 * pairs * points**3 + size**3 / 3 + 12.0 * size * (size + 2.0 * points)


def _path(spec: "PredictionSpec", sizes: Sizes) -> float:
    """Flops of the way to the last time: of integration, of steps of descent, or of what is given."""
    n, k = sizes.train, sizes.outputs
    if spec.tolerance is not None:
        return STEPS * _step(n, k)
    steps = each = 0.0
    if spec.dynamics.type == "descent":
        steps, each = spec.times[-1] / spec.dynamics.learning_rate, 2.0 * n * n * k + STEP
        if spec.dynamics.momentum:
            each += PROBES * (2.0 * n + DRAWN) * n * k + STEP
    return each * steps + len(spec.times) * 2.0 * (2 * n + sizes.test) * n * k


def _kernel_seconds(spec: "PredictionSpec", sizes: Sizes, limits: Settings) -> float:
    """Of computing the kernels, where no job has done it."""
    if spec.architecture is None:
        return 0.0
    check_layers(spec.architecture, int(limits.max_job_seconds / SECONDS_PER_TILE_AND_LAYER))
    points = sizes.train + sizes.test
    return pairs_seconds(spec.architecture, points * (points + 1) / 2, sizes.dimension, len(spec.needed))


def _random_seconds(spec: "PredictionSpec", asked: "RandomFunctions", sizes: Sizes, limits: Settings) -> float:
    """Of drawing functions, and of a prediction for every number of them."""
    points, matrix = sizes.train + sizes.test, None
    if spec.architecture is not None:
        matrix = Matrix(spec.architecture, points, sizes.dimension, 1, "float64")
    drawing = asked.seconds(matrix, points, sizes.train, limits)
    return drawing + DECOMPOSITION * points**3 * SECONDS_PER_FLOP + len(asked.counts) * _seconds(spec, sizes)


def _seconds(spec: "PredictionSpec", sizes: Sizes) -> float:
    """Of the decomposition, and of every time's products, or of the steps of integration."""
    n, other = sizes.train, sizes.test
    if not spec.closed:
        return (DECOMPOSITION * n**3 + _path(spec, sizes)) * SECONDS_PER_FLOP
    flops = DECOMPOSITION * n**3 + 4.0 * n * n * other
    each = 2.0 * (n + other) * n * sizes.outputs + BOUND * n * n
    if spec.random and (spec.covariance == "full" or spec.samples):
        each += 4.0 * n * sum(count * count for _, count in sets(spec, sizes))
    if spec.samples:
        each += 10.0 * other**3 + 2.0 * other * other * spec.samples * sizes.outputs
    elif spec.random:
        each += 4.0 * n * (n + other)
    return (flops + len(spec.times) * each) * SECONDS_PER_FLOP
