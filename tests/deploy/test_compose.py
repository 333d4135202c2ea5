"""The production shape, read without an engine: valid, closed, and made of commands that the other tests run."""

import json
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from contracts.settings import Settings
from deploy.commands import WORKER_ENV, arguments

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {"migrate": "migrate", "api": "api", "worker": "worker", "worker-gpu": "worker", "sweeper": "sweeper"}
DOCKERFILE = (ROOT / "deploy/images/Dockerfile").read_text()


def schema() -> dict[str, Any]:
    text = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def test_it_is_valid_under_the_compose_specification() -> None:
    assert list(validator_for(schema())(schema()).iter_errors(COMPOSE)) == []


def test_an_invalid_file_would_be_seen() -> None:
    broken = COMPOSE | {"services": {"api": {"imag": "ntkd/api"}}}
    assert list(validator_for(schema())(schema()).iter_errors(broken))


@pytest.mark.parametrize(("service", "process"), OURS.items())
def test_commands_are_those_of_the_table(service: str, process: str) -> None:
    assert SERVICES[service]["command"] == ["python", *arguments("0.0.0.0", 8000)[process]]


def test_image_commands_are_those_of_the_table() -> None:
    commands = [json.loads(line.removeprefix("CMD ")) for line in DOCKERFILE.splitlines() if line.startswith("CMD ")]
    table = arguments("0.0.0.0", 8000)
    assert commands == [["python", *table[name]] for name in ("api", "worker", "worker")]


@pytest.mark.parametrize("service", ["worker", "worker-gpu"])
def test_workers_stop_early_when_told(service: str) -> None:
    assert SERVICES[service]["environment"].items() >= WORKER_ENV.items()


def test_secrets_have_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    uses = re.findall(r"\$\{(NTKD_\w*PASSWORD\w*)([^}]*)\}", text)
    assert uses
    assert all(rest.startswith(":?") for _, rest in uses)
    example = (ROOT / "deploy/env.example").read_text()
    assert re.findall(r"^NTKD_\w*PASSWORD=(.*)$", example, re.M) == ["", ""]


def test_only_the_api_listens_and_only_on_this_host_by_default() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"api"}
    assert SERVICES["api"]["ports"] == ["${NTKD_BIND:-127.0.0.1:8000}:8000"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all("outside" not in service["networks"] for name, service in SERVICES.items() if name != "api")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    if name not in ("migrate", "sweeper"):
        assert "test" in service["healthcheck"]


def test_settings_named_in_the_files_exist() -> None:
    named = {
        name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith("NTKD_")
    }
    known = {f"NTKD_{name.upper()}" for name in Settings.model_fields} | {"NTKD_PROGRESS_FILE"}
    assert named <= known


def test_the_api_image_has_no_torch() -> None:
    stages = dict(re.findall(r"FROM \S+ AS (\S+)\n(.*?)(?=\nFROM |\Z)", DOCKERFILE, re.S))
    assert "[api,arrow]" in stages["build-api"]
    assert "--from=build-api" in stages["api"]
    metadata = (ROOT / "pyproject.toml").read_text()
    api_extra = re.search(r"^api = \[(.*?)^\]", metadata, re.S | re.M)
    assert api_extra is not None
    assert "torch" not in api_extra.group(1)


def copied(stage: str) -> list[str]:
    """Folders of the project that a stage of the Dockerfile puts into its image, with those of its base."""
    stages = dict(re.findall(r"FROM \S+ AS (\S+)\n(.*?)(?=\nFROM |\Z)", DOCKERFILE, re.S))
    return re.findall(r"^COPY (\w+) \1$", stages["runtime"] + stages[stage], re.M)


@pytest.mark.parametrize(
    ("stage", "modules"),
    [
        ("api", "api.app, worker.sweeper, storage.schema, migrations"),
        ("worker", "worker.app, worker.runner, worker.health"),
    ],
)
def test_an_images_folders_are_all_that_its_processes_need(stage: str, modules: str, tmp_path: Path) -> None:
    for folder in copied(stage):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    # Away with the way by which the tests' environment finds the project itself.
    hidden = "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]"
    torchless = "sys.modules['torch'] = None" if stage == "api" else "pass"
    program = f"import sys; {hidden}; sys.path.insert(0, '.'); {torchless}; import {modules}"
    environment = {"NTKD_DATABASE_URL": "postgresql://nowhere", "NTKD_REDIS_URL": "redis://nowhere", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
