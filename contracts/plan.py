"""The planner's nouns: what a job stores, how it is cut into parts, and what it costs.

A plan is made from a spec and the shapes it refers to, before any row exists; a job beyond the limits is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from contracts.problems import TOO_LARGE
from contracts.settings import Settings

ITEM_BYTES = {"float64": 8, "float32": 4}
# One core's share of the work, in seconds: a flop of an eigensolver.
SECONDS_PER_FLOP = 1 / 30e9
# What a layer costs a tile however small: a dozen or more calls into torch.
SECONDS_PER_TILE_AND_LAYER = 150e-6
SECONDS_PER_STORED_BYTE = 1 / 200e6
# Rows of a dataset on their way to a part: read, checked, converted and scaled.
SECONDS_PER_ROW_BYTE = 1 / 250e6


@dataclass(frozen=True)
class ArrayPlan:
    """A named array and its tiles: as a matrix of shape[0] rows and prod(shape[1:]) columns.

    Of a symmetric array only the tiles on and above the diagonal are stored.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    tile_rows: int
    tile_cols: int
    symmetric: bool = False

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def cols(self) -> int:
        product = 1
        for size in self.shape[1:]:
            product *= size
        return product

    @property
    def grid(self) -> tuple[int, int]:
        """Number of tiles down and across."""
        return ceil(self.rows / self.tile_rows), ceil(self.cols / self.tile_cols)

    @property
    def stored_tiles(self) -> int:
        down, across = self.grid
        return down * (down + 1) // 2 if self.symmetric else down * across

    @property
    def stored_bytes(self) -> int:
        size = self.rows * self.cols * ITEM_BYTES[self.dtype]
        down, _ = self.grid
        return ceil(size * (down + 1) / (2 * down)) if self.symmetric else size


@dataclass(frozen=True)
class PartPlan:
    """A piece of a job that one worker computes and commits: JSON that its kind understands, and its share of work."""

    spec: dict[str, Any]
    work: int
    after: tuple[int, ...] = ()
    """The parts, by their places in the plan, that must be done before this one."""


@dataclass(frozen=True)
class Plan:
    """What a job will store, compute and cost. `seconds` are one core's; `memory_bytes` one worker's at its peak."""

    arrays: tuple[ArrayPlan, ...]
    parts: tuple[PartPlan, ...]
    unit: str
    seconds: float
    memory_bytes: int

    @property
    def work(self) -> int:
        return sum(part.work for part in self.parts)


@dataclass(frozen=True)
class References:
    """The shapes that a spec refers to, looked up by the ids that stand in it."""

    datasets: Mapping[str, Mapping[str, ArrayPlan]] = field(default_factory=dict)
    jobs: Mapping[str, Mapping[str, ArrayPlan]] = field(default_factory=dict)
    specs: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Of the same jobs, kind and spec."""


def check_limits(plan: Plan, limits: Settings, pointer: str) -> Plan:
    """`plan` itself, or a `too-large` problem with the planner's figures beside the limits.

    pointer: the field of the spec that the size comes from.
    """
    figures = {
        "seconds": round(plan.seconds, 3),
        "largest_array_bytes": max((array.stored_bytes for array in plan.arrays), default=0),
        "memory_bytes": plan.memory_bytes,
        "parts": len(plan.parts),
    }
    bounds = {
        "seconds": limits.max_job_seconds,
        "largest_array_bytes": limits.max_array_bytes,
        "memory_bytes": limits.memory_bytes,
    }
    beyond = [name for name, bound in bounds.items() if figures[name] > bound]
    if beyond:
        said = ", ".join(f"{name} {figures[name]:g} (limit {bounds[name]:g})" for name in beyond)
        said = f"The job exceeds what this service takes: {said}."
        raise TOO_LARGE.error(said, pointer, figures=figures | {"limits": bounds})
    return plan
