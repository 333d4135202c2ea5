"""Bounds of numbers of spectra against 50 digits, and that they are not idle."""

import math
from collections.abc import Iterator
from functools import cache

import mpmath
import pytest
import torch

from ntk_engine import spectrum
from tests.ntk_engine.spectrum.exact import DIGITS, MATRICES, Exact

EPS = torch.finfo(torch.float64).eps
RIDGES = [1e-30, 1e-17, 1e-9, 1e-3, 1.0, 1e30]


@cache
def exact(name: str) -> Exact:
    return Exact.of(MATRICES[name])


def found(name: str, device: str, *, vectors: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """λ and errors."""
    k = MATRICES[name].to(device)
    whole = spectrum.eigh(k, vectors=vectors)
    errors = spectrum.errors(k, whole) if vectors else torch.full_like(whole.eigenvalues, whole.rounding)
    return whole.eigenvalues, errors


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with mpmath.workdps(DIGITS):
        yield


@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("name", MATRICES)
def test_numbers_are_within_their_bounds(name: str, vectors: bool, device: str) -> None:
    values, errors = found(name, device, vectors=vectors)
    true, n = exact(name).values, len(values)
    edge = spectrum.largest_learning_rate(float(values[0]))
    bound = spectrum.largest_learning_rate_error(float(values[0]), float(errors[0]))
    assert abs(edge - 2 / true[0]) <= bound <= 100 * n * EPS * edge
    ratio, bound = spectrum.participation_ratio(values), spectrum.participation_ratio_error(values, errors)
    assert abs(ratio - sum(true) ** 2 / sum(v * v for v in true)) <= bound
    # Σδ, N times the error of one, which is some N eps of the largest, relative to Σ|λ| twice, on N eigenvalues.
    assert bound <= 1000 * n**2 * EPS * n
    condition = spectrum.condition_number(values, float(errors[-1]))
    bound = spectrum.condition_number_error(values, errors)
    if condition < math.inf:
        assert abs(condition - true[0] / true[-1]) <= bound <= 100 * n * EPS * condition**2 * 2
    else:
        assert bound == math.inf
    largest = max(abs(v) for v in true)
    rank = sum(v > n * EPS * largest for v in true)
    assert abs(spectrum.rank(values) - rank) <= spectrum.rank_error(values, errors)
    negative = int((values < 0).sum())
    assert abs(negative - sum(v < 0 for v in true)) <= spectrum.negative_error(values, errors)


def test_counts_are_certain_where_the_threshold_is_apart() -> None:
    for name, in_doubt in (("random", 0), ("both signs", 0), ("circle", 0), ("repeated rows", 8)):
        values, errors = found(name, "cpu")
        assert spectrum.negative_error(values, errors) == in_doubt
    zero = torch.zeros(3, dtype=torch.float64)
    assert spectrum.negative_error(zero, zero) == spectrum.participation_ratio_error(zero, zero) == 0


@pytest.mark.parametrize("name", MATRICES)
def test_effective_dimensions_are_within_their_bounds(name: str, device: str) -> None:
    values, errors = found(name, device)
    ridges = torch.tensor(RIDGES, dtype=torch.float64, device=device)
    got = spectrum.effective_dimension(values, ridges).tolist()
    bounds = spectrum.effective_dimension_errors(values, errors, ridges).tolist()
    for r, at, bound in zip(RIDGES, got, bounds, strict=True):
        true = sum(max(v, 0) / (max(v, 0) + r) for v in exact(name).values)
        assert abs(at - true) <= bound
        # No term is off by more than 1, or the error over the ridge.
        most = (errors / r).clamp_max(1.0).sum() + 2 * len(values) * EPS * at
        assert bound <= float(most)


@pytest.mark.parametrize(("name", "last"), [("random", 14), ("circle", 9), ("steep", 14), ("steep", 15), ("tiny", 12)])
def test_decays_are_within_their_bounds(name: str, last: int, device: str) -> None:
    values, errors = found(name, device)
    got = spectrum.decay(values, 2, last)
    exponent, standard = spectrum.decay_errors(values, errors, 2, last)
    x = [mpmath.log(i) for i in range(2, last + 1)]
    y = [mpmath.log(v) for v in exact(name).values[1:last]]
    x, y = ([each - mpmath.fsum(of) / len(of) for each in of] for of in (x, y))
    square = mpmath.fdot(x, x)
    slope = mpmath.fdot(x, y) / square
    rest = mpmath.fsum((b - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    assert abs(got.exponent + slope) <= exponent
    assert abs(got.standard_error - mpmath.sqrt(rest / ((len(x) - 2) * square))) <= standard
    # Logarithms err by no more than the error of the last, relative to it, and what n roundings of them are.
    each = -math.log1p(-float(errors[last - 1] / values[last - 1])) if errors[last - 1] < values[last - 1] else math.inf
    each += 40 * EPS * max(abs(math.log(float(v))) for v in values[1:last])
    assert exponent <= each * len(x) ** 0.5 / math.sqrt(float(square)) * 4
    assert standard <= each * 4 / math.sqrt(float(square))


def test_what_is_not_known_has_no_bound() -> None:
    values = torch.tensor([3.0, 2.0, 1.0, 0.5], dtype=torch.float64)
    errors = torch.full_like(values, math.inf)
    assert spectrum.largest_learning_rate_error(3.0, math.inf) == math.inf
    assert spectrum.largest_learning_rate_error(0.0, 0.0) == math.inf
    for of in (spectrum.condition_number_error, spectrum.participation_ratio_error, spectrum.rank_error,
               spectrum.negative_error):  # fmt: skip
        assert of(values, errors) == math.inf
    assert spectrum.decay_errors(values, errors, 1, 4) == (math.inf, math.inf)
    ridge = torch.ones(1, dtype=torch.float64)
    assert float(spectrum.effective_dimension_errors(values, errors, ridge)) == math.inf
