"""Around every request: its log line and metrics, the last resort for exceptions, and the limit of its body."""

import re
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import unforeseen
from contracts.settings import MIB, Settings

log = structlog.get_logger()
# What multipart framing and its small fields may add to a file.
FRAMING = MIB
TAKE_FILES = ("/v1/datasets", "/v1/parameters")
CLIENT_LEFT = 499
SENDABLE_ID = re.compile(r"[\x21-\x7e]{1,100}")


class Observed:
    """Gives each request an id, logs and counts it when it has ended, and answers what nobody caught with a 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if SENDABLE_ID.fullmatch(given) else uuid4().hex
        started, status = perf_counter(), 0

        async def observing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self._app(scope, receive, observing)
            except ClientDisconnect:
                status = CLIENT_LEFT
            except Exception as error:
                response = unforeseen(error)
                if status:
                    # The answer has begun: only a broken connection can still say that it is not whole.
                    raise
                await response(scope, receive, observing)
            finally:
                self._record(scope, status or CLIENT_LEFT, perf_counter() - started)
        return None

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # Paths that lead nowhere are endless; their label is one.
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(scope["method"], route, str(status)).observe(seconds)
        milliseconds = round(1000 * seconds, 1)
        log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)


class BodyLimit:
    """Refuses a body that is too large: by its declared length before a byte is read, else as it grows."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit, what = self._limit(scope)
        declared = dict(scope["headers"]).get(b"content-length", b"")
        too_long, received = declared.isdigit() and int(declared) > limit, 0

        async def limited() -> Message:
            nonlocal received
            if too_long:
                raise _too_large(limit, what)
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit, what)
            return message

        return await self._app(scope, limited, send)

    def _limit(self, scope: Scope) -> tuple[int, str]:
        media_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        if scope["path"] in TAKE_FILES and not is_json(media_type):
            return self._settings.max_upload_bytes + FRAMING, "A file"
        return self._settings.max_body_bytes, "A JSON body"


def is_json(media_type: str) -> bool:
    """Whether a Content-Type is JSON's."""
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _too_large(limit: int, what: str) -> HTTPException:
    return HTTPException(413, f"{what} may have {limit:,} bytes here.")
