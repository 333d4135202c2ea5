"""What networks there are: activations, and what an architecture stands for."""

import json
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import JSONResponse, Response

from api.documented import problems
from api.drawing import draw
from api.examples import ARCHITECTURES
from api.negotiation import Accept
from api.problems import invalid_parameter
from contracts.canonical import digest
from contracts.problems import INVALID_REQUEST, TOO_LARGE, ProblemError
from ntk_engine.activations import ACTIVATIONS, describe
from ntk_engine.architecture import Architecture, Mlp, Network, canonical, depth, layers

router = APIRouter(tags=["networks"])
ARCHITECTURE: TypeAdapter[Mlp | Network] = TypeAdapter(Architecture)
# Layers are listed one by one; the length of a parameter bounds those that are written out.
MOST_LAYERS = 1000
SVG = "image/svg+xml"
VARY = {"Vary": "Accept"}
PICTURE = {SVG: {"schema": {"type": "string"}}}


@router.head("/v1/activations", include_in_schema=False)
@router.get("/v1/activations", responses=problems(), summary="List activations")
async def list_activations() -> dict[str, list[dict[str, Any]]]:
    """Every activation: its formula, its parameters as JSON Schemas with their defaults, and what is known of it."""
    return {"activations": [said | {"parameters": parameters(ACTIVATIONS[str(said["type"])])} for said in describe()]}


@router.head("/v1/architectures:describe", include_in_schema=False)
@router.get(
    "/v1/architectures:describe",
    responses=problems(TOO_LARGE) | {200: {"description": "The network, or its picture.", "content": PICTURE}},
    summary="What does an architecture stand for?",
)
async def describe_architecture(
    architecture: Annotated[
        str, Query(description="an architecture as JSON", openapi_examples=ARCHITECTURES, max_length=10_000)
    ],
    request: Request,
) -> Response:
    """The architecture in its one form, every field explicit, with its digest, its depth and its layers.

    Equal networks have equal digests. Where `Accept` prefers image/svg+xml, a picture of the layers.
    """
    network = _parsed(architecture)
    if isinstance(network, Mlp) and network.depth > MOST_LAYERS:
        raise TOO_LARGE.error(f"Layers are listed up to a depth of {MOST_LAYERS:,}.", "architecture/depth")
    listed = [layer.describe() for layer in layers(network)]
    accept = Accept(request.headers.get("accept"))
    if accept.quality(SVG) > accept.quality("application/json"):
        return Response(draw(listed), media_type=SVG, headers=VARY)
    explicit = canonical(network)
    described = {"architecture": explicit, "digest": digest(explicit), "depth": depth(network), "layers": listed}
    return JSONResponse(described, headers=VARY)


@cache
def parameters(family: type) -> dict[str, Any]:
    """The JSON Schema of every parameter of an activation, by name; one without a default has to be given."""
    known = TypeAdapter(family).json_schema()["properties"]
    return {
        name: {word: said for word, said in schema.items() if word != "title"}
        for name, schema in known.items()
        if name != "type"
    }


def _parsed(text: str) -> Mlp | Network:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise INVALID_REQUEST.error("architecture must be JSON.", "architecture") from error
    try:
        return ARCHITECTURE.validate_python(value)
    except ValidationError as error:
        raise ProblemError(invalid_parameter("architecture", error, value)) from error
