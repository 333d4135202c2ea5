"""What specs in function space share: points and targets, and the kernels that move f on them."""

from typing import Any, Literal

from pydantic import Field, model_validator

from contracts.dynamics import Ensemble, Given, Start
from contracts.kernel_jobs import KernelJobs
from contracts.kinds import Spec
from contracts.spec_types import DatasetId, LimitNetwork


class FunctionSpaceSpec(Spec):
    """f_t of the network of infinite width trained on `train`.

    Either `architecture` names the kernels, or `kernels` the jobs that have them. Times are the paper's: Δt = η.
    """

    train: DatasetId = Field(description="inputs x (N×d) and targets y (N×k)")
    test: DatasetId | None = Field(
        None, description="points to predict at (n×d); targets, where there are any, are judged"
    )
    architecture: LimitNetwork | None = None
    kernels: KernelJobs | None = Field(None, description="kernel jobs, in place of an architecture")
    trained: Literal["all", "last_layer"] = Field(
        "all", description="which parameters: all of them move f by Θ, those of the last layer by Σ"
    )

    @model_validator(mode="after")
    def _of_one_kernel(self) -> Any:
        if (self.architecture is None) == (self.kernels is None):
            raise ValueError("either architecture or kernels says what the kernel is")
        return self

    @property
    def begins(self) -> Start | None:
        """f_0, where that matters."""
        return None

    @property
    def random(self) -> bool:
        """Whether f_t is: without an ensemble of f_0 it is its mean."""
        return isinstance(self.begins, Ensemble)

    @property
    def joint(self) -> bool:
        """Whether the test points' own kernel is needed."""
        return self.random

    @property
    def moving(self) -> Literal["ntk", "nngp"]:
        """The kernel that moves f."""
        return "ntk" if self.trained == "all" else "nngp"

    @property
    def prior(self) -> Literal["ntk", "nngp"] | None:
        """The covariance of f_0, where it is drawn."""
        return self.begins.kernel if isinstance(self.begins, Ensemble) else None

    @property
    def needed(self) -> tuple[str, ...]:
        """The kernels that it takes: what moves f, and the covariance of f_0."""
        return (self.moving,) if self.prior in (None, self.moving) else (self.moving, str(self.prior))

    @property
    def judges(self) -> bool:
        """Whether targets are what f is to become."""
        return True

    def outputs(self, columns: int) -> int:
        """k of targets with so many columns; raises ValueError for a cost that has none such."""
        return columns

    def datasets(self) -> dict[str, str]:
        named = {"/train": self.train, "/test": self.test}
        if isinstance(self.begins, Given):
            named |= {f"{self.start_pointer}/train": self.begins.train, f"{self.start_pointer}/test": self.begins.test}
        return {pointer: id_ for pointer, id_ in named.items() if id_ is not None}

    @property
    def start_pointer(self) -> str:
        """JSON pointer to f_0."""
        return "/start"

    def jobs(self) -> dict[str, str]:
        return {} if self.kernels is None else self.kernels.named()

    @property
    def waits(self) -> bool:
        return self.kernels is None or self.kernels.unfinished == "wait"
