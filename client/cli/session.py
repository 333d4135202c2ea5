"""What commands share: the options of the command line, and a client made from them."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from client.synchronous import Client

# Somebody is looking at the terminal: a service that is not there is said so soon.
PATIENCE = 2.0


@dataclass(frozen=True)
class Options:
    """The options before the command's name."""

    url: str


def connect(context: typer.Context) -> Client:
    """A client of the service that the command line names."""
    try:
        return Client(context.obj.url, patience=PATIENCE)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from error


def json_object(text: str | None, option: str) -> dict[str, Any] | None:
    """The JSON object that an option holds; None for an option that was not given."""
    value = None if text is None else json_value(text, option)
    if value is not None and not isinstance(value, dict):
        raise typer.BadParameter("a JSON object is needed", param_hint=option)
    return value


def json_value(text: str, option: str) -> dict[str, Any] | list[Any]:
    """The JSON object or list that an option holds."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"this is not JSON: {error}", param_hint=option) from error
    if not isinstance(value, dict | list):
        raise typer.BadParameter("a JSON object or list is needed", param_hint=option)
    return value


def name_or_json(text: str, option: str) -> str | dict[str, Any]:
    """A name such as relu, or a JSON object with its parameters."""
    return json_object(text, option) or {} if text.lstrip().startswith("{") else text


AsJson = Annotated[bool, typer.Option("--json", help="print JSON on standard output")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="wait for the result, showing progress")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="id of the job")]
