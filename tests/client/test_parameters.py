"""θ as named tensors through the whole service: trained, fetched, loaded elsewhere, sent back, and used."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors
import torch

import ntkd
from ntk_engine import finite
from ntk_engine.architecture import parse, simplified
from ntk_engine.finite.parameters import Weights

X = np.random.default_rng(3).standard_normal((7, 2))
Y = np.random.default_rng(4).standard_normal((7, 2))
PLAIN = {"type": "mlp", "depth": 3, "width": 20}
NESTED = [
    {"type": "dense", "width": 6},
    {"type": "residual", "layers": ["relu", {"type": "dense", "width": 6, "beta": 0.3}]},
    "relu",
    {
        "type": "parallel",
        "combine": "concatenate",
        "branches": [
            [{"type": "dense", "width": 5, "parametrization": "standard"}, "relu"],
            [{"type": "dense", "width": 3}, "erf", {"type": "dense", "width": 4}],
        ],
    },
    "dense",
]
TENSORS = {
    "plain": ["layers.0", "layers.2", "layers.4"],
    "nested": [
        "layers.0",
        "layers.1.branches.1.1",
        "layers.3.branches.0.0",
        "layers.3.branches.1.0",
        "layers.3.branches.1.2",
        "layers.4",
    ],
}
NETWORKS = {"plain": PLAIN, "nested": NESTED}


def trained(client: ntkd.Client, network: Any, **more: Any) -> ntkd.TrainingResult:
    asked = {"learning_rate": 0.1, "steps": 6, "seeds": [5, 2], "record": {"parameters": {"at": [0, 4]}}}
    return client.training(X, Y, architecture=network, **(asked | more))


def as_parameters(tensors: dict[str, Any], names: list[str]) -> finite.Parameters:
    return tuple(
        Weights(*(torch.from_numpy(np.array(tensors[f"{name}.{part}"])) for part in ("weight", "bias")))
        for name in names
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_there_and_back(client: ntkd.Client, kind: str, dtype: str) -> None:
    """Bit for bit: the numbers of the tensors are θ's, the dataset is θ, and its kernel is that of the training."""
    network = NETWORKS[kind]
    run = trained(client, network, dtype=dtype)
    at = run.array("parameters_at")
    for row, seed in enumerate((5, 2)):
        for step, theta in ((0, at[row, 0]), (4, at[row, 1]), (None, run.parameters[row])):
            tensors = client.parameters(run, seed=seed, step=step)
            assert {name.rpartition(".")[0] for name in tensors} == set(TENSORS[kind])
            joined = [np.column_stack(list(part)) for part in as_parameters(tensors, TENSORS[kind])]
            np.testing.assert_array_equal(np.concatenate([part.ravel() for part in joined]), theta)
            assert {values.dtype.name for values in tensors.values()} == {dtype}
    kept = client.upload_parameters(tensors, network, name="mine")
    assert kept.x.dtype.name == dtype
    np.testing.assert_array_equal(kept.x[0], theta)
    assert client.dataset(theta[None]).id == kept.id
    method = {"type": "empirical", "n_outputs": 2}
    given = [{"uploaded": {"dataset": kept.id}}, {"trained": {"training": run.id, "seed": 2}}]
    mine, theirs = (client.kernel(X, architecture=network, method=method | some) for some in given)
    np.testing.assert_array_equal(mine.ntk, theirs.ntk)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_tensors_are_those_of_the_network(client: ntkd.Client, kind: str) -> None:
    """Named tensors, put into the network by hand, give the outputs that the training recorded."""
    run = trained(client, NETWORKS[kind], seeds=[1], record={"outputs": {"at": [6]}})
    params = as_parameters(client.parameters(run, seed=1), TENSORS[kind])
    f = finite.apply(parse(NETWORKS[kind]), params, torch.from_numpy(X))
    # One network's products and two side by side: sums of at most twenty terms.
    np.testing.assert_allclose(f, run.outputs[0, 0], rtol=0, atol=1e-13)


def test_it_loads_into_pytorch(client: ntkd.Client, service_url: str, tmp_path: Path) -> None:
    """The example of docs/http.md, line by line, on the file of the server."""
    guide = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    (block,) = [some for some in guide.split("\n\n") if "load_file(" in some]
    network, record = {"type": "mlp", "depth": 4, "width": 200, "beta": 0.1}, {"outputs": {"at": [6]}}
    asked = {"learning_rate": 0.1, "steps": 6, "dtype": "float32"}
    run = client.training(X, Y[:, :1], architecture=network, record=record, **asked)
    file = tmp_path / "net.safetensors"
    file.write_bytes(httpx.get(f"{service_url}/v1/jobs/{run.id}/parameters").content)
    x = torch.from_numpy(X.astype(np.float32))
    found: dict[str, Any] = {"x": x}
    code = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    exec(code.replace('"net.safetensors"', repr(str(file))), found)
    # Gains are applied in float32: of outputs of order one, some roundings a layer.
    np.testing.assert_allclose(found["net"](x).detach(), run.outputs[0, 0], rtol=0, atol=1e-5)


