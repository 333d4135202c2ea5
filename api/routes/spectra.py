"""POST /v1/spectra."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.examples import SPECTRA
from api.submitting import Asking, submits
from contracts.spectra import SpectrumSpec

router = APIRouter(tags=["computations"])


@router.post("/v1/spectra", summary="Decompose a Gram matrix", **submits())
async def submit_spectrum(spec: Annotated[SpectrumSpec, Body(openapi_examples=SPECTRA)], asking: Asking) -> Response:
    """Eigenvalues of K/N in falling order, for the Gram matrix K of a kernel job or an architecture's, stored nowhere.

    All of them, or the `top` largest; where asked with eigenvectors and kernel principal components, on the points and
    on new ones, and functions in terms of these. Of all eigenvalues there are numbers: the least, with a bound on its
    error that tells whether K is positive definite, rank, condition number, effective dimensions. A kernel job may
    still be running: the spectrum waits for it.
    """
    return await asking.submit(spec)
