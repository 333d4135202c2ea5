"""The one settings class and its one table."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.settings import Settings

TABLE = (Path(__file__).parents[2] / "docs/operations.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_table_tells_every_setting(name: str) -> None:
    field = Settings.model_fields[name]
    default = "unset" if field.default is None else f"`{field.default}`"
    assert f"| `NTKD_{name.upper()}` | {default} | {field.description} |" in TABLE


def test_the_table_tells_nothing_else() -> None:
    assert TABLE.count("| `NTKD_") == len(Settings.model_fields)


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTKD_LEASE_SECONDS", "7.5")
    monkeypatch.setenv("NTKD_MNIST_DIR", "")
    assert (Settings().lease_seconds, Settings().mnist_dir) == (7.5, None)


@pytest.mark.parametrize(("name", "value"), [("PORT", "70000"), ("DEVICE", "tpu"), ("LEASE_SECONDS", "0")])
def test_values_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"NTKD_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("missing", ["require_database_url", "require_redis_url"])
def test_a_missing_service_is_said_in_a_sentence(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NTKD_DATABASE_URL", raising=False)
    monkeypatch.delenv("NTKD_REDIS_URL", raising=False)
    with pytest.raises(SystemExit, match="is not set"):
        getattr(Settings(), missing)()
