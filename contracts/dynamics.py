"""How a function moves along its cost, and where it begins: what predictions are asked for beside data and kernel."""

from math import isinf
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from contracts.kinds import Asked
from contracts.spec_types import DatasetId, by_name


def _infinite(value: object) -> object:
    """JSON has no infinity: the string "inf" is it."""
    return float("inf") if value == "inf" else value


def _written(value: float) -> Any:
    return "inf" if isinf(value) else value


_INPUT = Annotated[float, Field(ge=0)] | Literal["inf"]
Time = Annotated[
    float,
    Field(ge=0, allow_inf_nan=True),
    BeforeValidator(_infinite, json_schema_input_type=_INPUT),
    PlainSerializer(_written, return_type=float | str, when_used="json"),
]
"""t of the paper, 0 … "inf"; a step of gradient descent with learning rate η is η of it."""


class Flow(Asked):
    """Gradient flow: a component of eigenvalue λ is e^{−λt} of what it was."""

    type: Literal["flow"] = "flow"


class Descent(Asked):
    """Gradient descent, exactly: a step multiplies a component by 1 − ηλ; with the heavy ball's momentum, if any."""

    type: Literal["descent"] = "descent"
    learning_rate: float = Field(gt=0, description="η; stable below 2(1 + μ)/λ_1")
    momentum: float = Field(0.0, ge=0, lt=1, description="μ")


class Ensemble(Asked):
    """f_0 is drawn: a network's at initialization, a Gaussian process of covariance Σ; or one of covariance Θ."""

    type: Literal["ensemble"] = "ensemble"
    kernel: Literal["nngp", "ntk"] = Field(
        "nngp",
        description="f_0's covariance. Where the same kernel moves f, it ends at that process' posterior",
    )


class Zero(Asked):
    """f_0 = 0: of networks from whose outputs those at initialization are taken."""

    type: Literal["zero"] = "zero"


class Given(Asked):
    """f_0 as rows of datasets: k numbers for every point."""

    type: Literal["given"] = "given"
    train: DatasetId = Field(description="dataset whose inputs are f_0 on the points trained on, N×k")
    test: DatasetId | None = Field(None, description="and on those of `test`, n×k")


Dynamics = Annotated[
    Annotated[Flow | Descent, Field(discriminator="type")],
    BeforeValidator(by_name, json_schema_input_type=Literal["flow"] | Flow | Descent),
]
Start = Annotated[
    Annotated[Ensemble | Zero | Given, Field(discriminator="type")],
    BeforeValidator(by_name, json_schema_input_type=Literal["ensemble", "zero"] | Ensemble | Zero | Given),
]
