"""Submitting a job of any kind: idempotency, one transaction, the bell, and waiting where the client prefers it."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import Depends, Header
from starlette.responses import Response

from api.documented import SUBMIT_HEADERS, WITH_BODY, Responses, problems
from api.job_response import job_response
from api.prefer import wait_seconds
from api.services import Here, Services
from api.waiting import finished, until
from contracts.canonical import digest
from contracts.jobs import Job
from contracts.kinds import Spec
from contracts.problems import CONFLICT, IDEMPOTENCY_CONFLICT, NOT_FOUND, TOO_LARGE, UNKNOWN_REFERENCE, Kind
from ntk_engine import __version__ as engine
from storage import idempotency
from storage.database import Read
from storage.jobs import queries, submission

PreferHeader = Annotated[
    list[str],
    Header(description="`wait=N`: answer when the job is done, after N ≤ 60 seconds at most", examples=[["wait=10"]]),
]
KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="a name for this request: sent again, it finds what the first one made",
        min_length=1,
        max_length=255,
    ),
]


def submits(*kinds: Kind) -> dict[str, Any]:
    """What an endpoint that submits a job says of itself in OpenAPI; `kinds`: problems beyond the usual ones."""
    usual = (CONFLICT, IDEMPOTENCY_CONFLICT, NOT_FOUND, TOO_LARGE, UNKNOWN_REFERENCE, *WITH_BODY)
    answers: Responses = {
        200: {"description": "The job that there was already, or that was done in time", "headers": SUBMIT_HEADERS},
        202: {"description": "A new job", "model": Job, "headers": SUBMIT_HEADERS},
    }
    return {"response_model": Job, "responses": answers | problems(*usual, *kinds)}


@dataclass(frozen=True)
class _Asking:
    """A client that submits something: what its headers ask for, and the services that do it."""

    services: Services
    prefer: str
    key: str | None

    async def submit(self, spec: Spec) -> Response:
        """202 with the new job, or 200 with one that was there or is done by the time the client waits."""
        job, made = await run_sync(self._stored, spec)
        if made:
            self.services.bell.ring(job.parts)
        seconds = wait_seconds(self.prefer)
        if seconds is None:
            return _answer(job, made)
        if not job.state.finished and await until(self.services, job.id, finished, seconds):
            job = await run_sync(self._read, job.id)
        return _answer(job, made, Preference_Applied=f"wait={seconds:g}")

    def _stored(self, spec: Spec) -> tuple[Job, bool]:
        """The one job for `spec`, committed, and whether it was made now."""
        request = digest({"post": spec.kind, "body": spec.explicit()})
        with self.services.database.begin() as write:
            if self.key is not None:
                location = idempotency.replay(write, self.key, request)
                if location is not None:
                    return _kept(write, location), False
            job, made = submission.submit(write, spec, self.services.settings, engine)
            if self.key is not None:
                idempotency.remember(write, self.key, request, _location(job))
            return _required(write, job), made

    def _read(self, job: UUID) -> Job:
        with self.services.database.read() as read:
            return _required(read, job)


def _asking(services: Here, prefer: PreferHeader = [], key: KeyHeader = None) -> _Asking:  # noqa: B006
    return _Asking(services, ", ".join(prefer), key)


Asking = Annotated[_Asking, Depends(_asking)]
"""The parameter of an endpoint that submits a job."""


def _location(job: UUID) -> str:
    return f"/v1/jobs/{job}"


def _answer(job: Job, made: bool, **headers: str) -> Response:
    status = 202 if made and not job.state.finished else 200
    return job_response(job, status, Location=_location(job.id), **headers)


def _required(read: Read, id_: UUID) -> Job:
    job = queries.get(read, id_)
    if job is None:
        raise CONFLICT.error(f"Job {id_} was deleted at this moment; send the request again.")
    return job


def _kept(read: Read, location: str) -> Job:
    job = queries.get(read, UUID(location.rpartition("/")[2]))
    if job is None:
        raise CONFLICT.error("The job that this Idempotency-Key made was deleted; take a new key.", "Idempotency-Key")
    return job