def test_what_the_file_says_of_itself(client: ntkd.Client, service_url: str, tmp_path: Path) -> None:
    run = trained(client, NESTED, tolerance=1e9)
    answer = httpx.get(f"{service_url}/v1/jobs/{run.id}/parameters", params={"seed": 2})
    (tmp_path / "file").write_bytes(answer.content)
    with safetensors.safe_open(tmp_path / "file", "np") as file:
        metadata = file.metadata()
        names = list(file.offset_keys())
    # A tolerance that any cost keeps to ends the training before its first step.
    assert (metadata["format"], metadata["seed"], metadata["step"]) == ("ntkd.parameters/1", "2", "0")
    assert parse(json.loads(metadata["architecture"])) == simplified(parse(NESTED))
    assert names == [f"{layer}.{part}" for layer in TENSORS["nested"] for part in ("weight", "bias")]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="parameters-2-0.safetensors"'


def test_bytes_and_tags(client: ntkd.Client, service_url: str) -> None:
    run = trained(client, NESTED)
    path = f"{service_url}/v1/jobs/{run.id}/parameters?seed=5"
    whole = httpx.get(path)
    head = httpx.head(path)
    assert head.headers["Content-Length"] == str(len(whole.content)) == whole.headers["Content-Length"]
    tag = whole.headers["ETag"]
    assert httpx.get(path, headers={"If-None-Match": tag}).status_code == 304
    others = [f"{path}&step=4", f"{path}&step=0", path.replace("seed=5", "seed=2")]
    assert len({tag, *(httpx.head(other).headers["ETag"] for other in others)}) == 4
    size = len(whole.content)
    ends = [0, 5, 8, 700, *np.random.default_rng(0).integers(0, size, 60), size]
    for start, stop in pairwise(sorted({int(end) for end in ends})):
        part = httpx.get(path, headers={"Range": f"bytes={start}-{stop - 1}", "If-Range": tag})
        assert (part.status_code, part.content) == (206, whole.content[start:stop])
    assert httpx.get(path, headers={"Range": f"bytes={size}-"}).status_code == 416


@pytest.mark.parametrize(("asked", "pointer"), [({"seed": 3}, "seed"), ({"step": 3}, "step")])
def test_networks_and_steps_that_are_not_there(client: ntkd.Client, asked: dict[str, int], pointer: str) -> None:
    run = trained(client, PLAIN)
    with pytest.raises(ntkd.ProblemError) as caught:
        client.parameters(run, **({"seed": 5} | asked))
    assert [error.pointer for error in caught.value.problem.errors or ()] == [pointer]


def test_jobs_without_parameters(client: ntkd.Client) -> None:
    kernel = client.kernel(X, depth=2)
    slow = client.training(X, Y, architecture=PLAIN, learning_rate=0.01, steps=10**7, wait=False)
    slow.handle.cancel()
    for job, status in ((kernel, 404), (slow, 409), ("00000000-0000-4000-8000-000000000000", 404)):
        with pytest.raises(ntkd.ProblemError) as caught:
            client.parameters(job)
        assert caught.value.status == status


def test_while_a_training_runs(client: ntkd.Client) -> None:
    """What a step records is there with the part that made it; a checkpoint is no end."""
    asked = {"learning_rate": 0.01, "steps": 10**6, "record": {"parameters": {"at": [0]}}}
    run = client.training(X, Y, architecture=PLAIN, wait=False, **asked)
    next(event for event in run.handle.events() if event.type == "progress")
    started = client.parameters(run, step=0)
    with pytest.raises(ntkd.ProblemError) as caught:
        client.parameters(run)
    assert caught.value.status == 409
    run.handle.cancel()
    drawn = finite.init(parse(PLAIN), 2, 2, 0)
    for (weight, bias), name in zip(drawn, TENSORS["plain"], strict=True):
        np.testing.assert_array_equal(started[f"{name}.weight"], weight)
        np.testing.assert_array_equal(started[f"{name}.bias"], bias)


def test_asynchronously(service_url: str) -> None:
    async def there_and_back() -> bool:
        async with ntkd.AsyncClient(service_url) as client:
            run = await client.training(X, Y, architecture=PLAIN, learning_rate=0.1, steps=2)
            kept = await client.upload_parameters(await client.parameters(run), PLAIN)
            return bool(np.array_equal(await kept.x, await run.parameters))

    assert asyncio.run(there_and_back())


def test_arrays_that_are_no_parameters(client: ntkd.Client) -> None:
    tensors = {"layers.0.weight": np.ones((1, 2)), "layers.0.bias": np.ones(1, int)}
    with pytest.raises(TypeError, match=r"layers\.0\.bias"):
        client.upload_parameters(tensors, ["dense"])
    tensors |= {"layers.0.bias": np.ones(2), "layers.1.bias": np.ones(3)}
    with pytest.raises(ntkd.ProblemError) as caught:
        client.upload_parameters(tensors, ["dense"])
    pointers = [error.pointer for error in caught.value.problem.errors or ()]
    assert pointers == ["/file/layers.1.bias"]


def test_tensors_in_any_order_of_memory_and_file(client: ntkd.Client) -> None:
    weight = np.arange(6.0).reshape(3, 2)
    made = {
        "layers.2.bias": np.ones(1),
        "layers.0.weight": np.asfortranarray(weight),
        "layers.2.weight": np.array([[7.0, 8.0, 9.0]]),
        "layers.0.bias": np.array([10.0, 11.0, 12.0]),
    }
    kept = client.upload_parameters(made, ["dense", "relu", "dense"])
    assert kept.x.tolist() == [[0, 1, 10, 2, 3, 11, 4, 5, 12, 7, 8, 9, 1]]
