"""Networks that the tests of finite networks share, and inputs."""

from typing import Any

import torch

CIRCLE = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]], dtype=torch.float64)


def parallel(combine: str, *branches: list[Any], **fields: Any) -> dict[str, Any]:
    """A layer of branches."""
    return {"type": "parallel", "combine": combine, "branches": list(branches), **fields}


def standard(width: int | None = None, **fields: Any) -> dict[str, Any]:
    """A dense layer in standard parametrization."""
    return {"type": "dense", "parametrization": "standard", "width": width, **fields}


NETWORKS: dict[str, list[Any]] = {
    "linear": [{"type": "dense", "sigma_w": 1.3, "beta": 0.4}],
    "relu": ["dense", "relu", "dense", "relu", "dense"],
    "erf": ["dense", "erf", {"type": "dense", "sigma_w": 1.5, "beta": 0.5}, "erf", "dense"],
    "residual": ["dense", *[{"type": "residual", "layers": ["erf", "dense"]}] * 2, "erf", "dense"],
    "layer norm": ["dense", "layer_norm", "relu", "dense", "layer_norm", "erf", "dense"],
    "product": ["dense", parallel("product", ["erf", "dense"], ["relu", "dense"]), "dense"],
    "side by side": ["dense", parallel("concatenate", ["relu", "dense"], ["dense"], weights=[1, 3]), "dense"],
    "scaled": ["dense", "relu", {"type": "scale", "factor": -1.5}, "dense"],
    "ends in erf": ["dense", "erf", "dense", "erf"],
    "ends in a sum": ["dense", {"type": "residual", "layers": ["relu", "dense"]}],
    "ends side by side": ["dense", "relu", parallel("concatenate", ["dense"], [{"type": "dense", "sigma_w": 2.0}])],
    "dropout": [
        "dense",
        "relu",
        {"type": "dropout", "rate": 0.25},
        "dense",
        "erf",
        {"type": "dropout", "rate": 0.5},
        "dense",
    ],
    "dropped inputs": [{"type": "dropout", "rate": 0.5}, "dense", "dense"],
}
"""All layers, with no more widths than they need."""
