"""The JSON body of `POST /v1/datasets` and what it builds."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from contracts.problems import INVALID_REQUEST
from contracts.settings import Settings
from datasets.content import Content, content_id, digest
from datasets.fields import Model, fault, require_room
from datasets.labels import Encoding
from datasets.rows import ArrayRows
from datasets.sources import Source
from datasets.sources.source import Drawn
from datasets.targets import Targets


class DatasetRequest(Model):
    """A source of inputs and, where wanted, either a target function or an encoding of the source's labels."""

    source: Source
    targets: Targets | None = Field(None, description="y as a function of x", examples=[{"type": "x1*x2"}])
    labels: Encoding = Field(None, description="y from the labels of a built-in set", examples=["one_hot"])
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(None, description="for people only")

    @field_validator("labels")
    @classmethod
    def _labels_fit(cls, labels: Encoding, info: ValidationInfo) -> Encoding:
        if labels is not None and info.data.get("targets") is not None:
            raise fault("give targets or labels, not both")
        source = info.data.get("source")
        if labels is not None and source is not None and not source.labelled:
            raise fault(f"a {source.type} has no labels; give targets instead")
        return labels

    def build(self, settings: Settings) -> Content:
        """The dataset, in memory. Raises ProblemError with the pointer of the field at fault; touches no storage."""
        drawn = self.source.arrays(settings)
        x = _finite(drawn.x, "/source")
        y = self._targets(drawn, settings.max_upload_bytes)
        rows, targets = ArrayRows(x), None if y is None else ArrayRows(_finite(y, "/targets"))
        identity = content_id(digest(rows), None if targets is None else digest(targets))
        return Content(identity, rows, targets, drawn.provenance)

    def _targets(self, drawn: Drawn, limit: int) -> NDArray[np.float64] | None:
        if self.targets is not None:
            return self.targets.build(drawn.x, limit)
        if self.labels is None or drawn.labels is None or drawn.classes is None:
            return None
        self.labels.check(drawn.classes)
        require_room(len(drawn.labels), self.labels.columns(drawn.classes), limit, "/labels")
        return self.labels.encode(drawn.labels, drawn.classes)


def _finite(array: NDArray[np.float64], pointer: str) -> NDArray[np.float64]:
    if not np.isfinite(array).all():
        raise INVALID_REQUEST.error("some of these values are too large for float64", pointer)
    return array
