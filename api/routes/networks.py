"""What networks there are: activations, and what an architecture stands for."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import TypeAdapter, ValidationError

from api.documented import problems
from api.problems import invalid_parameter
from contracts.canonical import digest
from contracts.problems import INVALID_REQUEST, TOO_LARGE, ProblemError
from ntk_engine.activations import describe
from ntk_engine.architecture import Architecture, canonical

router = APIRouter(tags=["networks"])
ARCHITECTURE: TypeAdapter[Architecture] = TypeAdapter(Architecture)
# Layers are listed one by one.
MOST_LAYERS = 1000
EXAMPLE = '{"type": "mlp", "depth": 5, "activation": "relu", "beta": 0.1}'


@router.head("/v1/activations", include_in_schema=False)
@router.get("/v1/activations", responses=problems(), summary="List activations")
async def list_activations() -> dict[str, list[dict[str, Any]]]:
    """Every activation: its formula, its parameters with their defaults, and what is known of it."""
    return {"activations": describe()}


@router.head("/v1/architectures:describe", include_in_schema=False)
@router.get("/v1/architectures:describe", responses=problems(TOO_LARGE), summary="What does an architecture stand for?")
async def describe_architecture(
    architecture: Annotated[str, Query(description="an architecture as JSON", examples=[EXAMPLE], max_length=10_000)],
) -> dict[str, Any]:
    """The architecture with every field explicit, its layers, and its digest: equal networks have equal digests."""
    network = _parsed(architecture)
    if network.depth > MOST_LAYERS:
        raise TOO_LARGE.error(f"Layers are listed up to a depth of {MOST_LAYERS:,}.", "architecture/depth")
    explicit = canonical(network)
    return {"architecture": explicit, "digest": digest(explicit), "layers": _layers(network)}


def _parsed(text: str) -> Architecture:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise INVALID_REQUEST.error("architecture must be JSON.", "architecture") from error
    try:
        return ARCHITECTURE.validate_python(value)
    except ValidationError as error:
        raise ProblemError(invalid_parameter("architecture", error, value)) from error


def _layers(network: Architecture) -> list[dict[str, Any]]:
    """The dense layers from the input on; the last one is linear and as wide as the targets."""
    activation = canonical(network)["activation"]
    hidden = {"type": "dense", "outputs": network.width, "activation": activation}
    last = {"type": "dense", "outputs": None, "activation": None}
    return [{"layer": number} | (hidden if number < network.depth else last) for number in range(1, network.depth + 1)]
