"""The blocking client: the methods of the asynchronous one, run to their end where they are called."""

from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from client.asynchronous import AsyncClient
from client.blocking import Blocking, blocking, blocking_as, iterating, iterating_as, run
from client.jobs import AsyncJobHandle
from client.results import AsyncDataset, AsyncKernelResult, AsyncResult
from client.transport import BlockingTransport, Transport
from contracts.jobs import DatasetInfo, Job, State

Array = NDArray[Any]


class JobHandle(Blocking[AsyncJobHandle]):
    """A job on the service; `job` is what was last heard of it."""

    @property
    def job(self) -> Job:
        return self._core.job

    @property
    def id(self) -> str:
        return self._core.id

    @property
    def state(self) -> State:
        return self._core.state

    refresh = blocking(AsyncJobHandle.refresh)
    wait = blocking(AsyncJobHandle.wait)
    events = iterating(AsyncJobHandle.events)
    cancel = blocking(AsyncJobHandle.cancel)
    delete = blocking(AsyncJobHandle.delete)
    array = blocking(AsyncJobHandle.array)
    save = blocking(AsyncJobHandle.save)


class Dataset(Blocking[AsyncDataset]):
    """A dataset on the service; its arrays are fetched when they are first looked at."""

    @property
    def info(self) -> DatasetInfo:
        return self._core.info

    @property
    def id(self) -> str:
        return self._core.id

    @property
    def x(self) -> Array:
        """Inputs, n×d or n×h×w×c."""
        return run(self._core.x)

    @property
    def y(self) -> Array:
        """Targets, n×k."""
        return run(self._core.y)

    array = blocking(AsyncDataset.array)


class Result(Blocking[Any]):
    """The arrays of a job; the first look at one waits for the job, fetches it and keeps it."""

    @property
    def id(self) -> str:
        return str(self._core.id)

    @property
    def handle(self) -> JobHandle:
        return JobHandle(self._core.handle)

    @property
    def job(self) -> Job:
        return self.handle.job

    array = blocking(AsyncResult.array)
    value = blocking(AsyncResult.value)
    error_bound = blocking(AsyncResult.error_bound)


class KernelResult(Result):
    """Matrices of a kernel job."""

    error_bound = blocking(AsyncKernelResult.error_bound)

    @property
    def ntk(self) -> Array:
        """Θ, N₁×N₂."""
        return self.array("ntk")

    @property
    def nngp(self) -> Array:
        """Σ, N₁×N₂."""
        return self.array("nngp")


class SpectrumResult(Result):
    """Eigenvalues and, where asked for, eigenvectors of K/N."""

    @property
    def eigenvalues(self) -> Array:
        """λ, m of them in falling order."""
        return self.array("eigenvalues")

    @property
    def eigenvectors(self) -> Array:
        """N×m, orthonormal columns."""
        return self.array("eigenvectors")

    @property
    def residuals(self) -> Array:
        """‖(K/N)v − λv‖ of each pair."""
        return self.array("residuals")


class PredictionResult(Result):
    """f_t at every time; on the points trained on by `result.array("train_mean")`."""

    @property
    def mean(self) -> Array:
        """Of f_t on the test points: T×n×k."""
        return self.array("mean")

    @property
    def covariance(self) -> Array:
        """Of f_t on the test points, of each output by itself: T×n×n."""
        return self.array("covariance")

    @property
    def variance(self) -> Array:
        """The covariance's diagonal: T×n."""
        return self.array("variance")

    @property
    def percentiles(self) -> Array:
        """Of f_t at every test point: T×P×n×k."""
        return self.array("percentiles")

    @property
    def samples(self) -> Array:
        """Joint draws of f_t on the test points: T×S×n×k."""
        return self.array("samples")


class TrainingResult(Result):
    """Trajectories of a training job; what else was recorded by `result.array(name)`."""

    @property
    def cost(self) -> Array:
        """C before each step and after the last: S×(steps + 1), NaN behind the end of a network that ended early."""
        return self.array("cost")

    @property
    def outputs(self) -> Array:
        """f at the recorded steps: S×T×n×k."""
        return self.array("outputs")

    @property
    def kernel(self) -> Array:
        """Θ at the recorded steps: S×T×n×n."""
        return self.array("kernel")

    @property
    def parameters(self) -> Array:
        """θ at the end, S×P: of every dense layer [W, b] row by row."""
        return self.array("parameters")


class _Core(AsyncClient):
    def _transport(self, timeout: float) -> Transport:
        return BlockingTransport(self.url, timeout)


class Client(Blocking[AsyncClient]):
    """Neural tangent kernels from an ntkd service: `with Client() as client: client.kernel(x).ntk`.

    url: the service's address; NTKD_URL, or port 8000 of this machine, where it is None.
    timeout: seconds without a byte after which an attempt has failed.
    patience: seconds for which a request is tried again, after the first of its attempts has failed.
    """

    def __init__(self, url: str | None = None, *, timeout: float = 30.0, patience: float = 15.0) -> None:
        super().__init__(_Core(url, timeout=timeout, patience=patience))

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self._core.url

    close = blocking(AsyncClient.close)
    dataset = blocking_as(AsyncClient.dataset, Dataset)
    upload = blocking_as(AsyncClient.upload, Dataset)
    dataset_from = blocking_as(AsyncClient.dataset_from, Dataset)
    dataset_by_id = blocking_as(AsyncClient.dataset_by_id, Dataset)
    datasets = iterating_as(AsyncClient.datasets, Dataset)
    kernel = blocking_as(AsyncClient.kernel, KernelResult)
    submit_kernel = blocking_as(AsyncClient.submit_kernel, JobHandle)
    spectrum = blocking_as(AsyncClient.spectrum, SpectrumResult)
    submit_spectrum = blocking_as(AsyncClient.submit_spectrum, JobHandle)
    spectrum_of = blocking_as(AsyncClient.spectrum_of, SpectrumResult)
    prediction = blocking_as(AsyncClient.prediction, PredictionResult)
    answer = blocking_as(AsyncClient.answer, Result)
    training = blocking_as(AsyncClient.training, TrainingResult)
    parameters = blocking(AsyncClient.parameters)
    upload_parameters = blocking_as(AsyncClient.upload_parameters, Dataset)
    submit = blocking_as(AsyncClient.submit, JobHandle)
    job = blocking_as(AsyncClient.job, JobHandle)
    jobs = iterating_as(AsyncClient.jobs, JobHandle)
