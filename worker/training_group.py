"""Some networks of a training job, from one of its steps to another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contracts.trainings import TrainingSpec
from ntk_engine import finite
from storage import arrays
from storage.arrays import Numbers, Stored
from worker.context import Context
from worker.given import given
from worker.inputs import DTYPES


@dataclass(frozen=True)
class Group:
    """The networks [first, end) of a job and the steps [start, stop) of a part."""

    context: Context
    spec: TrainingSpec
    stored: Mapping[str, Stored]
    first: int
    end: int
    start: int
    stop: int

    @property
    def seeds(self) -> list[int]:
        return self.spec.seeds[self.first : self.end]

    @property
    def count(self) -> int:
        return self.end - self.first

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.spec.dtype]

    @property
    def last(self) -> bool:
        """Whether the training ends here."""
        return self.stop == self.spec.steps

    def holds(self, step: int) -> bool:
        """Whether what is recorded at a step is recorded here."""
        return self.start <= step < self.stop or (self.last and step == self.stop)

    def stored_rows(self, name: str, cols: slice | None = None, *, only: int | None = None) -> Numbers:
        """What earlier parts left of these networks, or of one of them."""
        rows = slice(self.first, self.end) if only is None else slice(self.first + only, self.first + only + 1)
        return arrays.block(self.context.database, self.stored[name], rows, cols)

    def spread(self, values: Tensor, going: list[int]) -> Numbers:
        """Of the networks that were trained, as of all: NaN for those that had ended before."""
        whole = np.full((self.count, *values.shape[1:]), np.nan)
        whole[going] = values.double().cpu().numpy()
        return whole


def initial(group: Group, going: list[int], x: Tensor, outputs: int) -> list[Tensor]:
    """θ_0 of some of the networks, drawn from their seeds or as it is given, in room of its own."""
    spec, seeds = group.spec, [group.seeds[number] for number in going]
    source = spec.trained or spec.uploaded
    shape = spec.architecture, x.shape[1], outputs
    if source is None:
        return finite.weights(*shape, seeds, dtype=x.dtype, device=x.device)
    # Of one network, which may have ended already.
    theta = given(group.context, source, spec.architecture)[: len(going)].to(x.device)
    return finite.unflattened(theta, finite.empty(*shape, len(going), dtype=x.dtype, device=x.device))
