"""A job as an HTTP response."""

from math import ceil
from typing import Any

from starlette.responses import Response

from contracts.jobs import Job

# Asking once a minute is cheap, and an estimate of hours may be wrong by hours.
LONGEST_PAUSE = 60


def etag(version: int) -> str:
    """Weak: rate and seconds left move on while the version stays."""
    return f'W/"{version}"'


def versions(if_none_match: str | None) -> set[str]:
    """The entity tags of an If-None-Match header, strong or weak, without their marks."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in (if_none_match or "").split(",") if tag.strip()}


def job_response(job: Job, status: int = 200, **headers: Any) -> Response:
    """The job with its entity tag and, while it is unfinished, when to ask again."""
    sent = {"ETag": etag(job.version), "Cache-Control": "no-cache"}
    if not job.state.finished:
        sent["Retry-After"] = str(retry_after(job))
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(job.model_dump_json(), status, sent, media_type="application/json")


def retry_after(job: Job) -> int:
    """Seconds until the job is likely to be done, from its progress or the planner's estimate."""
    left = job.progress.seconds_left
    return 1 if left is None else max(1, min(LONGEST_PAUSE, ceil(left)))
