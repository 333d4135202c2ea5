"""Spectrum jobs: eigenvalues of a Gram matrix over N, the λ of the paper's Π, and its components (Section 5)."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from contracts.kinds import Asked, Spec
from contracts.plan import Plan, References
from contracts.settings import Settings
from contracts.spec_types import ArrayName, DatasetId, JobId, LimitNetwork
from contracts.spectrum_plan import plan
from contracts.spectrum_sizes import Sizes

MOST_RIDGES, MOST_PROJECTED = 1000, 16

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]


class Projected(Asked):
    """Functions by their values on the points: an array of shape …×N×k of a job, or of a dataset, whose targets are."""

    job: JobId | None = None
    dataset: DatasetId | None = Field(None, validate_default=True)
    array: ArrayName = "y"

    @field_validator("dataset")
    @classmethod
    def _of_one(cls, dataset: str | None, info: ValidationInfo) -> str | None:
        if (dataset is None) == (info.data.get("job") is None):
            raise ValueError("either a job or a dataset has the array")
        return dataset


class Components(Asked):
    """Kernel principal components f⁽ⁱ⁾, eigenfunctions of Π with ‖f⁽ⁱ⁾‖ = 1 in L²(p^in)."""

    count: int = Field(ge=1, description="how many; each needs an eigenvalue that rounding cannot have made")
    at: DatasetId | None = Field(None, description="new points x: f⁽ⁱ⁾(x) = Σ_j K(x, x_j) f⁽ⁱ⁾(x_j)/(N λ_i) (Nyström)")
    cross: JobId | None = Field(None, description="the same, by a kernel job of new points (rows) against these")
    project: dict[Name, Projected] = Field(
        {}, max_length=MOST_PROJECTED, description="functions, by names of yours: ⟨f⁽ⁱ⁾, f⟩, and what of f is outside"
    )


class SpectrumSpec(Spec):
    """Eigenvalues of K/N in falling order, with eigenvectors and principal components where asked.

    K is the symmetric array of a kernel job or, in place of one, an architecture's on a dataset, which is not stored.
    """

    kind: ClassVar[str] = "spectra"

    dataset: DatasetId | None = Field(None, description="points; with `architecture`, in place of a kernel job")
    architecture: LimitNetwork | None = Field(None, description="whose kernel `array` is: ntk or nngp")
    kernel: JobId | None = Field(None, validate_default=True, description="the kernel job; it may still be running")
    array: ArrayName = Field("ntk", description="which of its arrays")
    top: int | None = Field(None, ge=1, description="only the largest so many eigenvalues; null: all of them")
    vectors: bool = Field(False, description="store the eigenvectors too")
    centred: bool = Field(False, description="take the features' mean over the points away: HKH, H = I − 11ᵀ/N")
    components: Components | None = None
    ridges: list[Annotated[float, Field(gt=0)]] = Field(
        [], max_length=MOST_RIDGES, description="r: effective dimensions Σ_i λ_i/(λ_i + r); they need all eigenvalues"
    )
    decay: tuple[int, int] | None = Field(
        None, strict=False, description="first and last i, from 1, to which λ_i ~ i^(−α) is fitted"
    )

    @field_validator("kernel")
    @classmethod
    def _of_one(cls, kernel: JobId | None, info: ValidationInfo) -> JobId | None:
        whole = [info.data[name] is not None for name in ("dataset", "architecture") if name in info.data]
        if kernel is None and not all(whole):
            raise ValueError("a kernel job has the matrix, or dataset and architecture say what it is")
        if kernel is not None and any(whole):
            raise ValueError("either a kernel job has the matrix, or dataset and architecture say what it is")
        return kernel

    @field_validator("array")
    @classmethod
    def _that_there_is(cls, array: str, info: ValidationInfo) -> str:
        if info.data.get("architecture") is not None and array not in ("ntk", "nngp"):
            raise ValueError("the kernel of an architecture is ntk or nngp")
        return array

    @field_validator("ridges")
    @classmethod
    def _of_all(cls, ridges: list[float], info: ValidationInfo) -> list[float]:
        if ridges and info.data.get("top") is not None:
            raise ValueError("effective dimensions need all eigenvalues: top must be null")
        return ridges

    @field_validator("decay")
    @classmethod
    def _of_three(cls, decay: tuple[int, int] | None) -> tuple[int, int] | None:
        if decay is not None and not 1 <= decay[0] <= decay[1] - 2:
            raise ValueError("a decay is fitted from the first eigenvalue, 1, or a later one, to three of them or more")
        return decay

    def datasets(self) -> dict[str, str]:
        named = {"/dataset": self.dataset}
        if self.components is not None:
            named["/components/at"] = self.components.at
            named |= {f"/components/project/{name}/dataset": f.dataset for name, f in self.components.project.items()}
        return {pointer: id_ for pointer, id_ in named.items() if id_ is not None}

    def jobs(self) -> dict[str, str]:
        named = {"/kernel": self.kernel}
        if self.components is not None:
            named["/components/cross"] = self.components.cross
            named |= {f"/components/project/{name}/job": f.job for name, f in self.components.project.items()}
        return {pointer: str(id_) for pointer, id_ in named.items() if id_ is not None}

    def plan(self, references: References, limits: Settings) -> Plan:
        return plan(self, Sizes.of(self, references), limits)
