"""Every kind of job there is: a new kind is one file beside this one and one line here."""

from contracts.answers import AnswerSpec
from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.predictions import PredictionSpec
from contracts.spectra import SpectrumSpec
from contracts.trainings import TrainingSpec

SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (KernelSpec, SpectrumSpec, PredictionSpec, AnswerSpec, TrainingSpec)
}
