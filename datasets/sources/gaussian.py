"""Gaussian inputs, such as the N(0, 1) points that the paper's Figure 1 trains on."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contracts.settings import Settings
from datasets.fields import Count, Dimension, Seed, require_room
from datasets.sources.source import Drawn, SourceModel


class Gaussian(SourceModel):
    """Independent N(0, `std`²) coordinates: x is n×d."""

    type: Literal["gaussian"]
    points: Count = Field(examples=[100])
    dimension: Dimension = Field(examples=[2])
    std: Annotated[float, Field(gt=0)] = 1.0
    seed: Seed = 0

    def arrays(self, settings: Settings) -> Drawn:
        require_room(self.points, self.dimension, settings.max_upload_bytes, "/source/points")
        rng = np.random.Generator(np.random.PCG64(self.seed))
        x = rng.standard_normal((self.points, self.dimension))
        with np.errstate(over="ignore"):  # what overflows is refused with the request
            x *= self.std
        return Drawn(x, f"gaussian: {self.points:,} points in {self.dimension} dimensions, seed {self.seed}")
