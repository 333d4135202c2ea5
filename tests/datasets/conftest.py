"""Shorthands: building a request, reading an upload, and the problem that either is refused with."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from contracts.problems import Problem, ProblemError
from contracts.settings import Settings
from datasets.content import Content
from datasets.labels import Encoding
from datasets.request import DatasetRequest
from datasets.uploads.upload import read_upload

LIMIT = 2**24

Build = Callable[..., Content]
Upload = Callable[..., tuple[str, np.ndarray, np.ndarray | None]]
Refused = Callable[..., Problem]


@pytest.fixture
def settings() -> Settings:
    return Settings(mnist_dir=None, max_upload_bytes=2**28)


@pytest.fixture
def build(settings: Settings) -> Build:
    def run(source: dict[str, Any], **rest: Any) -> Content:
        return DatasetRequest.model_validate({"source": source, **rest}).build(settings)

    return run


@pytest.fixture
def build_refused(build: Build) -> Refused:
    def run(source: dict[str, Any], **rest: Any) -> Problem:
        with pytest.raises(ProblemError) as caught:
            build(source, **rest)
        return caught.value.problem

    return run


@pytest.fixture
def upload() -> Upload:
    def run(data: bytes, filename: str, labels: Encoding = None, limit: int = LIMIT) -> Any:
        with read_upload(io.BytesIO(data), filename, labels=labels, limit=limit) as content:
            return content.id, content.x.array(), None if content.y is None else content.y.array()

    return run


@pytest.fixture
def upload_refused() -> Refused:
    def run(data: bytes, filename: str, labels: Encoding = None, limit: int = LIMIT) -> Problem:
        with pytest.raises(ProblemError) as caught:
            read_upload(io.BytesIO(data), filename, labels=labels, limit=limit)
        return caught.value.problem

    return run
