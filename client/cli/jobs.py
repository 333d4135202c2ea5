"""Commands for jobs."""

from itertools import islice
from typing import Annotated

import typer

from client.cli.computations import follow
from client.cli.session import AsJson, JobId, connect
from client.cli.words import duration_text, job_rows, print_json, print_table, say, share_text


def status(context: typer.Context, job: JobId, as_json: AsJson = False) -> None:
    """Show a job."""
    with connect(context) as client:
        found = client.job(job).job
    if as_json:
        print_json(found)
    else:
        print_table(("", ""), job_rows(found))


def list_jobs(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help="only these")] = None,
    state: Annotated[str | None, typer.Option(help="only those in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect(context) as client:
        found = [item.job for item in islice(client.jobs(kind=kind, state=state), limit)]
    if as_json:
        for job in found:
            print_json(job)
        return
    rows = [(str(j.id), j.kind, str(j.state), share_text(j.progress), duration_text(j)) for j in found]
    print_table(("id", "kind", "state", "progress", "time"), rows)


def watch(context: typer.Context, job: JobId) -> None:
    """Follow a job to its end; exits with 1 where it fails or is cancelled."""
    with connect(context) as client:
        follow(client.job(job))


def cancel(context: typer.Context, job: JobId) -> None:
    """Stop a job; one that has finished stays as it is."""
    with connect(context) as client:
        say(f"job {job} is {client.job(job).cancel().state}")


def delete(context: typer.Context, job: JobId) -> None:
    """Remove a job and its arrays."""
    with connect(context) as client:
        client.job(job).delete()
    say(f"job {job} is deleted")
