"""What specs in function space begin with: targets, f_0, and kernels, computed or read from jobs."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import torch
from torch import Tensor

from contracts.dynamics import Descent, Flow, Given
from contracts.function_space import FunctionSpaceSpec
from contracts.kernel_jobs import KernelJobs
from ntk_engine import function_space, infinite
from ntk_engine.architecture import Architecture
from ntk_engine.function_space import Blocks, Dynamics, Start
from ntk_engine.infinite import Kernel
from storage import arrays
from worker.context import Context
from worker.inputs import dataset_rows


@dataclass(frozen=True)
class Data:
    """What is given of points."""

    y: Tensor
    """Targets of those trained on, N×k,"""
    judged: Tensor | None
    """and of the test points, where they have some."""
    start: Start | None
    """f_0, where it is given."""


def data_of(spec: FunctionSpaceSpec, context: Context) -> Data:
    """Raises LookupError where a dataset is gone."""
    judged, start = None, None
    if spec.test is not None:
        with context.database.read() as read:
            has_targets = spec.judges and "y" in arrays.of_dataset(read, spec.test)
        judged = _rows(context, spec.test, "y") if has_targets else None
    if isinstance(spec.begins, Given):
        beside = None if spec.begins.test is None else _rows(context, spec.begins.test, "x")
        start = Start(_rows(context, spec.begins.train, "x"), beside)
    return Data(_rows(context, spec.train, "y"), judged, start)


def kernels(spec: FunctionSpaceSpec, context: Context, *, whole: bool) -> dict[str, Blocks]:
    """The blocks of every kernel that is needed; whole: of test points all, and not variances alone.

    Raises LookupError where a dataset or a job is gone.
    """
    if spec.kernels is not None:
        jobs = spec.kernels if spec.test is not None else spec.kernels.model_copy(update={"cross": None, "test": None})
        return {name: _stored(jobs, name, context, whole=whole) for name in spec.needed}
    assert spec.architecture is not None
    return _computed(spec.architecture, spec, context, whole=whole)


def dynamics_of(asked: Flow | Descent) -> Dynamics:
    """As the engine has them."""
    if isinstance(asked, Flow):
        return function_space.Flow()
    return function_space.GradientDescent(asked.learning_rate, asked.momentum)


def start_of(spec: FunctionSpaceSpec, data: Data) -> Literal["ensemble", "zero"] | Start:
    """f_0."""
    return data.start or ("ensemble" if spec.random else "zero")


def inputs(spec: FunctionSpaceSpec, context: Context) -> tuple[Tensor, Tensor | None]:
    """Those trained on, and the test points. Raises LookupError where a dataset is gone."""
    return _rows(context, spec.train, "x"), None if spec.test is None else _rows(context, spec.test, "x")


def _rows(context: Context, dataset: str, array: str) -> Tensor:
    return dataset_rows(context, dataset, None, torch.float64, array=array)


def _computed(arch: Architecture, spec: FunctionSpaceSpec, context: Context, *, whole: bool) -> dict[str, Blocks]:
    # Compiled or not, digits agree to rounding; waiting for the compiler makes equal jobs equal to the last bit.
    infinite.prepare(arch)
    names, threads = spec.needed, torch.get_num_threads()
    x, other = inputs(spec, context)
    train, cross, test = infinite.kernel(arch, x, kernels=names, threads=threads), None, None
    if other is not None:
        cross = infinite.kernel(arch, other, x, kernels=names, threads=threads)
        if whole:
            test = infinite.kernel(arch, other, kernels=names, threads=threads)
        elif spec.random:
            test = infinite.diagonal(arch, other, kernels=names)
    return {name: _blocks(name, train, cross, test) for name in names}


def _blocks(name: str, train: Kernel, cross: Kernel | None, test: Kernel | None) -> Blocks:
    between, own = (None if kernel is None else kernel.arrays[name] for kernel in (cross, test))
    return Blocks(train.arrays[name], between, own)


def _stored(jobs: KernelJobs, name: str, context: Context, *, whole: bool) -> Blocks:
    train = _matrix(jobs.train, name, context)
    cross = None if jobs.cross is None else _matrix(jobs.cross, name, context)
    test = None if jobs.test is None or jobs.cross is None else _matrix(jobs.test, name, context)
    return Blocks(train, cross, test if whole or test is None else test.diagonal().clone())


def _matrix(job: UUID, name: str, context: Context) -> Tensor:
    with context.database.read() as read:
        stored = arrays.of_job(read, job).get(name)
    if stored is None:
        raise LookupError(f"job {job} is no longer there")
    matrix = arrays.block(context.database, stored, slice(0, stored.plan.rows))
    return torch.from_numpy(matrix).to(context.device, torch.float64)
