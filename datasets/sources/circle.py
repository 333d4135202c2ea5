"""The unit circle in the plane, on which the paper's Figures 1 and 2 live (n_0 = 2)."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from contracts.settings import Settings
from datasets.fields import Count, Seed, fault, require_room
from datasets.sources.source import Drawn, Float, SourceModel


class Circle(SourceModel):
    """Points (cos γ, sin γ): x is n×2.

    Either `points` of them, at equispaced angles 2πi/n or, with `spacing: random`, at uniform random ones (`seed`);
    or at the `angles` given, in radians.
    """

    type: Literal["circle"]
    angles: Annotated[list[float], Field(min_length=1)] | None = Field(None, description="angles γ in radians")
    points: Count | None = Field(None, description="how many points, instead of `angles`", examples=[100])
    spacing: Literal["equispaced", "random"] = Field("equispaced", description="how `points` are placed")
    seed: Seed = Field(0, description="of `spacing: random`")

    @field_validator("points")
    @classmethod
    def _not_both(cls, points: int | None, info: ValidationInfo) -> int | None:
        if points is not None and info.data.get("angles") is not None:
            raise fault("give points or angles, not both")
        return points

    @field_validator("spacing")
    @classmethod
    def _spacing_is_of_points(cls, spacing: str, info: ValidationInfo) -> str:
        if info.data.get("angles") is not None:
            raise fault("spacing goes with points, not with angles")
        return spacing

    @field_validator("seed")
    @classmethod
    def _seed_is_of_random(cls, seed: int, info: ValidationInfo) -> int:
        if info.data.get("spacing", "random") != "random":
            raise fault("a seed goes with spacing: random")
        return seed

    @model_validator(mode="before")
    @classmethod
    def _one(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("points") is None and given.get("angles") is None:
            raise fault("a circle needs points or angles")
        return given

    def arrays(self, settings: Settings) -> Drawn:
        if self.angles is not None:
            x, how = _at(np.array(self.angles)), "at given angles"
        else:
            count = self.points or 0
            require_room(count, 2, settings.max_upload_bytes, "/source/points")
            x, how = (_equispaced(count), "equispaced") if self.spacing == "equispaced" else self._random(count)
        return Drawn(x, f"circle: {len(x):,} points, {how}")

    def _random(self, count: int) -> tuple[Float, str]:
        rng = np.random.Generator(np.random.PCG64(self.seed))
        return _at(rng.uniform(0.0, 2.0 * np.pi, count)), f"random, seed {self.seed}"


def _at(angles: Float) -> Float:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _equispaced(n: int) -> Float:
    """The points at 2πi/n, exactly symmetric: (0, 1) is (0, 1) and the diagonals have equal coordinates.

    The angle is reduced in integers to the eighth of the circle next to an axis, where cos and sin see no rounded π.
    """
    quadrant, part = np.divmod(4 * np.arange(n, dtype=np.int64), n)
    upper = 2 * part > n
    angle = 0.5 * np.pi * (np.where(upper, n - part, part) / n)
    near, far = np.cos(angle), np.sin(angle)
    near[2 * part == n] = far[2 * part == n] = np.sqrt(0.5)
    c, s = np.where(upper, far, near), np.where(upper, near, far)
    x = np.choose(quadrant, [c, -s, -c, s])
    y = np.choose(quadrant, [s, c, -s, -c])
    return np.stack([x, y], axis=1) + 0.0  # −0.0 becomes 0.0
