"""The table of processes, and how many workers a machine gets."""

import os
import sys
from pathlib import Path

import pytest

from contracts.settings import Settings
from deploy import commands, hardware


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("NTKD_") or name == "OMP_NUM_THREADS"]:
        monkeypatch.delenv(name)


@pytest.fixture
def gpus(monkeypatch):
    """Let this machine have some GPUs and a torch that can use them."""

    def have(visible: str) -> None:
        monkeypatch.setattr(hardware, "_torch_is_for_cpus", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return have


def test_a_child_has_the_settings_of_its_parent(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings(state_dir=Path("here"), port=0, workers=3, queue="mine", redis_url="redis://a/0")
    for name, value in commands.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings.model_copy(update={"state_dir": tmp_path / "here"})


def test_the_system_is_an_api_workers_with_names_of_their_own_and_a_sweeper():
    made = commands.commands(Settings(workers=2, device="cpu", host="0.0.0.0", port=1234))
    assert [command.name for command in made] == ["api", "worker-1", "worker-2", "sweeper"]
    assert all(command.argv[0] == sys.executable for command in made)
    assert "0.0.0.0" in made[0].argv
    assert "1234" in made[0].argv
    hosts = [command.argv[command.argv.index("--hostname") + 1] for command in made[1:3]]
    assert hosts == ["worker-1@%h", "worker-2@%h"]
    assert all(command.env["REMAP_SIGTERM"] == "SIGQUIT" for command in made[1:3])


def test_no_command_line_holds_a_password():
    settings = Settings(workers=1, database_url="postgresql://u:secret@h/d", redis_url="redis://:secret@h/0")
    for command in commands.commands(settings):
        assert not any("secret" in argument for argument in command.argv)
        assert command.env["NTKD_DATABASE_URL"] == settings.database_url


def test_output_goes_to_one_file_a_process(tmp_path):
    logs = [command.log for command in commands.commands(Settings(workers=1), tmp_path)]
    assert logs == [tmp_path / "api.log", tmp_path / "worker-1.log", tmp_path / "sweeper.log"]


@pytest.mark.parametrize(
    ("visible", "settings", "devices"),
    [
        ("0,1", {}, ["cuda:0", "cuda:1"]),
        ("0,1", {"workers": 3}, ["cuda:0", "cuda:1", "cuda:0"]),
        ("0,1", {"workers": 0}, []),
        ("0,1", {"device": "cuda:1"}, ["cuda:1"]),
        ("0,1", {"device": "cpu", "workers": 1}, ["cpu"]),
        ("", {"workers": 2}, ["auto", "auto"]),
        ("-1", {"device": "cuda"}, ["cuda"]),
    ],
)
def test_one_worker_a_gpu_unless_told_otherwise(gpus, visible, settings, devices):
    gpus(visible)
    assert hardware.worker_devices(Settings(**settings)) == devices


def test_one_worker_a_core_where_there_is_no_gpu(gpus):
    gpus("")
    assert hardware.worker_devices(Settings()) == ["auto"] * hardware.cores()


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(hardware, "cores", lambda: 8)
    made = commands.commands(Settings(workers=3, device="cpu"))
    assert [command.env.get("OMP_NUM_THREADS") for command in made] == [None, "2", "2", "2", None]


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1)])
def test_a_containers_quota_bounds_the_cores(monkeypatch, tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(hardware, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert hardware.cores() == cores
