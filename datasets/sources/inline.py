"""Points written into the request itself."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from contracts.settings import Settings
from datasets.fields import Row, require_even, require_room
from datasets.sources.source import Drawn, SourceModel


class Inline(SourceModel):
    """The rows of x (n×d) as they are; for a handful of points."""

    type: Literal["inline"]
    x: Annotated[list[Row], Field(min_length=1, examples=[[[1.0, 0.0], [0.0, 1.0]]])]

    @field_validator("x")
    @classmethod
    def _even(cls, x: list[list[float]]) -> list[list[float]]:
        return require_even(x)

    def arrays(self, settings: Settings) -> Drawn:
        require_room(len(self.x), len(self.x[0]), settings.max_upload_bytes, "/source/x")
        return Drawn(np.array(self.x, dtype=np.float64), f"inline: {len(self.x):,} points")
