"""How f_t is followed where it has no closed form of least squares: by integration, in steps, or as it is told."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from contracts.direction import Direction
from contracts.dynamics import Descent
from contracts.predictions import PredictionSpec
from ntk_engine import function_space
from ntk_engine.function_space import At, Blocks, Directions, GradientDescent
from worker.function_space_inputs import Data


class Path(Protocol):
    """f_t, time by time."""

    @property
    def eigenvalues(self) -> Tensor:
        """λ of K/N (N), falling."""

    @property
    def eigenvalues_bound(self) -> float:
        """A bound on the error of each."""

    def __iter__(self) -> Iterator[At]: ...


def path(spec: PredictionSpec, blocks: Blocks, data: Data) -> Path:
    """The way that a spec asks for; raises ValueError as the engine does."""
    if isinstance(spec.cost, Direction):
        return function_space.along(
            blocks.train, blocks.cross, _directions(spec, spec.cost, data), spec.times, start=data.start
        )
    if isinstance(spec.dynamics, Descent):
        dynamics = GradientDescent(spec.dynamics.learning_rate, spec.dynamics.momentum)
        return function_space.descend(
            blocks.train, blocks.cross, data.y, spec.cost, dynamics, spec.times, start=data.start
        )
    assert spec.tolerance is not None
    return function_space.follow(
        blocks.train, blocks.cross, data.y, spec.cost, spec.times, start=data.start, tolerance=spec.tolerance
    )


def _directions(spec: PredictionSpec, asked: Direction, data: Data) -> Directions:
    """Blocks of the targets' columns, N×mk, as m×N×k; the last constant one holds until the last time, or longer."""
    n, m = len(data.y), len(asked.starts)
    values = data.y.reshape(n, m, -1).transpose(0, 1)
    if asked.between == "linear":
        return Directions(tuple(asked.starts[1:]), values, "linear")
    return Directions((*asked.starts[1:], max(spec.times[-1], asked.starts[-1]) + 1.0), values)
