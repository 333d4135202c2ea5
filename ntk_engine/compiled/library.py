"""Machine code from C++ text: built once for this processor, in the background, and kept on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import Future, wait
from functools import cache
from pathlib import Path

# Contraction and free choice of branches, but no reordering of sums: cancellation is designed for, not away.
_FLAGS = ["-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]
_FLAGS += ["-march=native", "-shared", "-fPIC"]
_WIDE = ["-mprefer-vector-width=512"] if platform.machine() == "x86_64" else []


class CompilerError(RuntimeError):
    """There is no C++ compiler, or it refused."""


_builds: dict[str, Future[ctypes.CDLL]] = {}
# What is asked for at every stage of every tile, without a lock.
_loaded: dict[str, ctypes.CDLL] = {}
_lock = threading.Lock()


def build(text: str) -> Future[ctypes.CDLL]:
    """The library compiled from a text: at once if it was compiled before, else when the compiler is done.

    The future raises CompilerError if it cannot be done here.
    """
    with _lock:
        if text not in _builds:
            future: Future[ctypes.CDLL] = Future()
            _builds[text] = future
            try:
                future.set_result(ctypes.CDLL(str(_path(text))))
            except (OSError, CompilerError):
                threading.Thread(target=_compile, args=(text, future), daemon=True).start()
        return _builds[text]


def ready(text: str) -> ctypes.CDLL | None:
    """The library of a text, if there is one by now."""
    if text not in _loaded:
        future = build(text)
        if not future.done() or future.exception() is not None:
            return None
        _loaded[text] = future.result()
    return _loaded[text]


def prepare(texts: Iterable[str]) -> None:
    """Wait until all of these are compiled, or cannot be."""
    wait([build(text) for text in texts])


def _compile(text: str, future: Future[ctypes.CDLL]) -> None:
    try:
        path = _path(text)
        _run(text, path)
        future.set_result(ctypes.CDLL(str(path)))
    except (OSError, CompilerError) as error:
        future.set_exception(CompilerError(str(error)))


def _run(text: str, path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
    if compiler is None:
        raise CompilerError("no C++ compiler was found (c++, g++, clang++ or $CXX)")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        code, result = Path(folder, "layers.cpp"), Path(folder, "layers.so")
        code.write_text(text)
        done = subprocess.run(  # noqa: S603 (a compiler that the operator chose, on text of our own)
            [compiler, *_FLAGS, *_WIDE, "-o", str(result), str(code)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CompilerError(f"{compiler} failed: {done.stderr[-500:]}")
        # Renamed in one step: whoever else compiles the same text finds nothing or all of it.
        result.replace(path)


def _path(text: str) -> Path:
    key = "\n".join([text, *_FLAGS, *_WIDE, _processor()])
    return folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"


def folder() -> Path:
    """Where compiled code is kept: below $XDG_CACHE_HOME or ~/.cache, or in a private temporary folder."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (no home is no error)
    for path in (Path(home, "ntkd"), Path(tempfile.gettempdir(), f"ntkd-{os.getuid()}")):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        # What is loaded from here runs: nobody else may write to it.
        if os.access(path, os.W_OK) and path.stat().st_uid == os.getuid() and not path.stat().st_mode & 0o022:
            return path
    raise CompilerError("there is no folder of one's own to keep compiled code in")


@cache
def wide() -> bool:
    """Whether this processor has vectors of 512 bits, and enough of them to sum many products in."""
    return "avx512f" in _processor().split()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
