"""The `ntkd` command line against the running system."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ntkd


def test_from_a_file_to_an_array_on_disk(ntkd_command, client: ntkd.Client) -> None:
    np.save("x.npy", np.random.default_rng(40).standard_normal((12, 3)))
    code, dataset, _ = ntkd_command("dataset", "x.npy", "--name", "twelve")
    assert code == 0
    code, job, said = ntkd_command("kernel", dataset.strip(), "--depth", "3", "--beta", "0.5", "--sigma-w", "1.5")
    assert code == 0
    assert "done in" in said
    code, nothing, said = ntkd_command("fetch", job.strip(), "ntk", "-o", "theta.npy")
    assert (code, nothing) == (0, "")
    assert "theta.npy" in said
    same = client.kernel(dataset.strip(), depth=3, beta=0.5, sigma_w=1.5)
    assert same.id == job.strip()
    np.testing.assert_array_equal(np.load("theta.npy"), same.ntk)
    ntkd_command("fetch", job.strip(), "nngp", "--rows", "2:5", "--cols", ":4")
    np.testing.assert_array_equal(np.load("nngp.npy"), same.nngp[2:5, :4])


def test_a_network_may_be_a_list_of_layers(ntkd_command) -> None:
    Path("x.csv").write_text("0.5,1\n-1,2\n0,1\n")
    _, short, _ = ntkd_command("kernel", "x.csv", "--depth", "2", "--beta", "0.2")
    dense = {"type": "dense", "beta": 0.2}
    code, long, _ = ntkd_command("kernel", "x.csv", "--architecture", json.dumps([dense, "relu", dense]))
    assert (code, long) == (0, short)
    code, nothing, said = ntkd_command("kernel", "x.csv", "--architecture", "[]")
    assert (code, nothing) == (1, "")
    assert "a network needs a dense layer" in said


def test_a_kernel_may_be_estimated(ntkd_command, client: ntkd.Client) -> None:
    Path("x.csv").write_text("0.5,1\n-1,2\n0,1\n")
    method = {"type": "monte_carlo", "draws": 20, "width": 10}
    code, job, _ = ntkd_command("kernel", "x.csv", "--depth", "2", "--method", json.dumps(method))
    assert code == 0
    same = client.kernel(np.loadtxt("x.csv", delimiter=","), depth=2, method=method)
    assert same.id == job.strip()
    assert [array.name for array in same.job.arrays] == ["ntk", "nngp", "ntk_standard_error", "nngp_standard_error"]
    code, _, said = ntkd_command("kernel", "x.csv", "--method", "guess")
    assert code == 1
    assert "the type of method must be one of" in said


def test_a_status_has_the_error_bound(ntkd_command) -> None:
    Path("x.csv").write_text("0.5,1\n-1,2\n0,1\n")
    shown = {}
    for name in ("tanh", "relu"):
        _, job, _ = ntkd_command("kernel", "x.csv", "--depth", "2", "--activation", name)
        _, shown[name], _ = ntkd_command("status", job.strip())
    assert re.search(r"array ntk\t3×3 float64, error bound [1-9]\.\de-1[45]\n", shown["tanh"])
    assert "array ntk\t3×3 float64\n" in shown["relu"]


def test_a_file_may_stand_for_its_dataset_and_a_finished_job_says_so(ntkd_command) -> None:
    Path("x.csv").write_text("0.5,1\n-1,2\n0,1\n")
    arguments = ("kernel", "x.csv", "--kernel", "ntk", "--against", "x.csv", "--activation", '{"type": "erf"}')
    _, first, _ = ntkd_command(*arguments)
    code, second, said = ntkd_command(*arguments, "--json")
    assert code == 0
    assert json.loads(second)["id"] == first.strip()
    assert [array["name"] for array in json.loads(second)["arrays"]] == ["ntk"]
    assert "computed before" in said


def test_a_dataset_is_made_from_its_source(ntkd_command) -> None:
    source = json.dumps({"type": "circle", "points": 10})
    code, printed, _ = ntkd_command("dataset", "--source", source, "--targets", '{"type": "x1*x2"}', "--json")
    assert code == 0
    assert [array["shape"] for array in json.loads(printed)["arrays"]] == [[10, 2], [10, 1]]
    _, listed, _ = ntkd_command("datasets", "--limit", "1")
    assert listed.split("\t")[0] == json.loads(printed)["id"]


def test_specs_are_submitted_from_a_file_and_from_standard_input(
    ntkd_command, client: ntkd.Client, service_url: str
) -> None:
    dataset = client.dataset(np.random.default_rng(41).standard_normal((8, 2)))
    spec = {"dataset": dataset.id, "architecture": {"type": "mlp", "depth": 2}}
    Path("spec.json").write_text(json.dumps(spec))
    code, job, _ = ntkd_command("submit", "kernels", "spec.json", "--wait")
    assert code == 0
    # The installed command in a process of its own, as a script calls it.
    command = [str(Path(sys.executable).with_name("ntkd")), "--url", service_url, "submit", "spectra", "-", "--wait"]
    text = json.dumps({"kernel": job.strip(), "top": 2})
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert client.job(done.stdout.strip()).array("eigenvalues").shape == (2,)


def test_a_job_is_shown_listed_watched_and_deleted(ntkd_command, client: ntkd.Client) -> None:
    job = client.submit_kernel(np.random.default_rng(42).standard_normal((300, 2))).id
    code, nothing, said = ntkd_command("watch", job)
    assert (code, nothing) == (0, "")
    assert job in said
    _, shown, _ = ntkd_command("status", job)
    rows = dict(line.split("\t") for line in shown.splitlines())
    assert rows["state"] == "succeeded"
    assert rows["array ntk"] == "300×300 float64"
    _, status, _ = ntkd_command("status", job, "--json")
    assert json.loads(status)["id"] == job
    _, listed, _ = ntkd_command("jobs", "--kind", "kernels", "--limit", "1")
    assert listed.split("\t")[:3] == [job, "kernels", "succeeded"]
    _, listed, _ = ntkd_command("jobs", "--state", "succeeded", "--limit", "2", "--json")
    assert [json.loads(line)["state"] for line in listed.splitlines()] == ["succeeded"] * 2
    assert ntkd_command("delete", job)[0] == 0
    assert ntkd_command("status", job)[0] == 1


def test_a_cancelled_job_ends_its_watch_with_1(ntkd_command, client: ntkd.Client) -> None:
    job = client.submit_kernel(np.random.default_rng(43).standard_normal((3000, 2)), depth=25).id
    code, nothing, said = ntkd_command("cancel", job)
    assert (code, nothing) == (0, "")
    assert "cancelled" in said
    code, _, said = ntkd_command("watch", job)
    assert code == 1
    assert said.endswith(f"ntkd: job {job} was cancelled\n")


def test_a_refusal_is_said_with_its_pointers(ntkd_command, client: ntkd.Client) -> None:
    dataset = client.dataset([[1.0, 2.0]])
    code, nothing, said = ntkd_command("kernel", dataset.id, "--depth", "0", "--beta", "-1")
    assert (code, nothing) == (1, "")
    assert "/architecture/depth" in said
    assert "/architecture/beta" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("dataset",),
        ("dataset", "--source", "{"),
        ("dataset", "--source", "[]"),
        ("kernel", "id", "--architecture", "dense"),
        ("kernel", "id", "--architecture", "3"),
        ("dataset", "absent.npy"),
        ("submit", "kernels", "absent.json"),
        ("fetch", "job", "ntk", "--rows", "-1:3"),
        ("fetch", "job", "ntk", "-o", "no/such/folder/x.npy"),
        ("--url", "localhost", "jobs"),
    ],
)
def test_a_wrong_call_is_explained_and_exits_with_2(ntkd_command, arguments: tuple[str, ...]) -> None:
    code, nothing, said = ntkd_command(*arguments)
    assert (code, nothing) == (2, "")
    assert "Usage: ntkd" in said


def test_a_service_that_does_not_run_is_said_in_one_line(ntkd_command) -> None:
    code, nothing, said = ntkd_command("--url", "http://127.0.0.1:9", "jobs")  # discard: nothing listens there
    assert (code, nothing) == (1, "")
    assert said.startswith("ntkd: http://127.0.0.1:9 does not answer")
    assert len(said.splitlines()) == 1
