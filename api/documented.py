"""What OpenAPI says of answers that are not the endpoint's model: problems, headers, other media types."""

from typing import Any

from contracts.problems import (
    INTERNAL,
    INVALID_REQUEST,
    MALFORMED_JSON,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    PAYLOAD_TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    Kind,
)

Responses = dict[int | str, dict[str, Any]]

PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
# Any request may meet these.
ALWAYS = (INVALID_REQUEST, METHOD_NOT_ALLOWED, INTERNAL, UNAVAILABLE)
WITH_BODY = (MALFORMED_JSON, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)


def problems(*kinds: Kind) -> Responses:
    """Problem responses of an endpoint by status, those that any request may meet included."""
    by_status: dict[int, list[Kind]] = {}
    for kind in (*kinds, *ALWAYS):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _response(of_one) for status, of_one in sorted(by_status.items())}


def _response(kinds: list[Kind]) -> dict[str, Any]:
    description = "; ".join(f"{kind.title} (`/problems/{kind.name}`)" for kind in kinds)
    return {"description": description, "content": {MEDIA_TYPE: PROBLEM}}


def header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def answer(status: int, description: str, headers: dict[str, Any] | None = None) -> Responses:
    """An answer without an error, beside the endpoint's model."""
    return {status: {"description": description} | ({} if headers is None else {"headers": headers})}


JOB_HEADERS = {
    "ETag": header("the job's version, weak"),
    "Retry-After": header("seconds until it is worth asking again; only while the job is unfinished", "integer"),
}
SUBMIT_HEADERS = JOB_HEADERS | {
    "Location": header("path of the job"),
    "Preference-Applied": header("`wait=N` where Prefer asked for it"),
}
