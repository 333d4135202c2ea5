"""The command for results."""

from pathlib import Path
from typing import Annotated

import typer

from client.cli.progress import DownloadProgress
from client.cli.session import JobId, connect
from client.cli.words import say

Block = Annotated[str | None, typer.Option(metavar="A:B", help="only these, counted from 0, B not included")]


def fetch(
    context: typer.Context,
    job: JobId,
    array: Annotated[str, typer.Argument(metavar="ARRAY", help="name of the array, as in ntk")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file to write; ARRAY.npy by default")] = None,
    rows: Block = None,
    cols: Block = None,
) -> None:
    """Download an array, or a block of it, as .npy."""
    target = output or Path(f"{array}.npy")
    if not target.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {target.parent}", param_hint="--output")
    asked_rows, asked_cols = _block(rows, "--rows"), _block(cols, "--cols")
    with connect(context) as client, DownloadProgress(array) as progress:
        client.job(job).save(array, target, asked_rows, asked_cols, progress=progress)
    say(f"{target}: {target.stat().st_size:,} bytes")


def _block(text: str | None, option: str) -> slice | None:
    if text is None:
        return None
    first, colon, end = text.partition(":")
    if not colon or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, end)):
        raise typer.BadParameter("a block is A:B, for example 0:100", param_hint=option)
    return slice(int(first) if first else None, int(end) if end else None)
