"""JSON: nested lists of numbers, each exactly as it is stored."""

import json
from math import isfinite
from typing import Any, final

import numpy as np

from api.formats.base import Body, Format, TextBody
from api.formats.text import too_large
from api.views import View


@final
class Json(Format):
    """`{"name", "shape", "dtype", "rows", "cols", "data"}`; what JSON has no number for is "nan", "inf" or "-inf"."""

    name, suffix = "json", ".json"
    media_types = ("application/json",)

    def refuses(self, view: View) -> str | None:
        return too_large(view, "JSON")

    def body(self, view: View) -> Body:
        values = np.concatenate(list(view.panels())).reshape(view.shape)
        data = values.tolist() if np.isfinite(values).all() else _spelled(values.tolist())
        described = {
            "name": view.name,
            "shape": view.shape,
            "dtype": view.stored.plan.dtype,
            "rows": [view.rows.start, view.rows.stop],
            "cols": [view.across.start, view.across.stop],
            "data": data,
        }
        return TextBody(json.dumps(described, allow_nan=False))


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(entry) for entry in value]
    return value if isfinite(value) else str(value)
