"""Receiving θ of a network: a file of named tensors, whose network stands in it or beside it."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.responses import Response

from api.bodies import Upload, file_of
from api.keeping import Keeping, Kept, media_type, stored_answer, validated
from api.problems import invalid_parameter
from contracts.parameters import FORMAT, MEDIA_TYPES, fit
from contracts.problems import INVALID_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, ProblemError
from datasets.fields import Model
from datasets.uploads.parameters import read_parameters
from datasets.uploads.refusals import FILE, unreadable
from datasets.uploads.safetensors import METADATA, read_header
from ntk_engine.architecture import Architecture, Mlp, Network, canonical

ARCHITECTURE: TypeAdapter[Mlp | Network] = TypeAdapter(Architecture)
BODIES = (*MEDIA_TYPES, "application/octet-stream")
# Where the two places for the network are.
BESIDE, INSIDE = "/architecture", f"{FILE}/{METADATA}/architecture"


class _Fields(Model):
    """What comes beside a file."""

    architecture: str | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


@dataclass(frozen=True)
class _ReceivingParameters:
    """A client that sends θ, and what keeps it."""

    keeping: Keeping

    async def response(self, request: Request) -> Response:
        """201 with the new dataset, or 200 with the one that has these numbers already."""
        given = media_type(request)
        body = file_of(request, given, dict.fromkeys(BODIES, ""))
        if body is None:
            known = ", ".join(["multipart/form-data", *BODIES])
            raise UNSUPPORTED_MEDIA_TYPE.error(f"Parameters come as {known}; the Content-Type is {given or 'missing'}.")
        async with body as upload:
            return stored_answer(*await self.keeping.services.threads.upload(partial(self._read, upload)))

    def _read(self, upload: Upload) -> Kept:
        fields = validated(_Fields, upload.fields)
        size, limit = upload.file.seek(0, 2), self.keeping.services.settings.max_upload_bytes
        if size > limit:
            raise PAYLOAD_TOO_LARGE.error(f"the file has {size:,} bytes, and this service takes {limit:,}", FILE)
        header = read_header(upload.file, size)
        network = _network(fields.architecture, header.metadata)
        layers = fit(network, {name: tensor.shape for name, tensor in header.tensors.items()})
        with read_parameters(upload.file, header, layers) as content:
            return self.keeping.kept(content, fields.name, {"type": "parameters", "architecture": canonical(network)})


def _network(beside: str | None, metadata: dict[str, str]) -> Mlp | Network:
    """The one network that is named; raises ProblemError where there is none, or another in the other place."""
    form = metadata.get("format", FORMAT)
    if form.startswith("ntkd.") and form != FORMAT:
        raise unreadable(f"the file is in the format {form[:40]!a}, and {FORMAT} is known here", f"{FILE}/{METADATA}")
    inside = metadata.get("architecture")
    found = [_parsed(text, at) for text, at in ((beside, BESIDE), (inside, INSIDE)) if text is not None]
    if not found:
        said = "The file's metadata has no architecture; send it as architecture, in the form or in the query."
        raise INVALID_REQUEST.error(said, BESIDE)
    if any(canonical(other) != canonical(found[0]) for other in found[1:]):
        raise INVALID_REQUEST.error("The architecture is another than the one in the file's metadata.", BESIDE)
    return found[0]


def _parsed(text: str, place: str) -> Mlp | Network:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise INVALID_REQUEST.error("architecture must be JSON.", place) from error
    try:
        return ARCHITECTURE.validate_python(value)
    except ValidationError as error:
        raise ProblemError(invalid_parameter(place, error, value)) from error


def _receiving(keeping: Keeping) -> _ReceivingParameters:
    return _ReceivingParameters(keeping)


ReceivingParameters = Annotated[_ReceivingParameters, Depends(_receiving)]
"""The parameter of the endpoint that takes θ."""
