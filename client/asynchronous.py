"""The client for asyncio. All of the client's logic is here and below; `client.synchronous` is its blocking face."""

import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Protocol, Unpack, runtime_checkable
from urllib.parse import quote
from uuid import UUID

from numpy.typing import ArrayLike, NDArray

from client import tensors
from client.answers import parsed
from client.connection import AsyncConnection
from client.jobs import AsyncJobHandle, OnJob
from client.requests import get_parameters, post, post_file
from client.results import (
    AsyncDataset,
    AsyncKernelResult,
    AsyncPredictionResult,
    AsyncResult,
    AsyncSpectrumResult,
    AsyncTrainingResult,
)
from client.specs import (
    AnswerOptions,
    Json,
    KernelOptions,
    Network,
    NetworkSpectrumOptions,
    PredictionOptions,
    SpectrumOptions,
    TrainingOptions,
    function_space_spec,
    kernel_spec,
    network_spectrum_spec,
    prediction_spec,
    spectrum_spec,
    training_spec,
)
from client.transport import Request, Upload
from client.uploads import as_upload
from contracts.jobs import DatasetPage, JobPage

# How long a submission is held open for its result, so that a small job takes one round trip.
AT_ONCE = 10.0


@runtime_checkable
class Identified(Protocol):
    """Whatever stands for something on the service: a dataset, a job or a result."""

    @property
    def id(self) -> str: ...


Inputs = ArrayLike | Identified
"""Inputs of a kernel: a local array, a Dataset, or a dataset's id."""


