"""How each kind of job is computed: a new kind is one file beside this one and one line here."""

from worker import answers, kernels, predictions, spectra, trainings
from worker.parts import RunPart

RUN: dict[str, RunPart] = {
    "kernels": kernels.run,
    "spectra": spectra.run,
    "predictions": predictions.run,
    "answers": answers.run,
    "trainings": trainings.run,
}
