"""Parameters of a network that are not drawn: those of a training's network, or of a dataset's row."""

import torch
from torch import Tensor

from contracts.given import Given, Trained, Uploaded
from contracts.trainings import TrainingSpec
from ntk_engine.architecture import Architecture
from storage import arrays
from storage.arrays import Numbers
from storage.jobs import queries
from worker.context import Context


def given(context: Context, source: Given, architecture: Architecture) -> Tensor:
    """θ, 1×P, as it is stored. Raises LookupError where what had it is gone."""
    found = _trained(context, source, architecture) if isinstance(source, Trained) else _uploaded(context, source)
    return torch.from_numpy(found)


def _uploaded(context: Context, source: Uploaded) -> Numbers:
    with context.database.read() as read:
        stored = arrays.of_dataset(read, source.dataset).get("x")
    if stored is None:
        raise LookupError(f"dataset {source.dataset} is no longer there")
    return arrays.block(context.database, stored, slice(source.row, source.row + 1))


def _trained(context: Context, source: Trained, architecture: Architecture) -> Numbers:
    with context.database.read() as read:
        job, found = queries.get(read, source.training), arrays.of_job(read, source.training)
    if job is None:
        raise LookupError(f"job {source.training} is no longer there")
    row, record = source.found(TrainingSpec.model_validate(job.spec), architecture, "")
    count = found["parameters"].plan.cols
    name, columns = (
        ("parameters", None) if record is None else ("parameters_at", slice(record * count, (record + 1) * count))
    )
    return arrays.block(context.database, found[name], slice(row, row + 1), columns)
