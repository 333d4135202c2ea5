"""θ of a network as named tensors: of a training, to be fetched; and of any, to be kept."""

from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.documented import WITH_BODY, answer, problems
from api.receiving_parameters import ReceivingParameters
from api.routes.arrays import HEADERS
from api.routes.datasets import HEADERS as DATASET_HEADERS
from api.serving import Delivery
from api.trained import trained
from contracts.jobs import DatasetInfo
from contracts.parameters import MEDIA_TYPES
from contracts.problems import (
    CONFLICT,
    IDEMPOTENCY_CONFLICT,
    NOT_FOUND,
    RANGE_NOT_SATISFIABLE,
    TOO_LARGE,
    UNREADABLE_UPLOAD,
)

router = APIRouter(tags=["parameters"])

FILE = {"type": "string", "format": "binary"}
RESPONSES: dict[int | str, dict[str, Any]] = (
    {200: {"description": "The file", "headers": HEADERS, "content": {MEDIA_TYPES[0]: {"schema": FILE}}}}
    | answer(206, "The bytes that Range names", HEADERS)
    | answer(304, "The client has it")
    | problems(NOT_FOUND, CONFLICT, RANGE_NOT_SATISFIABLE)
)
ARCHITECTURE = {
    "type": "string",
    "description": "JSON; the file's metadata may have it instead",
    "examples": ['["dense", "relu", "dense"]'],
}
NAME = {"type": "string", "maxLength": 200}
PROPERTIES = {"file": FILE, "architecture": ARCHITECTURE, "name": NAME}
# Beside a file that is the body itself.
QUERY = [{"name": name, "in": "query", "schema": PROPERTIES[name]} for name in ("architecture", "name")]
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": PROPERTIES}},
        **{media: {"schema": FILE} for media in (*MEDIA_TYPES, "application/octet-stream")},
    },
}


@router.head("/v1/jobs/{id}/parameters", include_in_schema=False)
@router.get(
    "/v1/jobs/{id}/parameters", response_class=Response, responses=RESPONSES, summary="Get a trained network's tensors"
)
async def get_parameters(
    id: UUID,  # noqa: A002
    delivery: Delivery,
    seed: Annotated[int, Query(ge=0, description="which of the training's networks")] = 0,
    step: Annotated[
        int | None, Query(ge=0, description="one at which it records `parameters`; the end unless you say")
    ] = None,
) -> Response:
    """A safetensors file of `weight` and `bias` of every dense layer, each named by the layer's place in the network.

    `layers.0.weight` is that of the first of `layers` in GET /v1/architectures:describe, and
    `layers.2.branches.1.0.weight` stands in a branch.
    """
    database = delivery.services.database
    return await delivery.response(await run_sync(trained, database, id, seed, step))


@router.post(
    "/v1/parameters",
    response_model=DatasetInfo,
    responses=answer(200, "The dataset was there already", DATASET_HEADERS)
    | {201: {"description": "A new dataset", "model": DatasetInfo, "headers": DATASET_HEADERS}}
    | problems(CONFLICT, IDEMPOTENCY_CONFLICT, TOO_LARGE, UNREADABLE_UPLOAD, *WITH_BODY),
    openapi_extra={"parameters": QUERY, "requestBody": BODY},
    summary="Upload a network's tensors",
)
async def upload_parameters(request: Request, receiving: ReceivingParameters) -> Response:
    """A safetensors file of all tensors of a network, F64 or F32, becomes a dataset of one row.

    Its `id` is what `{"uploaded": {"dataset": id}}` of an empirical kernel takes. The architecture is in the file's
    metadata or, as JSON, in `architecture` of the form or the query. The same numbers are the same dataset.
    """
    return await receiving.response(request)
