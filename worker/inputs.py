"""Stored arrays as tensors on the worker's device."""

import torch

from storage import arrays
from worker.context import Context

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def dataset_rows(
    context: Context, dataset: str, rows: slice | None, dtype: torch.dtype, *, array: str = "x"
) -> torch.Tensor:
    """Rows `rows`, or all, of the dataset's inputs, flattened to n×d, or of another array of it.

    Raises LookupError where the dataset is gone.
    """
    with context.database.read() as read:
        stored = arrays.of_dataset(read, dataset)
    if array not in stored:
        raise LookupError(f"dataset {dataset} is no longer there")
    some = rows or slice(0, stored[array].plan.rows)
    return torch.from_numpy(arrays.block(context.database, stored[array], some)).to(context.device, dtype)
