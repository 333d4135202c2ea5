"""The numbers that specs in function space depend on: shapes of what they refer to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.dynamics import Given
from contracts.plan import ArrayPlan, References
from contracts.problems import INVALID_REQUEST

if TYPE_CHECKING:
    from contracts.function_space import FunctionSpaceSpec


@dataclass(frozen=True)
class Sizes:
    """N, n, d and k."""

    train: int
    """N,"""
    test: int
    """n (0 without a test set),"""
    dimension: int
    """d"""
    outputs: int
    """and k."""
    judged: bool
    """Whether the test points have targets."""

    @staticmethod
    def of(spec: "FunctionSpaceSpec", references: References) -> "Sizes":
        """Raises ProblemError, naming the field, where the spec does not fit what it refers to."""
        train, test = references.datasets[spec.train], None
        if "y" not in train:
            raise INVALID_REQUEST.error("The dataset has no targets to train on; give it some.", "/train")
        outputs = _outputs(spec, train["y"].cols)
        if spec.test is not None:
            test = references.datasets[spec.test]
            _check_test(spec, train, test)
        sizes = Sizes(
            train["x"].rows,
            test["x"].rows if test is not None else 0,
            train["x"].cols,
            outputs,
            spec.judges and test is not None and "y" in test,
        )
        _check_start(spec, references, sizes)
        if spec.kernels is not None:
            spec.kernels.check(references, _blocks(spec, sizes), spec.needed)
        return sizes


def _outputs(spec: "FunctionSpaceSpec", columns: int) -> int:
    try:
        return spec.outputs(columns)
    except ValueError as error:
        raise INVALID_REQUEST.error(f"{error}.".capitalize(), "/cost") from error


def _blocks(spec: "FunctionSpaceSpec", sizes: Sizes) -> dict[str, tuple[int, int]]:
    found = {"train": (sizes.train, sizes.train)}
    if sizes.test:
        found["cross"] = sizes.test, sizes.train
        if spec.joint:
            found["test"] = sizes.test, sizes.test
    return found


def _check_test(spec: "FunctionSpaceSpec", train: Mapping[str, ArrayPlan], test: Mapping[str, ArrayPlan]) -> None:
    if test["x"].cols != train["x"].cols:
        said = f"The test points have {test['x'].cols} dimensions, and those trained on {train['x'].cols}."
        raise INVALID_REQUEST.error(said, "/test")
    if spec.judges and "y" in test and test["y"].cols != train["y"].cols:
        said = f"The test points have {test['y'].cols} targets each, and those trained on {train['y'].cols}."
        raise INVALID_REQUEST.error(said, "/test")


def _check_start(spec: "FunctionSpaceSpec", references: References, sizes: Sizes) -> None:
    start, pointer = spec.begins, spec.start_pointer
    if not isinstance(start, Given):
        return
    if (start.test is None) != (sizes.test == 0):
        raise INVALID_REQUEST.error("f_0 is given on test points exactly where there are any.", f"{pointer}/test")
    for name, rows in (("train", sizes.train), ("test", sizes.test)):
        id_ = getattr(start, name)
        if id_ is None:
            continue
        x = references.datasets[id_]["x"]
        if (x.rows, x.cols) != (rows, sizes.outputs):
            said = f"f_0 must be {rows} by {sizes.outputs} numbers, and this dataset has {x.rows} by {x.cols}."
            raise INVALID_REQUEST.error(said, f"{pointer}/{name}")
