"""POST /v1/kernels."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.examples import KERNELS
from api.submitting import Asking, submits
from contracts.kernels import KernelSpec

router = APIRouter(tags=["computations"])


@router.post("/v1/kernels", summary="Compute a kernel matrix", **submits())
async def submit_kernel(spec: Annotated[KernelSpec, Body(openapi_examples=KERNELS)], asking: Asking) -> Response:
    """NTK and NNGP of an architecture: the Gram matrix of a dataset, or the cross matrix of two.

    In the limit of infinite width (`analytic`), as means over networks that are drawn (`monte_carlo`), with the
    arrays `ntk_standard_error` and `nngp_standard_error` beside them, or of one such network (`empirical`).

    Equal requests are one job. Results are arrays of the job: `/v1/jobs/{id}/arrays/ntk`.
    """
    return await asking.submit(spec)
