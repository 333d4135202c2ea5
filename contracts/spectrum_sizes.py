"""The numbers that a spectrum depends on: shapes of what it refers to."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from contracts.kernels import KernelSpec
from contracts.plan import ArrayPlan, References
from contracts.problems import INVALID_REQUEST

if TYPE_CHECKING:
    from contracts.spectra import Components, Projected, SpectrumSpec


@dataclass(frozen=True)
class Sizes:
    """The numbers that a spectrum depends on."""

    points: int
    """N,"""
    dimension: int
    """d (0 where a kernel job has the matrix),"""
    matrix: ArrayPlan | None
    """the stored matrix (None where there is none),"""
    new: int
    """n, points beside (0 without),"""
    projected: Mapping[str, tuple[int, ...]]
    """and shapes of the functions that are projected, …×N×k."""

    @staticmethod
    def of(spec: "SpectrumSpec", references: References) -> "Sizes":
        """Raises ProblemError, naming the field, where the spec does not fit what it refers to."""
        matrix, d = None, 0
        if spec.dataset is None:
            matrix = _matrix(spec, references)
            n = matrix.rows
        else:
            x = references.datasets[spec.dataset]["x"]
            n, d = x.rows, x.cols
        _check_counts(spec, n)
        asked = spec.components
        new = 0 if asked is None else _new(spec, asked, references, n, d)
        project = {} if asked is None else asked.project
        return Sizes(n, d, matrix, new, {name: _shape(name, f, references, n) for name, f in project.items()})


def _matrix(spec: "SpectrumSpec", references: References) -> ArrayPlan:
    arrays = references.jobs[str(spec.kernel)]
    if references.specs[str(spec.kernel)][0] != KernelSpec.kind:
        raise INVALID_REQUEST.error("This is no kernel job.", "/kernel")
    if spec.array not in arrays:
        named = ", ".join(sorted(arrays))
        raise INVALID_REQUEST.error(f"The job has no array {spec.array!r}; it has {named}.", "/array")
    if not arrays[spec.array].symmetric:
        raise INVALID_REQUEST.error(
            "A spectrum needs a Gram matrix; the array of this job is not symmetric.", "/kernel"
        )
    return arrays[spec.array]


def _check_counts(spec: "SpectrumSpec", n: int) -> None:
    if spec.top is not None and spec.top > n:
        raise INVALID_REQUEST.error(f"top must be at most the number of points, {n}.", "/top")
    # What is centred has the null space of the constants.
    most = min(spec.top or n, n - 1 if spec.centred else n)
    if spec.components is not None and spec.components.count > most:
        raise INVALID_REQUEST.error(f"There are at most {most} components.", "/components/count")
    if spec.decay is not None and spec.decay[1] > (spec.top or n):
        raise INVALID_REQUEST.error(f"There are {spec.top or n} eigenvalues to fit a decay to.", "/decay")


def _new(spec: "SpectrumSpec", asked: "Components", references: References, n: int, d: int) -> int:
    """How many new points there are."""
    if asked.at is not None and spec.kernel is not None:
        raise INVALID_REQUEST.error("Of a kernel job, cross names the job of the new points.", "/components/at")
    if asked.cross is not None and spec.kernel is None:
        raise INVALID_REQUEST.error("Of an architecture, at names the new points.", "/components/cross")
    if asked.at is not None:
        x = references.datasets[asked.at]["x"]
        if x.cols != d:
            said = f"The new points have {x.cols} dimensions, and those of the kernel {d}."
            raise INVALID_REQUEST.error(said, "/components/at")
        return x.rows
    if asked.cross is None:
        return 0
    kind, found = references.specs[str(asked.cross)][0], references.jobs[str(asked.cross)].get(spec.array)
    if kind != KernelSpec.kind or found is None:
        raise INVALID_REQUEST.error(f"This is no kernel job with an array {spec.array!r}.", "/components/cross")
    if len(found.shape) != 2 or found.cols != n:
        said = f"The block must have the {n} points for columns, and has {found.cols}."
        raise INVALID_REQUEST.error(said, "/components/cross")
    return found.rows


def _shape(name: str, asked: "Projected", references: References, n: int) -> tuple[int, ...]:
    pointer = f"/components/project/{name}"
    arrays = references.jobs[str(asked.job)] if asked.dataset is None else references.datasets[asked.dataset]
    if asked.array not in arrays:
        named = ", ".join(sorted(arrays))
        raise INVALID_REQUEST.error(f"There is no array {asked.array!r} there, but {named}.", f"{pointer}/array")
    shape = arrays[asked.array].shape
    if len(shape) < 2 or shape[-2] != n:
        said = f"Functions must be given as …×{n}×k, a row for every point; this array is {'×'.join(map(str, shape))}."
        raise INVALID_REQUEST.error(said, pointer)
    if prod(shape) == 0:
        raise INVALID_REQUEST.error("This array is empty.", pointer)
    return shape
