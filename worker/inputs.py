"""Stored arrays as tensors on the worker's device."""

import torch

from storage import arrays
from worker.context import Context


def dataset_rows(context: Context, dataset: str, rows: slice, dtype: torch.dtype) -> torch.Tensor:
    """Rows `rows` of the dataset's inputs, flattened to n×d. Raises LookupError where the dataset is gone."""
    with context.database.read() as read:
        stored = arrays.of_dataset(read, dataset)
    if "x" not in stored:
        raise LookupError(f"dataset {dataset} is no longer there")
    return torch.from_numpy(arrays.block(context.database, stored["x"], rows)).to(context.device, dtype)
