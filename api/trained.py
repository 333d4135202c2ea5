"""θ of a training's network as a file: which row of which array it is, and what is said of it."""

from dataclasses import dataclass
from uuid import UUID

from api.missing import no_job
from api.parameters import ParametersBody
from api.routes.arrays import unfinished
from api.serving import Content, entity_tag
from api.views import StoredRow
from contracts.canonical import canonical_json
from contracts.given import place_of
from contracts.jobs import State
from contracts.parameters import FORMAT, MEDIA_TYPES, dense_layers
from contracts.problems import NOT_FOUND
from contracts.trainings import TrainingSpec
from ntk_engine.architecture import canonical
from ntk_engine.widths import fans
from storage import arrays
from storage.arrays import Stored
from storage.database import Database, Read
from storage.jobs import queries


@dataclass(frozen=True)
class _Found:
    """A training, and its network's place in an array whose content has a digest."""

    spec: TrainingSpec
    stored: Stored
    row: int
    record: int | None
    digest: str
    finished: bool
    endings: Stored
    inputs: int
    targets: int


def trained(database: Database, job: UUID, seed: int, step: int | None) -> Content:
    """The file of one network, at a recorded step or at the end.

    Raises ProblemError where there is no such network or record, RefusedError where it is not there yet.
    """
    with database.read() as read:
        found = _found(read, job, seed, step)
    width = found.stored.plan.cols if found.record is None else found.stored.plan.cols // found.stored.plan.shape[1]
    row = StoredRow(database, found.stored, found.row, (found.record or 0) * width)
    spec = found.spec
    if step is None:
        # A network may have ended before the last step.
        step = int(arrays.block(database, found.endings, slice(found.row, found.row + 1))[0, 1])
    said = {"format": FORMAT, "architecture": canonical_json(canonical(spec.architecture)), "seed": str(seed)}
    layers = dense_layers(spec.architecture, fans(spec.architecture, found.inputs, spec.cost.outputs(found.targets)))
    body = ParametersBody(row, layers, said | {"step": str(step)})
    tag = entity_tag(repr((found.digest, found.row, found.record)).encode() + body.head)
    filename = f"parameters-{seed}-{step}.safetensors"
    return Content(tag, found.finished, lambda: body, MEDIA_TYPES[0], filename, "safetensors")


def _found(read: Read, id_: UUID, seed: int, step: int | None) -> _Found:
    job = queries.get(read, id_)
    if job is None:
        raise no_job(id_)
    if job.kind != TrainingSpec.kind:
        raise NOT_FOUND.error(f"Job {id_} is one of {job.kind}; only trainings have parameters.")
    spec, stored = TrainingSpec.model_validate(job.spec), arrays.of_job(read, id_)
    row, record = place_of(spec, seed, step)
    name = "parameters" if record is None else "parameters_at"
    array, finished = stored[name], job.state is State.SUCCEEDED
    # While a training runs, `parameters` is a checkpoint that the next one takes the place of.
    if not finished and (
        record is None or not arrays.complete(read, array, slice(row, row + 1), _columns(array, record))
    ):
        raise unfinished(job, name)
    of = arrays.of_dataset(read, spec.dataset)
    digest = arrays.content_digest(read, array)
    sizes = of["x"].plan.cols, of["y"].plan.cols
    return _Found(spec, array, row, record, digest, finished, stored["endings"], *sizes)


def _columns(array: Stored, record: int) -> slice:
    width = array.plan.cols // array.plan.shape[1]
    return slice(record * width, (record + 1) * width)
