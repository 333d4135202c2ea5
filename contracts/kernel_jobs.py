"""Kernels that jobs have computed, in place of an architecture's."""

from typing import Literal

from pydantic import Field

from contracts.kernels import KernelSpec
from contracts.kinds import Asked
from contracts.plan import ArrayPlan, References
from contracts.problems import INVALID_REQUEST
from contracts.spec_types import JobId


class KernelJobs(Asked):
    """Kernel jobs of any method: analytic, Monte Carlo, or of one network, with a number for each pair of points."""

    train: JobId = Field(description="the Gram matrix of the points trained on")
    cross: JobId | None = Field(
        None, description="test points (rows) against these: of `dataset` test, `against` train"
    )
    test: JobId | None = Field(None, description="the Gram matrix of the test points, where f_0 is drawn")
    unfinished: Literal["wait", "refuse"] = Field(
        "wait", exclude=True, description="wait for a job that is still running, or refuse"
    )

    def named(self) -> dict[str, str]:
        """Those that there are: JSON pointer → id."""
        found = {f"/kernels/{name}": getattr(self, name) for name in ("train", "cross", "test")}
        return {pointer: str(id_) for pointer, id_ in found.items() if id_ is not None}

    def check(self, references: References, shapes: dict[str, tuple[int, int]], arrays: tuple[str, ...]) -> None:
        """Raise ProblemError where a job that is needed has not these arrays of the shape that it must have."""
        for name, shape in shapes.items():
            pointer, job = f"/kernels/{name}", getattr(self, name)
            if job is None:
                raise INVALID_REQUEST.error(f"The kernel of this {name} block is needed too.", pointer)
            if references.specs[str(job)][0] != KernelSpec.kind:
                raise INVALID_REQUEST.error("This is no kernel job.", pointer)
            for array in arrays:
                _check(references.jobs[str(job)].get(array), array, shape, pointer)
                if name != "cross" and not references.jobs[str(job)][array].symmetric:
                    raise INVALID_REQUEST.error("The kernel of points with themselves must be a Gram matrix.", pointer)


def _check(found: ArrayPlan | None, array: str, shape: tuple[int, int], pointer: str) -> None:
    if found is None:
        raise INVALID_REQUEST.error(f"The job has no array {array!r}, which is needed.", pointer)
    if found.shape != shape:
        said = " by ".join(map(str, shape))
        raise INVALID_REQUEST.error(
            f"The job's {array} must be {said}, and has the shape {list(found.shape)}.", pointer
        )
