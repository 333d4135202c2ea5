"""Fixtures of the engine's tests: one thread, the devices there are, and reference data where there is any."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `device` runs on the CPU and, marked `gpu`, on CUDA where there is one."""
    if "device" in metafunc.fixturenames:
        gpus = [pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else []
        metafunc.parametrize("device", ["cpu", *gpus])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Thousands of small operations wait for one another where other processes hold the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of reference data: real digits, and kernels of them that other software computed."""
    folder = Path(os.environ.get("NTKD_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"there is no reference data at {folder}; NTKD_REFERENCE_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def digits(reference_data: Path) -> dict[str, torch.Tensor]:
    """MNIST, flattened, pixels/255 in float64: `train` and `test`, in the original order."""
    return {name: _pixels(reference_data / f"mnist_{name}10k.npz") for name in ("train", "test")}


def _pixels(path: Path) -> torch.Tensor:
    images: np.ndarray[Any, np.dtype[np.uint8]] = np.load(path)["x"]
    return torch.from_numpy(images.reshape(len(images), -1)).double() / 255
