"""The command line put together, and the one place where its errors become words and an exit code."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from client.cli import arrays, computations, datasets, jobs, system
from client.cli.session import Options
from client.cli.words import say_error
from client.connection import DEFAULT_URL
from client.errors import NtkdError

app = typer.Typer(
    name="ntkd",
    help="Neural tangent kernels as a service: start it, give it data, fetch kernels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(system.up)
app.command()(system.demo)
app.command()(datasets.dataset)
app.command("datasets")(datasets.list_datasets)
app.command()(computations.kernel)
app.command()(computations.spectrum)
app.command()(computations.submit)
app.command("jobs")(jobs.list_jobs)
app.command()(jobs.status)
app.command()(jobs.watch)
app.command()(jobs.cancel)
app.command()(jobs.delete)
app.command()(arrays.fetch)


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="NTKD_URL", help="address of the service")] = DEFAULT_URL,
) -> None:
    """Options of every command."""
    context.obj = Options(url)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 1 where the service refuses or a job fails, 2 where it was called wrongly."""
    try:
        app(args=arguments, prog_name="ntkd")
    except NtkdError as error:
        say_error(error)
        sys.exit(1)
