"""The bodies of the submissions, from Python's keywords."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Required, TypedDict, Unpack

Json = Mapping[str, Any]
Network = Json | Sequence[str | Json]


class NetworkOptions(TypedDict, total=False):
    """A network: its type with the keywords after it, or the whole of it as JSON, an object or a list of layers."""

    architecture: str | Network
    depth: int
    activation: str | Json
    beta: float
    sigma_w: float


class KernelOptions(NetworkOptions, total=False):
    """Keywords of `Client.kernel`; `kernel_spec` has their defaults."""

    kernels: Sequence[str]
    method: str | Json
    dtype: str


def kernel_spec(
    dataset: str,
    against: str | None = None,
    *,
    architecture: str | Network = "mlp",
    depth: int = 5,
    activation: str | Json = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    kernels: Sequence[str] = ("ntk", "nngp"),
    method: str | Json = "analytic",
    dtype: str = "float64",
) -> dict[str, Any]:
    """A kernel job: of two datasets' ids (the second None for a Gram matrix) and a network, in the limit or drawn.

    architecture: its type, or the whole of it as JSON: an object, or layers such as ["dense", "relu", "dense"]; then
    depth, activation, beta and sigma_w are part of it.
    depth: L, the number of dense layers, of which the last is linear. beta, sigma_w: scales of biases and weights.
    method: its type, or the whole of it: {"type": "monte_carlo", "draws": 1000, "width": 500, "seed": 0}, or of one
    network {"type": "empirical", "width": 500, "n_outputs": 10, "outputs": "full", "seed": 0}.
    """
    network = _network(architecture, depth=depth, activation=activation, beta=beta, sigma_w=sigma_w)
    kernels = [kernels] if isinstance(kernels, str) else list(kernels)
    of = {"dataset": dataset, "against": against, "architecture": network}
    return of | {"kernels": kernels, "method": method, "dtype": dtype}


class TrainingOptions(NetworkOptions, total=False):
    """Keywords of `Client.training`; the service has defaults for those that are left out, but for the first two."""

    learning_rate: Required[float]
    steps: Required[int]
    width: int
    cost: str | Json
    seeds: Sequence[int]
    momentum: float
    weight_decay: float
    batch_size: int
    tolerance: float
    centred: bool
    expansion: int
    trained: Json
    uploaded: Json
    dtype: str
    ensemble: Json


def training_spec(
    dataset: str,
    record: Json,
    *,
    architecture: str | Network = "mlp",
    depth: int = 5,
    width: int | None = None,
    activation: str | Json = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    **options: Any,
) -> dict[str, Any]:
    """A training job on a dataset; `architecture` is a type with the keywords after it, or the whole of it as JSON."""
    network = _network(architecture, depth=depth, width=width, activation=activation, beta=beta, sigma_w=sigma_w)
    return {"dataset": dataset, "architecture": network, "record": record} | options


class AnswerOptions(NetworkOptions, total=False):
    """Keywords of `Client.answer`."""

    kernels: Json
    trained: str


class PredictionOptions(AnswerOptions, total=False):
    """Keywords of `Client.prediction`; the service has defaults for those that are left out, but for the first."""

    times: Required[Sequence[float | str]]
    cost: str | Json
    tolerance: float
    random_functions: Json
    dynamics: str | Json
    start: str | Json
    ridge: float
    covariance: str
    percentiles: Sequence[float]
    samples: int
    seed: int
    points: Sequence[str]


def prediction_spec(
    train: str, test: str | None = None, *, times: Sequence[float | str], **options: Any
) -> dict[str, Any]:
    """A prediction job, with the further keywords of `function_space_spec`. A time of infinity is "inf"."""
    return function_space_spec(train, test, **options) | {"times": ["inf" if time == inf else time for time in times]}


def function_space_spec(
    train: str,
    test: str | None = None,
    *,
    architecture: str | Network = "mlp",
    kernels: Json | None = None,
    depth: int = 5,
    activation: str | Json = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    **options: Any,
) -> dict[str, Any]:
    """A job in function space on two datasets: of an architecture, which is a type with the keywords after it or the
    whole of it as JSON; or of kernel jobs, {"train": id, "cross": id, "test": id}.
    """
    network = _network(architecture, depth=depth, activation=activation, beta=beta, sigma_w=sigma_w)
    of = {"architecture": network} if kernels is None else {"kernels": kernels}
    return {"train": train, "test": test} | of | options


class SpectrumOptions(TypedDict, total=False):
    """Further keywords of `Client.spectrum`."""

    centred: bool
    components: Json
    ridges: Sequence[float]
    decay: tuple[int, int]


class NetworkSpectrumOptions(SpectrumOptions, NetworkOptions, total=False):
    """Keywords of `Client.spectrum_of`."""

    array: str
    top: int | None
    vectors: bool


def spectrum_spec(
    kernel: str, array: str = "ntk", top: int | None = None, vectors: bool = False, **options: Unpack[SpectrumOptions]
) -> dict[str, Any]:
    """A spectrum job: the `top` largest eigenvalues (None: all) of a kernel job's array over N."""
    return {"kernel": kernel, "array": array, "top": top, "vectors": vectors} | options


def network_spectrum_spec(
    dataset: str,
    *,
    architecture: str | Network = "mlp",
    depth: int = 5,
    activation: str | Json = "relu",
    beta: float = 0.1,
    sigma_w: float = 1.0,
    **options: Any,
) -> dict[str, Any]:
    """A spectrum job of the kernel of an architecture, which is given as in `kernel_spec`, on a dataset."""
    network = _network(architecture, depth=depth, activation=activation, beta=beta, sigma_w=sigma_w)
    return {"dataset": dataset, "architecture": network} | options


def _network(architecture: str | Network, **named: Any) -> Network:
    """The whole of a network, or its type with what is named beside it."""
    return {"type": architecture, **named} if isinstance(architecture, str) else architecture
