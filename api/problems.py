"""Every error as a problem document: handlers for whatever is raised on the way to an answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from api.faults import faults
from contracts import problems as known
from contracts.problems import MEDIA_TYPE, Problem, ProblemError
from storage.arrays import TileMissingError
from storage.database import Unavailable

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
UNAVAILABLE_SECONDS = 2
log = structlog.get_logger()

OF_STATUS = {
    400: known.MALFORMED_JSON,
    404: known.NOT_FOUND,
    405: known.METHOD_NOT_ALLOWED,
    413: known.PAYLOAD_TOO_LARGE,
    415: known.UNSUPPORTED_MEDIA_TYPE,
}


class RefusedError(Exception):
    """A problem that is sent with headers of its own."""

    def __init__(self, error: ProblemError, headers: Mapping[str, str]) -> None:
        super().__init__(error.problem.detail)
        self.problem, self.headers = error.problem, headers


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response; what can be tried again says when."""
    retry = {"Retry-After": str(UNAVAILABLE_SECONDS)} if problem.status == known.UNAVAILABLE.status else {}
    content = json.dumps(problem.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    # What a client sent may hold half of a surrogate pair, and stands in the sentence: JSON escapes it as Python does.
    encoded = content.encode(errors="backslashreplace")
    return Response(encoded, problem.status, retry | dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let `app` answer every exception with a problem document; what nobody foresaw is `unforeseen`'s."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


def unforeseen(error: Exception) -> Response:
    """A fault of ours: logged under an id that the client learns."""
    incident = uuid4().hex[:12]
    log.error("request.failed", incident=incident, exc_info=error)
    return respond(known.INTERNAL.problem(f"Something went wrong inside ntkd; the log has it under {incident}."))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return respond(error.problem)


async def _refused_with_headers(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return respond(error.problem, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(_problem_of(request, error))


def _problem_of(request: Request, error: RequestValidationError) -> Problem:
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        where, what = errors[0]["loc"][1], errors[0]["ctx"]["error"]
        return known.MALFORMED_JSON.problem(f"The body is not JSON: {what} at character {where}.")
    if isinstance(error.body, bytes):
        given = request.headers.get("content-type", "not given")
        return known.UNSUPPORTED_MEDIA_TYPE.problem(f"The body must be application/json; its Content-Type is {given}.")
    if all(entry["loc"][0] == "path" for entry in errors):
        return known.NOT_FOUND.problem(f"There is nothing at {request.url.path}.")
    return invalid(errors, error.body)


def invalid_body(error: ValidationError, body: Any) -> Problem:
    """An invalid-request problem for a body, or a form, that was validated by hand."""
    return invalid(_within("body", error), body)


def invalid_parameter(name: str, error: ValidationError, value: Any) -> Problem:
    """An invalid-request problem for the JSON in a parameter; its pointers begin with the parameter's name."""
    problem = invalid_body(error, value)
    moved = [fault.model_copy(update={"pointer": name + fault.pointer}) for fault in problem.errors]
    return problem.model_copy(update={"errors": tuple(moved)})


def _within(place: str, error: ValidationError) -> list[dict[str, Any]]:
    return [{**entry, "loc": (place, *entry["loc"])} for entry in error.errors(include_url=False)]


def invalid(errors: Sequence[Mapping[str, Any]], body: Any) -> Problem:
    """An invalid-request problem out of pydantic's errors, whose `loc` begins with the place, such as "body"."""
    found = faults(errors, body)
    if len(found) == 1:
        detail = found[0].detail[:1].upper() + found[0].detail[1:].removesuffix(".") + "."
    else:
        detail = f"{len(found)} values are not valid: {', '.join(fault.pointer or 'the body' for fault in found)}."
    return known.INVALID_REQUEST.problem(detail, found)


async def _http(request: Request, error: Exception) -> Response:
    """What the framework raises: no such path or method, an unreadable or oversized body."""
    assert isinstance(error, HTTPException)
    kind = OF_STATUS.get(error.status_code)
    if kind is None:
        return unforeseen(error)
    if kind is known.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_allowed(request))
        return respond(kind.problem(f"{request.url.path} takes {allowed}, not {request.method}."), {"Allow": allowed})
    if kind is known.NOT_FOUND:
        return respond(kind.problem(f"There is nothing at {request.url.path}."))
    if kind is known.MALFORMED_JSON:
        return respond(kind.problem("The body is not JSON that can be read."))
    return respond(kind.problem(error.detail), error.headers)


def _allowed(request: Request) -> list[str]:
    """The methods of every route at the request's path; the framework names those of the first alone."""
    routes = request.app.router.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _unavailable(_request: Request, error: Exception) -> Response:
    log.warning("database.unavailable", error=str(error))
    return respond(known.UNAVAILABLE.problem("The database cannot be reached now."))


async def _deleted(_request: Request, _error: Exception) -> Response:
    """Tiles that were there when the request was looked at: only deleting takes any away."""
    return respond(known.NOT_FOUND.problem("The array was deleted while it was read."))


HANDLERS = {
    ProblemError: _refused,
    RefusedError: _refused_with_headers,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Unavailable: _unavailable,
    TileMissingError: _deleted,
}
