"""The OpenAPI document: what FastAPI derives from the endpoints, and what it cannot see."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from contracts.problems import Problem
from datasets.request import DatasetRequest

ABOUT: dict[str, Any] = {
    "summary": "Neural tangent kernels as a service",
    "description": (
        "What does a network of this architecture do on this data as its width goes to infinity? Make a dataset, submit"
        " a job, wait for it, fetch its arrays. Equal requests are one job. Errors are problem documents (RFC 9457)."
    ),
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "openapi_tags": [
        {"name": "datasets", "description": "Inputs x and targets y; immutable, named by their content."},
        {"name": "computations", "description": "Submitting jobs."},
        {"name": "jobs", "description": "Progress, waiting, events, cancelling."},
        {"name": "arrays", "description": "Results and data: whole, as blocks, or as ranges of bytes."},
        {"name": "parameters", "description": "Networks' weights and biases as named tensors."},
        {"name": "networks", "description": "What architectures and activations there are."},
        {"name": "operations", "description": "Health and metrics."},
        {"name": "problems", "description": "What went wrong, and what to do."},
    ],
}
REFERENCES = "#/components/schemas/{model}"


def complete(app: FastAPI) -> None:
    """Add the schemas that only references name, and make the document once."""
    derive = app.openapi

    def document() -> dict[str, Any]:
        made = derive()
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        models = [(Problem, "serialization"), (DatasetRequest, "validation")]
        _, further = models_json_schema(models, ref_template=REFERENCES)  # type: ignore[arg-type]
        for name, schema in further["$defs"].items():
            schemas.setdefault(name, schema)
        return made

    app.openapi = document  # type: ignore[method-assign]
