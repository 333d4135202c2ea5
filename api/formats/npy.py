"""NumPy's .npy: what `numpy.load` reads."""

import io
from typing import final

import numpy as np

from api.formats.base import Body, Format, RawBody
from api.views import View


@final
class Npy(Format):
    """The default: a short header and the values."""

    name, suffix = "npy", ".npy"
    media_types = ("application/x-npy",)

    def body(self, view: View) -> Body:
        head = io.BytesIO()
        described = {"descr": view.dtype.str, "fortran_order": False, "shape": view.shape}
        np.lib.format.write_array_header_1_0(head, described)
        return RawBody(head.getvalue(), view)
