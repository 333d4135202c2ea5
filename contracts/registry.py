"""Every kind of job there is: a new kind is one file beside this one and one line here."""

from contracts.kernels import KernelSpec
from contracts.kinds import Spec
from contracts.spectra import SpectrumSpec

SPECS: dict[str, type[Spec]] = {spec.kind: spec for spec in (KernelSpec, SpectrumSpec)}


def parse_spec(kind: str, value: object) -> Spec:
    """The spec that was stored as JSON for a job of `kind`."""
    return SPECS[kind].model_validate(value)
