"""Two slow readings of a network of ReLUs as JSON: its kernels by the printed formulas, and neurons drawn at random."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Json = Any


class Kernels(NamedTuple):
    """Σ and Θ of n inputs, and the width where it is known; `raw` before the first dense layer."""

    nngp: Matrix
    ntk: Matrix
    width: int | None
    raw: bool = False


def kernels(network: list[Json], x: Matrix) -> Kernels:
    """The kernels of the outputs, layer by layer (Section 4.1; branches by the rules for independent sums)."""
    return _serial(network, Kernels(x @ x.T / x.shape[1], np.zeros((len(x), len(x))), x.shape[1], raw=True))


def _serial(layers: list[Json], before: Kernels) -> Kernels:
    for layer in layers:
        given = {"type": layer} if isinstance(layer, str) else layer
        before = FORMULAS[given["type"]](given, before)
    return before


def _dense(layer: Json, before: Kernels) -> Kernels:
    gain, bias = layer.get("sigma_w", 1.0) ** 2, layer.get("beta", 0.1) ** 2
    nngp = gain * before.nngp + bias
    ntk = gain * before.ntk + nngp
    if layer.get("parametrization") == "standard":
        assert before.width is not None
        ntk = gain * before.ntk + before.width * before.nngp + 1.0
    return Kernels(nngp, ntk, layer.get("width"))


def _relu(layer: Json, before: Kernels) -> Kernels:
    root = np.sqrt(np.outer(before.nngp.diagonal(), before.nngp.diagonal()))
    rho = np.clip(np.divide(before.nngp, root, out=np.zeros_like(root), where=root > 0), -1, 1)
    phi = np.arccos(rho)
    nngp = root * (np.sin(phi) + (np.pi - phi) * rho) / (2 * np.pi)
    return Kernels(nngp, before.ntk * (np.pi - phi) / (2 * np.pi), before.width)


def _layer_norm(layer: Json, before: Kernels) -> Kernels:
    root = np.sqrt(np.outer(before.nngp.diagonal(), before.nngp.diagonal()))
    return before._replace(nngp=before.nngp / root, ntk=before.ntk / root)


def _dropout(layer: Json, before: Kernels) -> Kernels:
    more = 1 / (1 - layer["rate"]) - 1
    nngp, ntk = (matrix + more * np.diag(matrix.diagonal()) for matrix in before[:2])
    return before._replace(nngp=nngp, ntk=ntk)


def _scale(layer: Json, before: Kernels) -> Kernels:
    square = layer["factor"] ** 2
    return before._replace(nngp=square * before.nngp, ntk=square * before.ntk)


def _parallel(layer: Json, before: Kernels) -> Kernels:
    ends = [_serial(branch, before) for branch in layer["branches"]]
    known = [end.width for end in ends if end.width is not None]
    combine = layer.get("combine", "sum")
    if combine == "concatenate":
        parts = layer.get("weights") or (known if len(known) == len(ends) else [1] * len(ends))
        of = [part / sum(parts) for part in parts]
        nngp = sum(share * end.nngp for share, end in zip(of, ends, strict=True))
        ntk = sum(share * end.ntk for share, end in zip(of, ends, strict=True))
        return Kernels(nngp, ntk, sum(known) if len(known) == len(ends) else None)
    nngp, ntk, _, _ = ends[0]
    for end in ends[1:]:
        if combine == "sum":
            nngp, ntk = nngp + end.nngp, ntk + end.ntk
        else:
            nngp, ntk = nngp * end.nngp, ntk * end.nngp + nngp * end.ntk
    return Kernels(nngp, ntk, known[0] if known else None)


FORMULAS = {
    "dense": _dense,
    "relu": _relu,
    "activation": _relu,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "scale": _scale,
    "identity": lambda _, before: before,
    "flatten": lambda _, before: before,
    "serial": lambda layer, before: _serial(layer["layers"], before),
    "residual": lambda layer, before: _parallel({"branches": [[], layer["layers"]]}, before),
    "parallel": _parallel,
}


def neurons(network: list[Json], x: Matrix, width: int, rng: np.random.Generator) -> Matrix:
    """The last layer's neurons (n×width) of one network that is drawn at random, all layers being so wide."""
    for layer in network:
        given = {"type": layer} if isinstance(layer, str) else layer
        x = _drawn(given, x, width, rng)
    return x


def _drawn(layer: Json, x: Matrix, width: int, rng: np.random.Generator) -> Matrix:
    match layer["type"]:
        case "dense":
            weights, biases = rng.standard_normal((x.shape[1], width)), rng.standard_normal(width)
            return layer.get("sigma_w", 1.0) / np.sqrt(x.shape[1]) * x @ weights + layer.get("beta", 0.1) * biases
        case "relu" | "activation":
            return np.maximum(x, 0.0)
        case "layer_norm":
            return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        case "dropout":
            return x * (rng.random(x.shape) >= layer["rate"]) / (1 - layer["rate"])
        case "scale":
            return layer["factor"] * x
        case "serial":
            return neurons(layer["layers"], x, width, rng)
        case "residual":
            return x + neurons(layer["layers"], x, width, rng)
        case "parallel":
            ends = [neurons(branch, x, width, rng) for branch in layer["branches"]]
            combine = {"sum": sum, "product": lambda some: np.prod(some, axis=0), "concatenate": np.hstack}
            return combine[layer.get("combine", "sum")](ends)
    return x
