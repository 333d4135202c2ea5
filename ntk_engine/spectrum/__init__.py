"""Eigen-decompositions of kernel matrices, as the paper's operator Π has them: of K/N (Section 5).

eigh(k), top(k, m), top(matmul, n, m)    eigenpairs with residuals, and which belong together
product(arch, x)                         K v without K, for `top`: tiles are computed, multiplied and thrown away
components(found, m)                     kernel principal components, on the data and at new points; `Centring`
definiteness(k, found), errors(k, found) whether k is positive definite, and how far eigenvalues may be off
effective_dimension(λ, ridges), …        numbers of a spectrum
learning_curve(λ, v, sizes, ridges)      the expected error of kernel regression on N points; population_curve(k, y, …)
"""

from ntk_engine.spectrum.centring import Centring, centred
from ntk_engine.spectrum.clusters import clusters
from ntk_engine.spectrum.components import Components, components
from ntk_engine.spectrum.definiteness import Definiteness, definiteness, errors
from ntk_engine.spectrum.dense import eigh
from ntk_engine.spectrum.krylov import Iteration, top
from ntk_engine.spectrum.learning_curve import LearningCurve, learning_curve
from ntk_engine.spectrum.numbers import (
    Decay,
    condition_number,
    decay,
    effective_dimension,
    largest_learning_rate,
    participation_ratio,
    rank,
)
from ntk_engine.spectrum.population_curve import PopulationCurve, population_curve
from ntk_engine.spectrum.result import Negative, NotConvergedError, Spectrum
from ntk_engine.spectrum.streamed import Product, product

__all__ = [
    "Centring",
    "Components",
    "Decay",
    "Definiteness",
    "Iteration",
    "LearningCurve",
    "Negative",
    "NotConvergedError",
    "PopulationCurve",
    "Product",
    "Spectrum",
    "centred",
    "clusters",
    "components",
    "condition_number",
    "decay",
    "definiteness",
    "effective_dimension",
    "eigh",
    "errors",
    "largest_learning_rate",
    "learning_curve",
    "participation_ratio",
    "population_curve",
    "product",
    "rank",
    "top",
]
