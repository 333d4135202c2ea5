"""Results and datasets: NumPy arrays that are fetched when they are first looked at."""

from collections.abc import Coroutine
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from client import download
from client.download import Transferred
from client.jobs import AsyncJobHandle
from client.requests import Bounds, get_array
from client.session import Session
from contracts.jobs import DatasetInfo, Job

Pending = Coroutine[Any, Any, NDArray[Any]]


class AsyncResult:
    """The arrays of a job; the first look at one waits for the job, fetches it and keeps it."""

    def __init__(self, handle: AsyncJobHandle) -> None:
        self.handle = handle
        self._arrays: dict[str, NDArray[Any]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}: {self.job.state})"

    @property
    def id(self) -> str:
        return self.handle.id

    @property
    def job(self) -> Job:
        return self.handle.job

    async def array(self, name: str) -> NDArray[Any]:
        """An array by its name. Raises what `AsyncJobHandle.wait` and `array` raise."""
        if name not in self._arrays:
            await self.handle.wait()
            self._arrays[name] = await self.handle.array(name)
        return self._arrays[name]

    async def value(self, name: str) -> float | None:
        """The number that an array of one number is, once the job is done; None for larger ones.

        Raises what `AsyncJobHandle.wait` raises, and KeyError for a name that is none.
        """
        await self.handle.wait()
        return {array.name: array.value for array in self.job.arrays}[name]

    async def error_bound(self, name: str) -> float | None:
        """How far an entry of an array may be off, once the job is done; None where nothing is known.

        Of a kernel it is what approximation may have added, in units of √(K(x,x) K(x',x')): 0 where all expectations
        are closed forms. Raises what `AsyncJobHandle.wait` raises, and KeyError for a name that is none.
        """
        await self.handle.wait()
        return {array.name: array.error_bound for array in self.job.arrays}[name]


class AsyncKernelResult(AsyncResult):
    """Matrices of a kernel job: `await result.ntk`."""

    async def error_bound(self, name: str = "ntk") -> float | None:
        """As of any result; of Θ where no name is given."""
        return await super().error_bound(name)

    @property
    def ntk(self) -> Pending:
        """Θ, N₁×N₂."""
        return self.array("ntk")

    @property
    def nngp(self) -> Pending:
        """Σ, N₁×N₂."""
        return self.array("nngp")


class AsyncSpectrumResult(AsyncResult):
    """Eigenvalues and, where asked for, eigenvectors of K/N: `await result.eigenvalues`."""

    @property
    def eigenvalues(self) -> Pending:
        """λ, m of them in falling order."""
        return self.array("eigenvalues")

    @property
    def eigenvectors(self) -> Pending:
        """N×m, orthonormal columns."""
        return self.array("eigenvectors")

    @property
    def residuals(self) -> Pending:
        """‖(K/N)v − λv‖ of each pair."""
        return self.array("residuals")


class AsyncPredictionResult(AsyncResult):
    """f_t at every time: `await result.mean`; on the points trained on by `await result.array("train_mean")`."""

    @property
    def mean(self) -> Pending:
        """Of f_t on the test points: T×n×k."""
        return self.array("mean")

    @property
    def covariance(self) -> Pending:
        """Of f_t on the test points, of each output by itself: T×n×n."""
        return self.array("covariance")

    @property
    def variance(self) -> Pending:
        """The covariance's diagonal: T×n."""
        return self.array("variance")

    @property
    def percentiles(self) -> Pending:
        """Of f_t at every test point: T×P×n×k."""
        return self.array("percentiles")

    @property
    def samples(self) -> Pending:
        """Joint draws of f_t on the test points: T×S×n×k."""
        return self.array("samples")


class AsyncTrainingResult(AsyncResult):
    """Trajectories of a training job: `await result.cost`; what else was recorded by `await result.array(name)`."""

    @property
    def cost(self) -> Pending:
        """C before each step and after the last: S×(steps + 1), NaN behind the end of a network that ended early."""
        return self.array("cost")

    @property
    def outputs(self) -> Pending:
        """f at the recorded steps: S×T×n×k."""
        return self.array("outputs")

    @property
    def kernel(self) -> Pending:
        """Θ at the recorded steps: S×T×n×n."""
        return self.array("kernel")

    @property
    def parameters(self) -> Pending:
        """θ at the end, S×P: of every dense layer [W, b] row by row."""
        return self.array("parameters")


class AsyncDataset:
    """A dataset on the service: `await dataset.x`."""

    def __init__(self, session: Session, info: DatasetInfo) -> None:
        self._session = session
        self._arrays: dict[str, NDArray[Any]] = {}
        self.info = info

    def __repr__(self) -> str:
        shapes = ", ".join(f"{array.name} {'×'.join(map(str, array.shape))}" for array in self.info.arrays)
        return f"AsyncDataset({self.id}: {shapes})"

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def x(self) -> Pending:
        """Inputs, n×d or n×h×w×c."""
        return self._kept("x")

    @property
    def y(self) -> Pending:
        """Targets, n×k."""
        return self._kept("y")

    async def array(
        self, name: str, rows: Bounds = None, cols: Bounds = None, progress: Transferred | None = None
    ) -> NDArray[Any]:
        """An array of the dataset, or a block of its rows and columns."""
        request = get_array(f"/v1/datasets/{self.id}/arrays/{quote(name, safe='')}", rows, cols)
        return await download.fetch(self._session, request, progress)

    async def _kept(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = await self.array(name)
        return self._arrays[name]
