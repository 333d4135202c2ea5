"""What a dataset holds, and the id that follows from it."""

import hashlib
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from datasets.rows import Block, Rows

ID_LENGTH = 32


class ArrayDigest:
    """SHA-256 of an array's values, fed block by block in row order.

    Only the order of the values counts, never how they were cut into blocks or which byte order or memory layout they
    came in. −0.0 and 0.0 are different values here.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, block: Block) -> None:
        little = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<"))
        self._hash.update(little.data)

    def describe(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Any]:
        """What stands for the array in the dataset's id; shape and dtype come last, when a stream has ended."""
        return {"dtype": dtype.newbyteorder("<").str, "shape": list(shape), "sha256": self._hash.hexdigest()}


def digest(rows: Rows) -> dict[str, Any]:
    """The description of a finished array, for `content_id`."""
    values = ArrayDigest()
    for block in rows:
        values.update(block)
    return values.describe(rows.shape, rows.dtype)


def content_id(x: dict[str, Any], y: dict[str, Any] | None) -> str:
    """The dataset's id: 32 hexadecimal digits of the SHA-256 over the descriptions of x and y."""
    canonical = json.dumps({"x": x, "y": y}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:ID_LENGTH]


@dataclass(frozen=True)
class Content:
    """A dataset that was generated or read: checked, finite, and ready to be stored.

    id: digest of the values, shapes and dtypes; the same bytes are the same dataset wherever they came from.
    x: n×d or n×h×w×c, float64 (float32 where it was uploaded so). y: n×k float64, or None.
    provenance: one line that says where the values come from.

    A context manager: leaving it deletes the temporary files of an upload.
    """

    id: str
    x: Rows
    y: Rows | None
    provenance: str

    def close(self) -> None:
        for rows in (self.x, self.y):
            if rows is not None:
                rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
