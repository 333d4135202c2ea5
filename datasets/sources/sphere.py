"""The unit sphere, on which the paper's Proposition 2 holds."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contracts.settings import Settings
from datasets.fields import Count, Dimension, Seed, require_room
from datasets.sources.source import Drawn, SourceModel


class Sphere(SourceModel):
    """Independent uniform points on the sphere of `radius` in R^d: x is n×d, a normalised Gaussian vector a row."""

    type: Literal["sphere"]
    points: Count = Field(examples=[100])
    dimension: Dimension = Field(examples=[10])
    radius: Annotated[float, Field(gt=0)] = 1.0
    seed: Seed = 0

    def arrays(self, settings: Settings) -> Drawn:
        require_room(self.points, self.dimension, settings.max_upload_bytes, "/source/points")
        rng = np.random.Generator(np.random.PCG64(self.seed))
        x = rng.standard_normal((self.points, self.dimension))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        x *= self.radius
        return Drawn(x, f"sphere: {self.points:,} points in {self.dimension} dimensions, seed {self.seed}")
