"""Eigen-decompositions of kernel matrices, as the paper's operator Π has them: of K/N (Section 5).

eigh(k), top(k, m), top(matmul, n, m)    eigenpairs with residuals, and which belong together
product(arch, x)                         K v without K, for `top`: tiles are computed, multiplied and thrown away
components(found, m)                     kernel principal components, on the data and at new points; `Centring`
definiteness(k, found), errors(k, found) whether k is positive definite, and how far eigenvalues may be off
effective_dimension(λ, ridges), …        numbers of a spectrum; effective_dimension_errors(λ, errors, ridges), … of them
certain_of_all(found, errors), …         what is certain of λ and gaps; `vector_errors` and `ComponentBounds` by it
learning_curve(λ, v, sizes, ridges)      the expected error of kernel regression on N points; population_curve(k, y, …)
"""

from ntk_engine.spectrum.beneath import Beneath
from ntk_engine.spectrum.centring import Centring, centred
from ntk_engine.spectrum.certain import Certain, certain_of_all, certain_of_top, residual_bounds
from ntk_engine.spectrum.clusters import clusters
from ntk_engine.spectrum.component_bounds import ComponentBounds, vector_errors
from ntk_engine.spectrum.components import Components, components
from ntk_engine.spectrum.definiteness import Definiteness, definiteness, errors
from ntk_engine.spectrum.dense import eigh
from ntk_engine.spectrum.krylov import Iteration, top
from ntk_engine.spectrum.learning_bounds import Errors, errors_of, learning_bounds
from ntk_engine.spectrum.learning_curve import LearningCurve, learning_curve
from ntk_engine.spectrum.number_bounds import (
    condition_number_error,
    decay_errors,
    effective_dimension_errors,
    largest_learning_rate_error,
    negative_error,
    participation_ratio_error,
    rank_error,
)
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
from ntk_engine.spectrum.probe import Probe
from ntk_engine.spectrum.result import Negative, NotConvergedError, Pairs, Spectrum
from ntk_engine.spectrum.streamed import Product, product

__all__ = [
    "Beneath",
    "Centring",
    "Certain",
    "ComponentBounds",
    "Components",
    "Decay",
    "Definiteness",
    "Errors",
    "Iteration",
    "LearningCurve",
    "Negative",
    "NotConvergedError",
    "Pairs",
    "PopulationCurve",
    "Probe",
    "Product",
    "Spectrum",
    "centred",
    "certain_of_all",
    "certain_of_top",
    "clusters",
    "components",
    "condition_number",
    "condition_number_error",
    "decay",
    "decay_errors",
    "definiteness",
    "effective_dimension",
    "effective_dimension_errors",
    "eigh",
    "errors",
    "errors_of",
    "largest_learning_rate",
    "largest_learning_rate_error",
    "learning_bounds",
    "learning_curve",
    "negative_error",
    "participation_ratio",
    "participation_ratio_error",
    "population_curve",
    "product",
    "rank",
    "rank_error",
    "residual_bounds",
    "top",
    "vector_errors",
]
