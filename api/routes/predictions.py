"""POST /v1/predictions."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.examples import PREDICTIONS
from api.submitting import Asking, submits
from contracts.predictions import PredictionSpec

router = APIRouter(tags=["computations"])


@router.post("/v1/predictions", summary="Follow training in function space", **submits())
async def submit_prediction(
    spec: Annotated[PredictionSpec, Body(openapi_examples=PREDICTIONS)], asking: Asking
) -> Response:
    """The network of infinite width at every time of training by least squares, a Gaussian.

    On the test points it is given by its `mean`, `covariance` or `variance`, `percentiles` and `samples`, and on those
    trained on by the same but the last, with `train_` before their names.

    Beside them `train_cost` and `test_cost` as expected over the ensemble, `train_accuracy` and `test_accuracy` of the
    mean, and the `eigenvalues` of K/N. Times are the paper's: a step of gradient descent with learning rate η is η. The
    kernels are an architecture's, or those of jobs, which may still be running.
    """
    return await asking.submit(spec)
