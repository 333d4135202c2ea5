"""A Python client of ntkd: kernels of local arrays as NumPy arrays, blocking (`Client`) or awaited (`AsyncClient`)."""

from client.asynchronous import AsyncClient
from client.errors import JobCancelled, JobFailed, NtkdError, ProblemError, TransferError, Unreachable, WaitTimeout
from client.jobs import AsyncJobHandle
from client.results import (
    AsyncDataset,
    AsyncKernelResult,
    AsyncPredictionResult,
    AsyncResult,
    AsyncSpectrumResult,
    AsyncTrainingResult,
)
from client.synchronous import (
    Client,
    Dataset,
    JobHandle,
    KernelResult,
    PredictionResult,
    Result,
    SpectrumResult,
    TrainingResult,
)

__all__ = [
    "AsyncClient",
    "AsyncDataset",
    "AsyncJobHandle",
    "AsyncKernelResult",
    "AsyncPredictionResult",
    "AsyncResult",
    "AsyncSpectrumResult",
    "AsyncTrainingResult",
    "Client",
    "Dataset",
    "JobCancelled",
    "JobFailed",
    "JobHandle",
    "KernelResult",
    "NtkdError",
    "PredictionResult",
    "ProblemError",
    "Result",
    "SpectrumResult",
    "TrainingResult",
    "TransferError",
    "Unreachable",
    "WaitTimeout",
]
