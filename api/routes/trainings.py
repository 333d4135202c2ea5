"""POST /v1/trainings."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.examples import TRAININGS
from api.submitting import Asking, submits
from contracts.trainings import TrainingSpec

router = APIRouter(tags=["computations"])


@router.post("/v1/trainings", summary="Train finite networks", **submits())
async def submit_training(spec: Annotated[TrainingSpec, Body(openapi_examples=TRAININGS)], asking: Asking) -> Response:
    """Gradient descent on networks of finite width, one a seed: `cost` at every step, and what `record` asks for.

    Arrays grow while the job runs: a block of one is there as soon as its steps are made. NaN stands behind the end of
    a network that ended early; `endings` has how each ended (0: all steps, 1: tolerance, 2: diverged) and after how
    many steps, `largest_rate` 2/λ_1 of those that diverged, `kept` how many steps each dense layer's changes are kept
    as factors of low rank (0: none).
    """
    return await asking.submit(spec)
