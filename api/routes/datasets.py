"""Datasets: making, uploading, listing."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.documented import WITH_BODY, answer, header, problems
from api.examples import DATASETS
from api.missing import no_dataset
from api.paging import page_response
from api.receiving import Receiving
from api.services import Here
from contracts.jobs import DatasetInfo, DatasetPage
from contracts.problems import CONFLICT, IDEMPOTENCY_CONFLICT, NOT_FOUND, TOO_LARGE, UNREADABLE_UPLOAD
from contracts.spec_types import DatasetId
from storage import datasets

router = APIRouter(tags=["datasets"])

HEADERS = {"Location": header("path of the dataset")}
FILE = {"type": "string", "format": "binary"}
LABELS = {"type": "string", "description": "how to encode y, where it is a column of labels", "examples": ["one_hot"]}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/DatasetRequest"}, "examples": DATASETS},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": FILE, "labels": LABELS, "name": {"type": "string", "maxLength": 200}},
            }
        },
        "application/x-npy": {"schema": FILE},
        "application/zip": {"schema": FILE},
        "application/gzip": {"schema": FILE},
        "text/csv": {"schema": FILE},
        "application/octet-stream": {"schema": FILE},
    },
}


@router.post(
    "/v1/datasets",
    response_model=DatasetInfo,
    responses=answer(200, "The dataset was there already", HEADERS)
    | {201: {"description": "A new dataset", "model": DatasetInfo, "headers": HEADERS}}
    | problems(CONFLICT, IDEMPOTENCY_CONFLICT, TOO_LARGE, UNREADABLE_UPLOAD, *WITH_BODY),
    openapi_extra={"requestBody": BODY},
    summary="Make or upload a dataset",
)
async def create_dataset(request: Request, receiving: Receiving) -> Response:
    """A generator or a built-in set as JSON; or a file: .npy, .npz with x and optionally y, .csv, IDX, gzipped or not.

    A file comes in a multipart form, or as the body itself with `labels` and `name` in the query. The id follows from
    the content: the same bytes are the same dataset.
    """
    return await receiving.response(request)


@router.head("/v1/datasets", include_in_schema=False)
@router.get("/v1/datasets", response_model=DatasetPage, responses=problems(), summary="List datasets")
def list_datasets(
    services: Here,
    request: Request,
    cursor: Annotated[str | None, Query(description="`next` of the page before", max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """Datasets, newest first; the `Link` header and `next` lead on."""
    with services.database.read() as read:
        page = datasets.page(read, cursor, limit)
    return page_response(request, page.model_dump_json(), page.next)


@router.head("/v1/datasets/{id}", include_in_schema=False)
@router.get(
    "/v1/datasets/{id}", response_model=DatasetInfo, responses=problems(NOT_FOUND), summary="Get what a dataset is"
)
def get_dataset(id: DatasetId, services: Here) -> Response:  # noqa: A002
    """Source, provenance, and the shapes of its arrays."""
    with services.database.read() as read:
        dataset = datasets.get(read, id)
    if dataset is None:
        raise no_dataset(id)
    return Response(dataset.model_dump_json(), media_type="application/json")
