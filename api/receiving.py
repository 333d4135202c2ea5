"""Receiving a dataset: as JSON, in a form, or as a file that is the whole body."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field
from starlette.responses import Response

from api.bodies import Upload, file_of, json_of
from api.keeping import Keeping, Kept, media_type, stored_answer, validated
from api.middleware import is_json
from contracts.problems import INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE
from datasets.fields import Model
from datasets.labels import Encoding
from datasets.request import DatasetRequest
from datasets.uploads.upload import read_upload

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


class _Fields(Model):
    """What comes beside a file."""

    labels: Encoding = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


@dataclass(frozen=True)
class _Receiving:
    """A client that sends a dataset, and the services that keep it."""

    keeping: Keeping

    async def response(self, request: Request) -> Response:
        """201 with the new dataset, or 200 with the one that has this content already."""
        given = media_type(request)
        if is_json(given):
            made = partial(self._made, await json_of(request))
            return stored_answer(*await self.keeping.services.threads.upload(made))
        body = file_of(request, given, FILES)
        if body is None:
            known = ", ".join(["application/json", "multipart/form-data", *FILES])
            raise UNSUPPORTED_MEDIA_TYPE.error(f"A dataset comes as {known}; the Content-Type is {given or 'missing'}.")
        async with body as upload:
            return stored_answer(*await self.keeping.services.threads.upload(partial(self._read, upload)))

    def _made(self, body: Any) -> Kept:
        asked = validated(DatasetRequest, body)
        said = asked.model_dump(mode="json")
        source = said["source"] | {name: said[name] for name in ("targets", "labels") if said[name] is not None}
        with asked.build(self.keeping.services.settings) as content:
            return self.keeping.kept(content, asked.name, source)

    def _read(self, upload: Upload) -> Kept:
        fields = validated(_Fields, _with_json(upload.fields))
        limit = self.keeping.services.settings.max_upload_bytes
        with read_upload(upload.file, upload.filename, labels=fields.labels, limit=limit) as content:
            labels = fields.model_dump(mode="json")["labels"]
            return self.keeping.kept(content, fields.name, {"type": "upload"} | ({"labels": labels} if labels else {}))


def _receiving(keeping: Keeping) -> _Receiving:
    return _Receiving(keeping)


Receiving = Annotated[_Receiving, Depends(_receiving)]
"""The parameter of the endpoint that takes datasets."""


def _with_json(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a form, where `labels` may be the JSON of an object."""
    labels = fields.get("labels")
    if not isinstance(labels, str) or not labels.startswith("{"):
        return fields
    try:
        return fields | {"labels": json.loads(labels)}
    except (ValueError, RecursionError) as error:
        raise INVALID_REQUEST.error("labels must be a name or a JSON object.", "/labels") from error
