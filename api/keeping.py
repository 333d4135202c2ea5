"""Keeping a dataset that has come: under its id, once, and the answer that says so."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.problems import invalid_body
from api.services import Here, Services
from api.submitting import KeyHeader
from contracts.canonical import digest
from contracts.jobs import DatasetInfo
from contracts.problems import CONFLICT, INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, ProblemError
from datasets.content import Content
from datasets.fields import Model
from storage import datasets, idempotency
from storage.database import Write
from storage.datasets import Description, Rows

M = TypeVar("M", bound=Model)
Kept = tuple[DatasetInfo, bool]
"""A dataset, and whether it was made now."""


@dataclass(frozen=True)
class _Keeping:
    """A client's wish to have a dataset kept, and the services that do it."""

    services: Services
    key: str | None

    def kept(self, content: Content, name: str | None, source: dict[str, Any]) -> Kept:
        """The dataset of this content, committed, and whether it was made now."""
        if name is not None and not name.isprintable():
            raise INVALID_REQUEST.error("name must be printable text.", "/name")
        described = Description(name, source, content.provenance)
        with self.services.database.begin() as write:
            if self.key is not None:
                request = digest({"post": "datasets", "content": content.id, "name": name, "source": source})
                idempotency.remember(write, self.key, request, _location(content.id))
            return _stored(write, content, described)


def _keeping(services: Here, key: KeyHeader = None) -> _Keeping:
    return _Keeping(services, key)


Keeping = Annotated[_Keeping, Depends(_keeping)]
"""The parameter of what takes datasets."""


def media_type(request: Request) -> str:
    """The body's, without its parameters; raises ProblemError where the body is compressed."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UNSUPPORTED_MEDIA_TYPE.error("Send the file as it is, without a Content-Encoding.")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def validated(model: type[M], body: Any) -> M:
    """The value in a body or in the fields of a form; raises ProblemError."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise ProblemError(invalid_body(error, body)) from error


def _stored(write: Write, content: Content, described: Description) -> Kept:
    there = datasets.get(write, content.id)
    if there is not None:
        return there, False
    arrays = [("x", content.x)] + ([] if content.y is None else [("y", content.y)])
    rows = [Rows(name, values.shape, values.dtype.name, values) for name, values in arrays]
    datasets.store(write, described, rows, lambda: content.id)
    stored = datasets.get(write, content.id)
    if stored is None:
        raise CONFLICT.error(f"Dataset {content.id} was deleted at this moment; send the request again.")
    return stored, True


def _location(dataset: str) -> str:
    return f"/v1/datasets/{dataset}"


def stored_answer(dataset: DatasetInfo, made: bool) -> Response:
    """201 with the new dataset, or 200 with the one that has this content already."""
    headers = {"Location": _location(dataset.id)}
    return Response(dataset.model_dump_json(), 201 if made else 200, headers, media_type="application/json")
