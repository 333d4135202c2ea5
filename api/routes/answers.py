"""POST /v1/answers."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.examples import ANSWERS
from api.submitting import Asking, submits
from contracts.answers import AnswerSpec

router = APIRouter(tags=["computations"])


@router.post("/v1/answers", summary="When to stop, what is learned last, how the error falls", **submits())
async def submit_answer(spec: Annotated[AnswerSpec, Body(openapi_examples=ANSWERS)], asking: Asking) -> Response:
    """Questions about the network of infinite width trained on a dataset by least squares.

    `early_stopping`: the time at which the expected test cost is least, by a held-out set or a stated noise, and what
    stopping there saves. `learning_order`: when every point and every component is learned to given levels.
    `learning_curve`: the test error that the spectral theory expects of so many points, and what is learned of every
    component.
    """
    return await asking.submit(spec)
