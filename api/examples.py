"""Examples of every body that is sent with POST; those that name a dataset name the one that `POINTS` makes.

And of architectures, as a parameter holds them.
"""

import json

from fastapi.openapi.models import Example

# Four points on the unit circle; a dataset's id follows from its content, so this one is known beforehand.
POINTS_ID = "2dbc5fd75e91f1ceabaf475b821e1796"
_NETWORK = {"type": "mlp", "depth": 5, "activation": "relu", "beta": 0.1, "sigma_w": 1.0}
_RESIDUAL = [
    "dense",
    {"type": "residual", "layers": ["relu", "dense", "relu", "dense"]},
    "layer_norm",
    "relu",
    {"type": "dense", "beta": 0.0},
]

DATASETS: dict[str, Example] = {
    "points": {
        "summary": "Four points, written out",
        "value": {"source": {"type": "inline", "x": [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]}},
    },
    "circle": {
        "summary": "100 points of the unit circle and the product of their coordinates",
        "value": {"source": {"type": "circle", "points": 100}, "targets": {"type": "x1*x2"}},
    },
    "mnist": {
        "summary": "The first 512 digits of MNIST with one-hot labels",
        "value": {"source": {"type": "mnist", "split": "train", "first": 512, "scale": "unit"}, "labels": "one_hot"},
    },
}
ARCHITECTURES: dict[str, Example] = {
    "mlp": {"summary": "Five dense layers with ReLUs between them", "value": json.dumps(_NETWORK)},
    "layers": {"summary": "A network with a skip connection, layer by layer", "value": json.dumps(_RESIDUAL)},
}
KERNELS: dict[str, Example] = {
    "gram": {
        "summary": "Gram matrices of the four points in the example `points` of POST /v1/datasets",
        "value": {"dataset": POINTS_ID, "architecture": _NETWORK, "kernels": ["ntk", "nngp"]},
    },
    "cross": {
        "summary": "A cross matrix between two datasets, here the same one twice, in single precision",
        "value": {
            "dataset": POINTS_ID,
            "against": POINTS_ID,
            "architecture": {"type": "mlp", "depth": 3, "activation": "erf", "beta": 0.0},
            "kernels": ["ntk"],
            "dtype": "float32",
        },
    },
    "monte_carlo": {
        "summary": "The same kernels estimated from 200 networks of width 100, with standard errors",
        "value": {
            "dataset": POINTS_ID,
            "architecture": _NETWORK,
            "method": {"type": "monte_carlo", "draws": 200, "width": 100, "seed": 0},
        },
    },
    "empirical": {
        "summary": "The kernels of one network of width 100 with two outputs, for every two of them: N×N×2×2",
        "value": {
            "dataset": POINTS_ID,
            "architecture": _NETWORK,
            "method": {"type": "empirical", "width": 100, "n_outputs": 2, "outputs": "full", "seed": 0},
        },
    },
}
TRAININGS: dict[str, Example] = {
    "figure_1": {
        "summary": "Ten networks of width 500 for 200 steps, with their kernels before and after",
        "value": {
            "dataset": POINTS_ID,
            "architecture": _NETWORK | {"depth": 4, "width": 500},
            "learning_rate": 1.0,
            "steps": 200,
            "seeds": list(range(10)),
            "record": {"outputs": {"every": 20}, "kernel": {"at": [0, 200]}},
            "ensemble": {"quantiles": [0.1, 0.5, 0.9]},
        },
    },
}
PREDICTIONS: dict[str, Example] = {
    "figure_2": {
        "summary": "The network of infinite width on four points, at three times; put the id of a dataset of yours",
        "value": {
            "train": "00000000000000000000000000000000",
            "test": POINTS_ID,
            "architecture": _NETWORK | {"depth": 4},
            "times": [0, 1000, "inf"],
            "percentiles": [10, 50, 90],
        },
    },
    "descent": {
        "summary": "The same for steps of gradient descent with momentum, from f_0 = 0, where it is trained",
        "value": {
            "train": "00000000000000000000000000000000",
            "architecture": _NETWORK,
            "dynamics": {"type": "descent", "learning_rate": 1.0, "momentum": 0.9},
            "start": "zero",
            "times": [0, 1, 10, 100],
        },
    },
}
ANSWERS: dict[str, Example] = {
    "early_stopping": {
        "summary": "When to stop, by a held-out set; put ids of datasets of yours",
        "value": {
            "train": "00000000000000000000000000000000",
            "test": "00000000000000000000000000000000",
            "architecture": _NETWORK,
            "question": "early_stopping",
        },
    },
    "learning_order": {
        "summary": "When half and nine tenths of the way to each target are gone; put the id of a dataset of yours",
        "value": {
            "train": "00000000000000000000000000000000",
            "architecture": _NETWORK,
            "question": {"type": "learning_order", "levels": [0.5, 0.9]},
        },
    },
    "learning_curve": {
        "summary": "The error expected after training on 10, 20 and 50 of the points; put the id of a dataset of yours",
        "value": {
            "train": "00000000000000000000000000000000",
            "architecture": _NETWORK,
            "question": {"type": "learning_curve", "sizes": [10, 20, 50], "ridges": [0.0, 0.1]},
        },
    },
}
SPECTRA: dict[str, Example] = {
    "components": {
        "summary": "Numbers of the spectrum and two principal components of the four points' kernel, stored nowhere",
        "value": {
            "dataset": POINTS_ID,
            "architecture": _NETWORK,
            "components": {"count": 2, "at": POINTS_ID},
            "ridges": [1e-3],
        },
    },
    "top": {
        "summary": "The three leading eigenvalues and eigenvectors; put the id of a kernel job of yours",
        "value": {"kernel": "00000000-0000-4000-8000-000000000000", "array": "ntk", "top": 3, "vectors": True},
    },
    "all": {
        "summary": "All eigenvalues; put the id of a kernel job of yours",
        "value": {"kernel": "00000000-0000-4000-8000-000000000000"},
    },
}
