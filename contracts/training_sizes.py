"""The numbers that a training depends on: shapes of what it refers to, the network's size, and what is recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.drawn import dense
from contracts.plan import ArrayPlan, References
from contracts.problems import INVALID_REQUEST

if TYPE_CHECKING:
    from contracts.trainings import TrainingSpec

# The arrays that a field of `record` asks for, and the field of each.
ARRAYS_OF = {
    "outputs": ("outputs",),
    "kernel": ("kernel",),
    "drift": ("kernel_drift", "parameter_drift"),
    "movement": ("movement",),
    "projections": ("projections",),
    "parameters": ("parameters_at",),
}
FIELD_OF = {array: field for field, arrays in ARRAYS_OF.items() for array in arrays}


@dataclass(frozen=True)
class Sizes:
    """The numbers that a training depends on."""

    points: int
    outputs: int
    parameters: int
    neurons: int
    layers: int
    recorded: dict[str, tuple[int, ...]]
    """What one network has of each recorded array at one step, by the array's name."""
    steps: dict[str, Sequence[int]]
    """When, by the field of `record`."""
    dense: tuple[tuple[int, int], ...]
    """Rows and columns of V = [W, b] of every dense layer."""
    looked_at: int
    """Inputs that all records look at together, times the steps at which they do."""

    @staticmethod
    def of(spec: "TrainingSpec", references: References) -> "Sizes":
        """Raises ProblemError, naming the field, where the spec does not fit what it refers to."""
        found = references.datasets[spec.dataset]
        x, outputs = found["x"], _outputs(spec, found)
        sizes = dense(spec.architecture, x.cols, outputs, None)
        points = {name: _points(spec, references, name, x) for name in spec.record.asked()}
        steps = {name: _steps(spec, name) for name in points}
        shapes = _shapes(spec, references, points, outputs, sum(fan.parameters for fan in sizes), len(sizes))
        return Sizes(
            points=x.rows,
            outputs=outputs,
            parameters=sum(fan.parameters for fan in sizes),
            neurons=sum(fan.outputs for fan in sizes),
            layers=len(sizes),
            dense=tuple((fan.outputs, fan.inputs + 1) for fan in sizes),
            recorded=shapes,
            steps=steps,
            looked_at=sum(points[name] * len(steps[name]) for name in points),
        )


def _outputs(spec: "TrainingSpec", found: Mapping[str, ArrayPlan]) -> int:
    if "y" not in found:
        raise INVALID_REQUEST.error("The dataset has no targets to train on; give it some.", "/dataset")
    try:
        return spec.cost.outputs(found["y"].cols)
    except ValueError as error:
        raise INVALID_REQUEST.error(f"{error}.".capitalize(), "/cost") from error


def _points(spec: "TrainingSpec", references: References, name: str, x: ArrayPlan) -> int:
    """Rows of the inputs that a record looks at."""
    on = getattr(spec.record.asked()[name], "on", None)
    looked_at = x if on is None else references.datasets[on]["x"]
    if looked_at.cols != x.cols:
        said = f"Those inputs have {looked_at.cols} dimensions, and the network takes {x.cols}."
        raise INVALID_REQUEST.error(said, f"/record/{name}/on")
    return looked_at.rows


def _steps(spec: "TrainingSpec", name: str) -> Sequence[int]:
    schedule = spec.record.asked()[name]
    if schedule.at is not None and max(schedule.at) > spec.steps:
        raise INVALID_REQUEST.error(f"There are {spec.steps} steps; none is recorded after.", f"/record/{name}/at")
    return schedule.steps(spec.steps)


def _shapes(
    spec: "TrainingSpec", references: References, points: Mapping[str, int], k: int, parameters: int, layers: int
) -> dict[str, tuple[int, ...]]:
    """What one network has of each array at one step."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, n in points.items():
        if name == "outputs":
            shapes["outputs"] = (n, k)
        elif name == "kernel":
            shapes["kernel"] = (n, n)
        elif name == "drift":
            shapes |= {"kernel_drift": (), "parameter_drift": (layers,)}
        elif name == "movement":
            shapes["movement"] = (layers,)
        elif name == "projections":
            shapes["projections"] = (_components(spec, references, n), k)
        else:
            shapes["parameters_at"] = (parameters,)
    return shapes


def _components(spec: "TrainingSpec", references: References, points: int) -> int:
    assert spec.record.projections is not None
    vectors = references.jobs[str(spec.record.projections.components)].get("eigenvectors")
    if vectors is None or vectors.rows != points:
        said = f"This must be a spectrum job with vectors of a kernel on the {points} inputs trained on."
        raise INVALID_REQUEST.error(said, "/record/projections/components")
    return vectors.cols
