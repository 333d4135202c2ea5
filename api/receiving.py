"""Receiving a dataset: as JSON, in a form, or as a file that is the whole body."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from api.bodies import Upload, as_body, in_form, json_of
from api.middleware import is_json
from api.problems import invalid_body
from api.services import Here, Services
from api.submitting import KeyHeader
from contracts.canonical import digest
from contracts.jobs import DatasetInfo
from contracts.problems import CONFLICT, INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, ProblemError
from datasets.content import Content
from datasets.fields import Model
from datasets.labels import Encoding
from datasets.request import DatasetRequest
from datasets.uploads.upload import read_upload
from storage import datasets, idempotency
from storage.database import Write
from storage.datasets import Description, Rows

# Media types of a file that is the whole body, and the name that says its format; without one its first bytes do.
FILES = {
    "application/x-npy": "upload.npy",
    "application/zip": "upload.npz",
    "application/x-npz": "upload.npz",
    "application/gzip": "upload.gz",
    "application/x-gzip": "upload.gz",
    "application/x-idx": "upload.idx",
    "text/csv": "upload.csv",
    "application/octet-stream": "",
}


M = TypeVar("M", bound=Model)


class _Fields(Model):
    """What comes beside a file."""

    labels: Encoding = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


@dataclass(frozen=True)
class _Receiving:
    """A client that sends a dataset, and the services that keep it."""

    services: Services
    key: str | None

    async def response(self, request: Request) -> Response:
        """201 with the new dataset, or 200 with the one that has this content already."""
        given = request.headers.get("content-type", "")
        media_type = given.partition(";")[0].strip().lower()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise UNSUPPORTED_MEDIA_TYPE.error("Send the file as it is, without a Content-Encoding.")
        if is_json(given):
            made = partial(self._made, await json_of(request))
            return _answer(*await self.services.threads.upload(made))
        if media_type == "multipart/form-data":
            body = in_form(request)
        elif media_type in FILES:
            body = as_body(request, FILES[media_type])
        else:
            known = ", ".join(["application/json", "multipart/form-data", *FILES])
            raise UNSUPPORTED_MEDIA_TYPE.error(f"A dataset comes as {known}; the Content-Type is {given or 'missing'}.")
        async with body as upload:
            return _answer(*await self.services.threads.upload(partial(self._read, upload)))

    def _made(self, body: Any) -> tuple[DatasetInfo, bool]:
        asked = _validated(DatasetRequest, body)
        said = asked.model_dump(mode="json")
        source = said["source"] | {name: said[name] for name in ("targets", "labels") if said[name] is not None}
        with asked.build(self.services.settings) as content:
            return self._kept(content, asked.name, source)

    def _read(self, upload: Upload) -> tuple[DatasetInfo, bool]:
        fields = _validated(_Fields, _with_json(upload.fields))
        limit = self.services.settings.max_upload_bytes
        with read_upload(upload.file, upload.filename, labels=fields.labels, limit=limit) as content:
            labels = fields.model_dump(mode="json")["labels"]
            return self._kept(content, fields.name, {"type": "upload"} | ({"labels": labels} if labels else {}))

    def _kept(self, content: Content, name: str | None, source: dict[str, Any]) -> tuple[DatasetInfo, bool]:
        """The dataset of this content, committed, and whether it was made now."""
        if name is not None and not name.isprintable():
            raise INVALID_REQUEST.error("name must be printable text.", "/name")
        described = Description(name, source, content.provenance)
        with self.services.database.begin() as write:
            if self.key is not None:
                request = digest({"post": "datasets", "content": content.id, "name": name, "source": source})
                idempotency.remember(write, self.key, request, _location(content.id))
            return _stored(write, content, described)


def _receiving(services: Here, key: KeyHeader = None) -> _Receiving:
    return _Receiving(services, key)


Receiving = Annotated[_Receiving, Depends(_receiving)]
"""The parameter of the endpoint that takes datasets."""


def _validated(model: type[M], body: Any) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise ProblemError(invalid_body(error, body)) from error


def _with_json(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a form, where `labels` may be the JSON of an object."""
    labels = fields.get("labels")
    if not isinstance(labels, str) or not labels.startswith("{"):
        return fields
    try:
        return fields | {"labels": json.loads(labels)}
    except (ValueError, RecursionError) as error:
        raise INVALID_REQUEST.error("labels must be a name or a JSON object.", "/labels") from error


def _stored(write: Write, content: Content, described: Description) -> tuple[DatasetInfo, bool]:
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


def _answer(dataset: DatasetInfo, made: bool) -> Response:
    headers = {"Location": _location(dataset.id)}
    return Response(dataset.model_dump_json(), 201 if made else 200, headers, media_type="application/json")
