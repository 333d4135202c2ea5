"""θ of a network as named arrays: fetched as a safetensors file, and sent as one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import ArrayLike
from safetensors.numpy import load_file, save_file

from client import download
from client.download import Array
from client.requests import to_json
from client.session import Session
from client.specs import Network
from client.transport import Request, Upload

FILE = "parameters.safetensors"


async def fetch(session: Session, request: Request) -> dict[str, Array]:
    """The tensors that `request` asks for. Memory: the arrays; the file lies on disk before."""
    with TemporaryDirectory(prefix="ntkd-") as folder:
        tensors: dict[str, Array] = load_file(await download.save(session, request, Path(folder) / FILE))
        return tensors


@contextmanager
def as_upload(tensors: Mapping[str, ArrayLike], architecture: Network) -> Iterator[Upload]:
    """A safetensors file with the network in its metadata. Raises TypeError for what holds no real numbers."""
    arrays = {name: _numbers(values, name) for name, values in tensors.items()}
    with TemporaryDirectory(prefix="ntkd-") as folder:
        path = Path(folder) / FILE
        save_file(arrays, path, metadata={"architecture": to_json(architecture).decode()})
        with path.open("rb") as file:
            yield Upload(FILE, file)


def _numbers(values: ArrayLike, name: str) -> Array:
    # What is not contiguous would be written as it lies in memory.
    array: Array = np.ascontiguousarray(values)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must hold floating-point numbers, not {array.dtype}")
    return array
