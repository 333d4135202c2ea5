"""Safetensors: a JSON header and the values, under the array's name."""

import json
from typing import final

from api.formats.base import Body, Format, RawBody
from api.views import View

DTYPES = {"float64": "F64", "float32": "F32"}
ALIGNMENT = 8


@final
class Safetensors(Format):
    """One tensor, named as the array is."""

    name, suffix = "safetensors", ".safetensors"
    media_types = ("application/vnd.safetensors", "application/x-safetensors")

    def body(self, view: View) -> Body:
        tensor = {
            "dtype": DTYPES[view.stored.plan.dtype],
            "shape": view.shape,
            "data_offsets": (0, view.nbytes),
        }
        header = json.dumps({view.name: tensor}, separators=(",", ":")).encode()
        header += b" " * (-len(header) % ALIGNMENT)
        return RawBody(len(header).to_bytes(8, "little") + header, view)
