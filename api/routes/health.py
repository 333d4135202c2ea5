"""Is the process up, can it do its work, and what has it done."""

from typing import Any

import redis
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from api.documented import problems
from api.problems import respond
from api.services import Here
from contracts.problems import UNAVAILABLE
from storage import schema
from storage.database import Unavailable

router = APIRouter(tags=["operations"])
BROKER_SECONDS = 1.0
NEEDED_REVISION = schema.newest_revision()


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process up?")
async def healthz() -> dict[str, str]:
    """200 as long as the process answers at all."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(), summary="Can it take work?")
def readyz(services: Here) -> Response:
    """200 when the database answers and has the schema that this code needs.

    Without the broker it is ready, but degraded: jobs are taken, and the sweeper finds workers for them.
    """
    try:
        with services.database.read() as read:
            found = schema.current_revision(read)
    except Unavailable:
        return respond(UNAVAILABLE.problem("The database cannot be reached now."))
    if found != NEEDED_REVISION:
        said = f"The database's schema is at revision {found}, and this version needs {NEEDED_REVISION}."
        return respond(UNAVAILABLE.problem(said))
    broker = _broker_answers(services.settings.require_redis_url())
    report: dict[str, Any] = {"status": "ready" if broker else "degraded", "database": "ok", "schema": found}
    return JSONResponse(report | {"broker": "ok" if broker else "unreachable"})


def _broker_answers(url: str) -> bool:
    options = {"socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
    try:
        with redis.Redis.from_url(url, **options) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", response_class=Response, summary="Metrics for Prometheus")
def metrics(services: Here) -> Response:
    """Requests of this process; jobs and open parts as the database has them."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
