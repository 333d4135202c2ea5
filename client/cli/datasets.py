"""Commands for datasets."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from client.cli.session import AsJson, connect, json_object, name_or_json
from client.cli.words import dataset_text, print_json, print_table, say


def dataset(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help=".npy, .npz, .csv or IDX(.gz) file to upload")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="JSON", help='what to make, as in {"type": "circle", "points": 100}')
    ] = None,
    targets: Annotated[
        str | None, typer.Option(metavar="JSON", help='y as a function of x, as in {"type": "x1*x2"}')
    ] = None,
    labels: Annotated[str | None, typer.Option(metavar="NAME|JSON", help="y from labels, as in one_hot")] = None,
    name: Annotated[str | None, typer.Option(help="for people only")] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a file, or have a dataset made; prints its id."""
    if (file is None) == (source is None):
        raise typer.BadParameter("give either a file or --source")
    if file is not None and targets is not None:
        raise typer.BadParameter("targets go with --source; a file holds its own y", param_hint="--targets")
    encoding = None if labels is None else name_or_json(labels, "--labels")
    with connect(context) as client:
        if file is not None:
            made = client.upload(file, labels=encoding, name=name)
        else:
            wanted = json_object(source, "--source") or {}
            function = json_object(targets, "--targets")
            made = client.dataset_from(wanted, labels=encoding, targets=function, name=name)
    if as_json:
        print_json(made.info)
        return
    say(dataset_text(made.info))
    typer.echo(made.id)


def list_datasets(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="how many")] = 20,
    as_json: AsJson = False,
) -> None:
    """List datasets, newest first."""
    with connect(context) as client:
        found = [item.info for item in islice(client.datasets(), limit)]
    if as_json:
        for info in found:
            print_json(info)
        return
    print_table(("id", "name", "content"), [(info.id, info.name or "-", dataset_text(info)) for info in found])