class AsyncClient(AsyncConnection):
    """Neural tangent kernels from an ntkd service, awaited: `async with AsyncClient() as client: ...`.

    url: the service's address; NTKD_URL, or port 8000 of this machine, where it is None.
    timeout: seconds without a byte after which an attempt has failed.
    patience: seconds for which a request is tried again, after the first of its attempts has failed.
    """

    async def dataset(
        self, x: ArrayLike, y: ArrayLike | None = None, *, labels: str | Json | None = None, name: str | None = None
    ) -> AsyncDataset:
        """Upload inputs x (n, n×d or n×h×w×c) and targets y (n or n×k); the same arrays are the same dataset.

        labels: how to encode y where it holds class labels, e.g. "one_hot". Raises ProblemError, Unreachable.
        """
        with as_upload(x, y) as file:
            return await self._send_file(file, labels, name)

    async def upload(
        self, path: str | os.PathLike[str], *, labels: str | Json | None = None, name: str | None = None
    ) -> AsyncDataset:
        """Upload a .npy, .npz, .csv or IDX(.gz) file as it is."""
        with Path(path).open("rb") as content:
            return await self._send_file(Upload(Path(path).name, content), labels, name)

    async def dataset_from(
        self,
        source: Json,
        *,
        labels: str | Json | None = None,
        targets: Json | None = None,
        name: str | None = None,
    ) -> AsyncDataset:
        """A dataset that the service makes: a generator or a built-in set, e.g. {"type": "circle", "points": 100}."""
        given = {"source": source, "labels": labels, "targets": targets, "name": name}
        body = {key: value for key, value in given.items() if value is not None}
        return await self._dataset(post("/v1/datasets", body))

    async def dataset_by_id(self, dataset: str) -> AsyncDataset:
        """A dataset that is there already."""
        return await self._dataset(Request("GET", f"/v1/datasets/{quote(dataset, safe='')}"))

    async def datasets(self) -> AsyncGenerator[AsyncDataset, None]:
        """All datasets, newest first."""
        cursor: str | None = None
        while True:
            page = parsed(DatasetPage, await self._page("/v1/datasets", cursor))
            for info in page.datasets:
                yield AsyncDataset(self._session, info)
            if (cursor := page.next) is None:
                return

    async def kernel(
        self,
        x: Inputs,
        x2: Inputs | None = None,
        *,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[KernelOptions],
    ) -> AsyncKernelResult:
        """NTK Θ and NNGP Σ of a network on the rows of x, or between those of x and x2: in the limit, or estimated.

        x, x2: local arrays, datasets, or their ids. wait: return when the job has succeeded, else at once.
        progress: called with the job as it goes. options, with defaults: architecture="mlp" (or all of it as JSON,
        or a list of layers), depth=5 (L dense layers), activation="relu", beta=0.1, sigma_w=1.0,
        kernels=("ntk", "nngp"), dtype="float64", method="analytic". {"type": "monte_carlo", "draws": 99, "width": 500}
        gives means over networks that are drawn, and `array("ntk_standard_error")` beside them; "empirical" is one.
        Raises ProblemError, JobFailed, JobCancelled, Unreachable.
        """
        spec = await self._kernel_spec(x, x2, options)
        return AsyncKernelResult(await self._computed("kernels", spec, wait, progress))

    async def submit_kernel(
        self, x: Inputs, x2: Inputs | None = None, **options: Unpack[KernelOptions]
    ) -> AsyncJobHandle:
        """The job of `kernel`, with the same options, as soon as it is accepted."""
        return await self.submit("kernels", await self._kernel_spec(x, x2, options))

    async def spectrum(
        self,
        kernel: Identified | UUID | str,
        array: str = "ntk",
        top: int | None = None,
        vectors: bool = False,
        *,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[SpectrumOptions],
    ) -> AsyncSpectrumResult:
        """Eigenvalues of K/N, all or the `top` largest, and eigenvectors where asked, of a Gram matrix of a kernel job.

        kernel: the job, its result or its id; it may still be running. options: centred; components={"count": 3,
        "cross": job of new points' kernel, "project": {"f": {"job": job, "array": "outputs"}}}; of all eigenvalues
        ridges=[1e-3, …], for effective dimensions; decay=(10, 100), the eigenvalues to fit an exponent to.
        """
        spec = spectrum_spec(_id(kernel), array, top, vectors, **options)
        return AsyncSpectrumResult(await self._computed("spectra", spec, wait, progress))

    async def submit_spectrum(
        self,
        kernel: Identified | UUID | str,
        array: str = "ntk",
        top: int | None = None,
        vectors: bool = False,
        **options: Unpack[SpectrumOptions],
    ) -> AsyncJobHandle:
        """The job of `spectrum` as soon as it is accepted."""
        return await self.submit("spectra", spectrum_spec(_id(kernel), array, top, vectors, **options))

    async def spectrum_of(
        self,
        x: Inputs,
        *,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[NetworkSpectrumOptions],
    ) -> AsyncSpectrumResult:
        """The spectrum of a network's kernel on the rows of x, which is computed on the way and stored nowhere.

        options: those of `spectrum`, with array="ntk" or "nngp", where components={"count": 3, "at": id of a dataset}
        names new points; and a network as in `kernel`. With `top` no matrix need fit into memory.
        """
        spec = network_spectrum_spec(await self._dataset_id(x), **options)
        return AsyncSpectrumResult(await self._computed("spectra", spec, wait, progress))

    async def prediction(
        self,
        x: Inputs,
        y: ArrayLike | None = None,
        test: Inputs | None = None,
        *,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[PredictionOptions],
    ) -> AsyncPredictionResult:
        """The network of infinite width trained by least squares on inputs x and targets y, at every time, on points.

        x: a local array, with y; or a dataset that has targets, or its id. test: points to predict at; targets that
        they have are judged. options: times, such as [0, 1000, inf]; architecture="mlp" (or all of it as JSON),
        depth=5, activation="relu", beta=0.1, sigma_w=1.0, or kernels={"train": job, "cross": job, "test": job};
        trained="all" or "last_layer"; dynamics="flow" or {"type": "descent", "learning_rate": 1.0, "momentum": 0.9};
        start="ensemble", "zero" or given; ridge; covariance="full", "diagonal" or "none"; percentiles, samples, seed.
        Raises ProblemError, JobFailed, JobCancelled, Unreachable.
        """
        train = await self._trained_on(x, y)
        spec = prediction_spec(train, None if test is None else await self._dataset_id(test), **options)
        return AsyncPredictionResult(await self._computed("predictions", spec, wait, progress))

    async def answer(
        self,
        question: str | Json,
        x: Inputs,
        y: ArrayLike | None = None,
        test: Inputs | None = None,
        *,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[AnswerOptions],
    ) -> AsyncResult:
        """A question about the network of infinite width that is trained by least squares on inputs x and targets y.

        question: "early_stopping", with a held-out set `test` that has targets, or {"type": "early_stopping", "noise":
        0.1}; "learning_order"; or {"type": "learning_curve", "sizes": [20, 100], "ridges": [0, 0.1]}. x, y, test and
        the network: as of `prediction`. The answer's arrays are read by `array`, and its numbers by `value`: the
        "time" to stop, what is "saved". Raises ProblemError, JobFailed, JobCancelled, Unreachable.
        """
        train = await self._trained_on(x, y)
        spec = function_space_spec(
            train, None if test is None else await self._dataset_id(test), question=question, **options
        )
        return AsyncResult(await self._computed("answers", spec, wait, progress))

    async def training(
        self,
        x: Inputs,
        y: ArrayLike | None = None,
        *,
        record: Json | None = None,
        wait: bool = True,
        progress: OnJob | None = None,
        **options: Unpack[TrainingOptions],
    ) -> AsyncTrainingResult:
        """Networks of finite width trained by gradient descent on inputs x and targets y, one network a seed.

        x: a local array, with y; or a dataset that has targets, or its id. record: what is looked at beside the cost,
        and when: {"outputs": {"every": 10}, "kernel": {"at": [0, 200], "on": points}}, where `on` is a local array, a
        dataset or its id. options: learning_rate and steps; architecture="mlp" (or all of it as JSON), depth=5, width,
        activation="relu", beta=0.1, sigma_w=1.0; cost="least_squares", seeds=[0], momentum, weight_decay, batch_size,
        tolerance, centred, expansion, dtype, ensemble={"quantiles": [0.1, 0.5, 0.9]}; and where one network begins, if
        not where its seed draws it: trained={"training": job, "seed": 0, "step": 500} or uploaded={"dataset": id}.
        Raises ProblemError, JobFailed, JobCancelled, Unreachable.
        """
        dataset = await self._trained_on(x, y)
        looked_at = {name: await self._schedule(asked) for name, asked in (record or {}).items()}
        spec = training_spec(dataset, looked_at, **options)
        return AsyncTrainingResult(await self._computed("trainings", spec, wait, progress))

    async def _schedule(self, asked: Json) -> dict[str, Any]:
        on = asked.get("on")
        return dict(asked) if on is None else {**asked, "on": await self._dataset_id(on)}

    async def parameters(
        self, training: Identified | UUID | str, *, seed: int = 0, step: int | None = None
    ) -> dict[str, NDArray[Any]]:
        """θ of one network of a training job that is done: `weight` (n_{ℓ+1}×n_ℓ) and `bias` of every dense layer.

        Each is named by its layer's place in the network's long form, as in "layers.0.weight". step: one at which the
        training records `parameters`; None: the end. Raises ProblemError, TransferError, Unreachable.
        """
        return await tensors.fetch(self._session, get_parameters(_id(training), seed, step))

    async def upload_parameters(
        self, parameters: Mapping[str, ArrayLike], architecture: Network, *, name: str | None = None
    ) -> AsyncDataset:
        """Keep θ of a network, named as by `parameters`, as a dataset of one row; the same numbers are the same one.

        `kernel(x, architecture=architecture, method={"type": "empirical", "uploaded": {"dataset": its id}})` is then
        the kernel there. All arrays are of float64, or all of float32. Raises ProblemError, TypeError, Unreachable.
        """
        with tensors.as_upload(parameters, architecture) as file:
            return await self._dataset(post_file("/v1/parameters", file, {"name": name}))

    async def submit(self, kind: str, spec: Json, *, wait: float = 0.0) -> AsyncJobHandle:
        """A job of any kind (`kernels`, …) from its spec; comes back earlier than `wait` seconds if it is done.

        Equal specs are one job: what was computed before is not computed again.
        """
        return await self._job(post(f"/v1/{kind}", spec, wait=wait))

    async def job(self, job: UUID | str) -> AsyncJobHandle:
        """A job that was submitted before."""
        return await self._job(Request("GET", f"/v1/jobs/{quote(str(job), safe='')}"))

    async def jobs(self, *, kind: str | None = None, state: str | None = None) -> AsyncGenerator[AsyncJobHandle, None]:
        """Jobs, newest first; only those of a kind or in a state where one is named."""
        cursor: str | None = None
        while True:
            page = parsed(JobPage, await self._page("/v1/jobs", cursor, kind=kind, state=state))
            for job in page.jobs:
                yield AsyncJobHandle(self._session, job)
            if (cursor := page.next) is None:
                return

    async def _kernel_spec(self, x: Inputs, x2: Inputs | None, options: KernelOptions) -> dict[str, Any]:
        against = None if x2 is None else await self._dataset_id(x2)
        return kernel_spec(await self._dataset_id(x), against, **options)

    async def _trained_on(self, x: Inputs, y: ArrayLike | None) -> str:
        """The id of a dataset of inputs, with targets where they are not its own."""
        return await self._dataset_id(x) if y is None else (await self.dataset(x, y)).id  # type: ignore[arg-type]

    async def _dataset_id(self, inputs: Inputs) -> str:
        if isinstance(inputs, str):
            return inputs
        if isinstance(inputs, Identified) and isinstance(inputs.id, str):  # a table may have a column named id
            return inputs.id
        return (await self.dataset(inputs)).id

    async def _computed(self, kind: str, spec: Json, wait: bool, progress: OnJob | None) -> AsyncJobHandle:
        handle = await self.submit(kind, spec, wait=AT_ONCE if wait and progress is None else 0.0)
        if wait:
            await handle.wait(progress=progress)
        return handle

    async def _send_file(self, file: Upload, labels: str | Json | None, name: str | None) -> AsyncDataset:
        return await self._dataset(post_file("/v1/datasets", file, {"labels": labels, "name": name}))


def _id(named: Identified | UUID | str) -> str:
    return named.id if isinstance(named, Identified) else str(named)
