"""The system's processes, one table: `ntkd up`, the container files and the tests run these command lines."""

import os
import sys
from pathlib import Path

from contracts.settings import Settings
from deploy import hardware
from deploy.processes import Command

ROOT = Path(__file__).parents[1]  # children run here: `-m` would prefer a folder `api` of the user's own
GRACE = 30.0


def arguments(host: str, port: int) -> dict[str, tuple[str, ...]]:
    """Of each process, the arguments after `python`."""
    # h11 bounds a request's header, which httptools does not; nothing here speaks WebSocket.
    uvicorn = (
        "--host",
        host,
        "--port",
        str(port),
        "--http",
        "h11",
        "--ws",
        "none",
        "--timeout-graceful-shutdown",
        "10",
    )
    celery = ("-P", "prefork", "-c", "1", "--without-gossip", "--without-mingle")
    return {
        "migrate": ("-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", "head"),
        "api": ("-m", "uvicorn", "api.app:app", *uvicorn),
        "worker": ("-m", "celery", "-A", "worker.app", "worker", *celery),
        "sweeper": ("-m", "worker.sweeper"),
    }


# SIGTERM then ends a running part early instead of waiting for it; and threads that wait leave the cores to others.
WORKER_ENV = {"REMAP_SIGTERM": "SIGQUIT", "OMP_WAIT_POLICY": "passive"}


def commands(settings: Settings, log_dir: Path | None = None) -> list[Command]:
    """The API, the workers and the sweeper; `log_dir` takes their output, which else goes to the terminal."""
    table = arguments(settings.host, settings.port)
    shared = environment(settings)

    def command(name: str, arguments: tuple[str, ...], env: dict[str, str]) -> Command:
        log = None if log_dir is None else log_dir / f"{name}.log"
        return Command(name, (sys.executable, *arguments), env, grace=GRACE, cwd=ROOT, log=log)

    workers = []
    devices = hardware.worker_devices(settings)
    for number, device in enumerate(devices, start=1):
        name = f"worker-{number}"
        named = (*table["worker"], "--hostname", f"{name}@%h", "--loglevel", settings.log_level)
        progress = {"NTKD_PROGRESS_FILE": str(settings.state_dir.absolute() / f"{name}.progress")}
        workers.append(command(name, named, shared | progress | _worker_environment(settings, device, len(devices))))
    return [command("api", table["api"], shared), *workers, command("sweeper", table["sweeper"], shared)]


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with every setting in it, paths made absolute."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    absolute = {name: value.absolute() if isinstance(value, Path) else value for name, value in values.items()}
    return os.environ | {f"NTKD_{name.upper()}": str(value) for name, value in absolute.items() if value is not None}


def _worker_environment(settings: Settings, device: str, workers: int) -> dict[str, str]:
    """A worker's device, its share of the cores, and all of them for a job that has no other part."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, hardware.cores() // workers))
    alone = str(settings.threads or hardware.cores())
    return {"NTKD_DEVICE": device, "NTKD_THREADS": alone, "OMP_NUM_THREADS": threads, **WORKER_ENV}
