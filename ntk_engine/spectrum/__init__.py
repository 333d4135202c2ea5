"""Eigen-decompositions of kernel matrices, as the paper's operator Π has them: of K/N (Section 5)."""

from ntk_engine.spectrum.centring import Centring, centred
from ntk_engine.spectrum.components import Components, components
from ntk_engine.spectrum.dense import eigh
from ntk_engine.spectrum.krylov import top
from ntk_engine.spectrum.result import Negative, NotConvergedError, Spectrum

__all__ = [
    "Centring",
    "Components",
    "Negative",
    "NotConvergedError",
    "Spectrum",
    "centred",
    "components",
    "eigh",
    "top",
]
