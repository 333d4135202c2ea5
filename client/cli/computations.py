"""Commands that ask for a computation; each prints the job's id."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from client.cli.progress import JobProgress
from client.cli.session import AsJson, Wait, connect, json_value, name_or_json
from client.cli.words import duration_text, print_json, say
from client.specs import KernelOptions, kernel_spec, spectrum_spec
from client.synchronous import Client, JobHandle


def kernel(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="id of a dataset, or a file to upload")],
    against: Annotated[str | None, typer.Option(help="second dataset, for a cross matrix")] = None,
    depth: Annotated[int, typer.Option(help="number of dense layers L")] = 5,
    activation: Annotated[str, typer.Option(metavar="NAME|JSON", help="relu, erf, …")] = "relu",
    beta: Annotated[float, typer.Option(help="scale of the biases")] = 0.1,
    sigma_w: Annotated[float, typer.Option("--sigma-w", help="scale of the weights")] = 1.0,
    architecture: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="the whole network or a list of layers, in place of the four options above"),
    ] = None,
    kernels: Annotated[list[str] | None, typer.Option("--kernel", help="ntk or nngp; repeat it for both")] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME|JSON", help='analytic, or {"type": "monte_carlo", "draws": 1000, "width": 500, "seed": 0}'
        ),
    ] = "analytic",
    dtype: Annotated[str, typer.Option(help="float64 or float32")] = "float64",
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Compute NTK and NNGP matrices of a network: in the infinite-width limit, or means over drawn networks."""
    network: KernelOptions = {
        "architecture": "mlp" if architecture is None else json_value(architecture, "--architecture"),
        "depth": depth,
        "activation": name_or_json(activation, "--activation"),
        "beta": beta,
        "sigma_w": sigma_w,
        "kernels": kernels or ("ntk", "nngp"),
        "method": name_or_json(method, "--method"),
        "dtype": dtype,
    }
    with connect(context) as client:
        second = None if against is None else _dataset_id(client, against)
        spec = kernel_spec(_dataset_id(client, dataset), second, **network)
        _compute(client, "kernels", spec, wait, as_json)


def spectrum(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="id of the kernel job; it may still be running")],
    array: Annotated[str, typer.Option(help="which of its arrays")] = "ntk",
    top: Annotated[int | None, typer.Option(min=1, help="only the largest so many eigenvalues")] = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="eigenvectors too")] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Compute the eigenvalues of a Gram matrix over N."""
    with connect(context) as client:
        _compute(client, "spectra", spectrum_spec(job, array, top, vectors), wait, as_json)


def submit(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="kernels, spectra, …: the path below /v1")],
    spec: Annotated[str, typer.Argument(metavar="FILE", help="file with the JSON body; - is standard input")],
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job of any kind from its JSON."""
    body = _read_json(spec)
    with connect(context) as client:
        _compute(client, kind, body, wait, as_json)


def _compute(client: Client, kind: str, spec: dict[str, Any], wait: bool, as_json: bool) -> None:
    handle = client.submit(kind, spec)
    if wait:
        follow(handle)
    if as_json:
        print_json(handle.job)
    else:
        typer.echo(handle.id)


def follow(handle: JobHandle) -> None:
    """Wait for a job with its progress on standard error; raises what `JobHandle.wait` raises."""
    before = handle.job.state.finished
    with JobProgress() as progress:
        job = handle.wait(progress=progress)
    took = duration_text(job)
    say(f"{job.kind} {job.id}: " + (f"computed before, in {took}" if before else f"done in {took} on {job.device}"))


def _dataset_id(client: Client, given: str) -> str:
    """The id itself, or that of the file's content."""
    path = Path(given)
    return client.upload(path).id if path.is_file() else given


def _read_json(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        value = json.loads(text)
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}", param_hint="FILE") from error
    except ValueError as error:
        raise typer.BadParameter(f"{name} is not JSON: {error}", param_hint="FILE") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("a JSON object is needed", param_hint="FILE")
    return value
