"""What a part of a training records, and where in the job's arrays it goes."""

from collections.abc import Iterator
from math import nan, prod
from typing import Any
from uuid import UUID

import numpy as np
import torch
from torch import Tensor

from contracts.training_sizes import ARRAYS_OF, FIELD_OF
from ntk_engine.finite import Around, Parameters, Recording, Run, recording, ritz
from ntk_engine.finite.parameters import joined, parameters
from ntk_engine.finite.recording import Measure
from storage import arrays
from storage.arrays import Numbers, TileData
from worker.inputs import dataset_rows
from worker.training_group import Group, initial

# Inputs whose kernel takes less than a second and 200 MB to decompose, which no plan has counted.
DECOMPOSED = 2048
# Of more inputs, products Θv: 3 to 14 sufficed wherever it was tried, and of 8 alone the largest error was a tenth.
LEAST_PRODUCTS, MOST_PRODUCTS = 8, 24
# Of each output, measured: 1.7 to 2.9.
STEPS_OF_A_PRODUCT = 3


class Records:
    """The recordings of the networks of a group that are still trained."""

    def __init__(self, group: Group, going: list[int], x: Tensor, outputs: int) -> None:
        self._group, self._going, self._x, self._outputs = group, going, x, outputs
        self._initial: Parameters | None = None
        asked = group.spec.record.asked()
        self._steps = {name: schedule.steps(group.spec.steps) for name, schedule in asked.items()}
        here = {name: [step for step in steps if group.holds(step)] for name, steps in self._steps.items()}
        self._here = {name: steps for name, steps in here.items() if steps}
        self.recordings = [
            Recording(array, steps, measure)
            for field, steps in self._here.items()
            if going
            for array, measure in zip(ARRAYS_OF[field], self._measures(field, asked[field]), strict=True)
        ]

    def _measures(self, field: str, schedule: Any) -> tuple[Measure, ...]:
        """The quantities of a field of `record`, one for each of its arrays."""
        arch, x = self._group.spec.architecture, self._x
        on = getattr(schedule, "on", None)
        if on is not None:
            x = dataset_rows(self._group.context, on, None, x.dtype)
        less = self.first() if self._group.spec.centred else None
        if field == "outputs":
            return (recording.outputs(arch, x, less, self.around()),)
        if field == "kernel":
            return (recording.kernels(arch, x),)
        if field == "drift":
            return recording.kernel_drift(arch, x, self.first()), recording.parameter_drift(self.first())
        if field == "movement":
            return (recording.movement(arch, x, self.first()),)
        if field == "parameters":
            return (recording.numbers,)
        return (recording.projections(arch, x, self._components(schedule.components), less, self.around()),)

    def first(self) -> Parameters:
        """θ_0 of the networks that are trained, drawn or read again."""
        if self._initial is None:
            self._initial = parameters(initial(self._group, self._going, self._x, self._outputs))
        return self._initial

    def around(self) -> Around | None:
        """The expansion that is trained, if one is."""
        order = self._group.spec.expansion
        return None if order is None else Around(order, joined(self.first()))

    def _components(self, job: UUID) -> Tensor:
        """Functions of p^in-norm 1: eigenvectors times √N."""
        with self._group.context.database.read() as read:
            stored = arrays.of_job(read, job).get("eigenvectors")
        if stored is None:
            raise LookupError(f"job {job} is no longer there")
        vectors = arrays.block(self._group.context.database, stored, slice(0, stored.plan.rows))
        found: Tensor = torch.from_numpy(vectors).to(self._x) * len(vectors) ** 0.5
        return found

    def tiles(self, found: Run) -> Iterator[TileData]:
        """Of every record one tile a network; NaN where a network had ended."""
        group = self._group
        for name in (array for field in self._here for array in ARRAYS_OF[field]):
            shape = group.stored[name].plan.shape[2:]
            for step in self._here[FIELD_OF[name]]:
                place = self._steps[FIELD_OF[name]].index(step)
                for number, values in enumerate(self._values(found, name, step, shape)):
                    yield TileData(name, group.first + number, place, values[None], gaps=True)
        if group.start == 0 and group.first == 0:
            for field, when in self._steps.items():
                yield TileData(f"{field}_steps", 0, 0, np.array(when, dtype=np.float64)[:, None])

    def _values(self, found: Run, name: str, step: int, shape: tuple[int, ...]) -> Numbers:
        values = found.recorded.get(name, {}).get(step)
        if values is None:
            return np.full((self._group.count, prod(shape)), np.nan)
        return self._group.spread(values.flatten(1) if values.ndim > 1 else values[:, None], self._going)

    def largest_rate(self, place: int, made: int) -> float:
        """2/λ_1 of the kernel over N at θ_0, below which gradient descent converges in the limit of infinite width.

        Of many inputs λ_1 is a Ritz value, and the rate at least 2/λ_1; made: steps of the network, the others being
        the time there is for it. NaN where it is too short, and where the kernel is zero or no number.
        """
        arch, x = self._group.spec.architecture, self._x
        params = tuple(type(some)(*(part[place : place + 1] for part in some)) for some in self.first())
        if len(x) > DECOMPOSED:
            products = self._products(made)
            largest = ritz.largest(arch, joined(params), x, products) if products >= LEAST_PRODUCTS else nan
        else:
            theta = recording.kernels(arch, x)(params, ())[0].double()
            largest = float(torch.linalg.eigvalsh(theta)[-1]) if bool(theta.isfinite().all()) else nan
        return 2.0 * len(x) / largest if largest > 0.0 else nan

    def _products(self, made: int) -> int:
        """How many Θv take no longer than the steps that were planned and not made."""
        spec, count = self._group.spec, len(self._x)
        left = (spec.steps - made) * min(spec.batch_size or count, count) / count
        return min(MOST_PRODUCTS, int(left / STEPS_OF_A_PRODUCT / self._outputs))
