"""Polynomials, by Isserlis' theorem: E[zⁿ z'ᵐ] counts the pairings of n + m Gaussian factors."""

from itertools import zip_longest
from math import factorial, sqrt
from typing import Any

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.base import Activation
from ntk_engine.activations.polynomial import Hermite, Identity, Monomial, Polynomial
from tests.ntk_engine.activations import exact
from tests.ntk_engine.activations.exact import EPS, ROUNDINGS, Pair
from tests.ntk_engine.activations.homogeneous import assert_differentiable
from tests.ntk_engine.activations.printed import coefficients, printed


def _chebyshev(degree: int) -> list[int]:
    """The coefficients of T_degree: at degree 20 they alternate, and are a million times their sums."""
    last, this = [1], [0, 1]
    for _ in range(1, degree):
        last, this = this, [2 * x - y for x, y in zip_longest([0, *this], last, fillvalue=0)]
    return this


POINTS = [-4.0, -0.5, 0.0, 1e-6, 0.7, 3.0]
SMALL = [
    Identity(),
    Polynomial(),
    Polynomial((0.5, -1.0, 0.0, 0.3)),
    Polynomial((0.0, 1.0, 0.0, -1.0)),
    Polynomial((1.0, 0.0, -0.25, 0.0, 0.125)),
    Monomial(1),
    Monomial(2),
    Monomial(3),
    Hermite(2),
    Hermite(5),
]
LARGE = [Monomial(20), Hermite(20), Polynomial(tuple(_chebyshev(20))), Polynomial(tuple(range(1, 22)))]


@pytest.fixture(params=[*SMALL, *LARGE], ids=repr)
def activation(request: pytest.FixtureRequest) -> Activation:
    return request.param


def test_function(activation: Activation) -> None:
    monomials = coefficients(activation)
    for order, function in enumerate((activation.value, activation.derivative)):
        for z, value in zip(POINTS, function(torch.tensor(POINTS, dtype=torch.float64)), strict=True):
            terms = [
                factorial(n) // factorial(n - order) * a * mpf(z) ** (n - order)
                for n, a in enumerate(monomials)
                if n >= order
            ]
            # Horner's rule rounds every term at most twice for each degree.
            bound = 2 * (len(monomials) + 1) * EPS * mpmath.fsum(abs(t) for t in terms)
            assert abs(mpf(value.item()) - mpmath.fsum(terms)) <= bound


@pytest.mark.parametrize("activation", [SMALL[2], SMALL[4], Monomial(3), Hermite(5)], ids=repr)
def test_printed_duals_are_expectations(activation: Activation) -> None:
    exact.assert_printed(activation, printed(activation))


def test_pairs(activation: Activation) -> None:
    count, dual = len(coefficients(activation)), printed(activation)
    # Near 0.15 the terms of T_20 cancel, near 0.9 those of He_20: to a thousandth, and what is left must be right.
    # ρ is rounded, and so are its powers.
    some = exact.pairs([0.15, 0.9], [0.0, 1e-9, 1e-3, 0.5, 1.57] if count > 20 else exact.ANGLES)
    exact.assert_pairs(activation.dual(0.15, 1.2), dual, some, ROUNDINGS + count - 1)
    exact.assert_moments(activation.dual(1e-9, 1e6), dual, [1e-9, 0.1, 0.15, 0.9, 1.0, 1e6])


@pytest.mark.parametrize(
    "activation", [Polynomial((0.5, -1.0, 0.0, 0.3)), Hermite(5), Polynomial((0.0, 1.0, 0.0, -1.0))]
)
def test_scales_where_one_term_outweighs_the_others(activation: Activation) -> None:
    some = exact.pairs([1e-30, 1e-6, 1e6, 1e30], (0.0, 1e-9, 1e-3, 0.5))
    exact.assert_pairs(activation.dual(1e-30, 1e30), printed(activation), some, ROUNDINGS + 5)


@pytest.mark.parametrize("activation", [a for a in [*SMALL, *LARGE] if not isinstance(a, Identity)], ids=repr)
def test_derivatives(activation: Activation) -> None:
    """They are finite for duplicates and antipodes too; those of ρ_σ and its gap are ± the slope."""
    some = [pair for pair in exact.pairs([0.7, 3.0], (0.0, 1e-9, 1e-3, 1.0)) if pair.root_b < 2 * pair.root_a]
    a, b, sign, gap = torch.tensor(some, dtype=torch.float64).T
    inputs = [x.clone().requires_grad_() for x in (a, b, gap)]
    dual, rho = activation.dual(0.7, 3.9), sign * (1.0 - inputs[2])
    after = dual.correlate(dual.rows(inputs[0]), dual.rows(inputs[1]), rho, inputs[2])
    by = [torch.autograd.grad(result.sum(), inputs, retain_graph=True) for result in after]
    assert all(bool(derivative.isfinite().all()) for result in by for derivative in result)
    # A derivative is a sum of terms of both signs, each rounded.
    assert torch.allclose(by[0][2], -sign * after.slope, rtol=1e-9, atol=1e-9)
    assert torch.allclose(by[1][2], sign * after.rho.sign() * after.slope, rtol=1e-9, atol=1e-9)


def test_derivatives_of_rows() -> None:
    root = torch.tensor([1e-3, 0.7, 1.0, 30.0], dtype=torch.float64, requires_grad=True)
    dual = Polynomial((0.5, -1.0, 0.0, 0.3)).dual(0.0, 30.0)
    assert torch.autograd.gradcheck(lambda x: tuple(dual.rows(x)), (root,), eps=1e-7, rtol=1e-6)


def test_identity() -> None:
    exact.assert_recorded(Identity(), [1.0])
    assert_differentiable(Identity(), 1)


@pytest.mark.parametrize("root", [1e-150, 1e-30, 1.0, 1e14])
def test_moments_at_extreme_scales(root: float) -> None:
    for activation in (Monomial(2), Monomial(20), Hermite(3), Hermite(20), Polynomial((1e-5, 0.0, 3.0))):
        with mpmath.workdps(1000):
            dual = printed(activation)
            right = mpmath.sqrt(dual(*(mpf(root) ** 2,) * 3))
        # Below 1e-308 numbers are spaced by 5e-324.
        assert exact.moment(activation.dual(root, root), root) == pytest.approx(float(right), rel=8 * EPS, abs=1e-323)


def test_factors_that_overflow_where_their_product_does_not() -> None:
    series = Polynomial((*[0.0] * 20, 1e-300)).dual(1e20, 1e20)
    assert exact.moment(series, 1e20) == pytest.approx(1e100 * sqrt(exact_odd_factorial(20)), rel=1e-13)
    assert exact.moment(Polynomial((0.0, 0.0, 1e-10)).dual(1e150, 1e150), 1e150) == pytest.approx(
        sqrt(3.0) * 1e290, rel=1e-13
    )


def exact_odd_factorial(n: int) -> int:
    """(2n − 1)!! = E z^{2n}."""
    return factorial(2 * n) // (2**n * factorial(n))


def test_zero_rows() -> None:
    root = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for activation, moment in ((Polynomial((-2.0, 1.0)), 2.0), (Polynomial((0.0, 1.0, 5.0)), 0.0), (Hermite(3), 0.0)):
        rows = activation.dual(0.0, 0.0).rows(root)
        assert rows[0].tolist() == [moment] * 2
        (gradient,) = torch.autograd.grad(sum(row.sum() for row in rows), root)
        assert bool(gradient.isfinite().all() and torch.stack([*rows]).isfinite().all())


@pytest.mark.parametrize("degree", [1, 2, 7, 20])
def test_hermite_polynomials_are_powers_of_the_correlation(degree: int) -> None:
    dual = Hermite(degree).dual(1.0, 1.0)
    some = [Pair(1.0, 1.0, sign, gap) for sign in (1.0, -1.0) for gap in (0.0, 1e-20, 1e-9, 0.01, 0.7, 1.0)]
    for pair, rho, gap, slope in zip(some, *exact.computed(dual, some), strict=True):
        with mpmath.workdps(60):
            r = pair.sign * (1 - mpf(pair.gap))
            assert abs(mpf(rho.item()) - r**degree) <= (ROUNDINGS + degree) * EPS
            assert abs(mpf(gap.item()) - (1 - abs(r) ** degree)) <= ROUNDINGS * EPS * (1 - abs(r) ** degree)
            assert abs(mpf(slope.item()) - degree * r ** (degree - 1)) <= (ROUNDINGS + degree) * EPS * degree


def test_norms_do_not_matter_to_powers() -> None:
    pair = Pair(1e-9, 3e9, 1.0, 0.0)
    # ½|ĉ − ĉ'|² of two unit vectors that are right to 4 eps.
    assert exact.computed(Monomial(7).dual(1e-9, 3e9), [pair]).gap.item() <= (8 * EPS) ** 2


@pytest.mark.parametrize("activation", [Polynomial((-2.0,)), Monomial(0), Hermite(0)], ids=repr)
def test_constants(activation: Activation) -> None:
    some = exact.pairs([0.0, 1.0])
    after = exact.computed(activation.dual(0.0, 1.0), some)
    assert [set(x.tolist()) for x in after] == [{1.0}, {0.0}, {0.0}]
    assert exact.moment(activation.dual(0.0, 1.0), 0.0) == abs(float(coefficients(activation)[0]))


def test_signs_of_correlations_are_told() -> None:
    told = {
        Monomial(2): True,
        Monomial(3): False,
        Polynomial((1.0, 0.0, 2.0)): True,
        Polynomial((-1.0, 0.0, -2.0)): True,
        Polynomial((1.0, 0.0, -2.0)): False,
        Polynomial((1.0, 1.0)): False,
        Hermite(2): False,
    }
    assert {activation: activation.dual(1.0, 1.0).nonnegative for activation in told} == told


def test_equal_duals_are_one_object() -> None:
    activation = Hermite(3)
    assert activation.dual(0.5, 1.0) is activation.dual(0.1, 9.0)


@pytest.mark.parametrize("bad", [-1, 21, 1.0, "2", None, True])
def test_other_degrees_are_refused_by_name(bad: Any) -> None:
    for family in (Monomial, Hermite):
        with pytest.raises(ValueError, match=r"^degree must be an integer from 0 to 20"):
            family(bad)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ([], "coefficients must be a list of 1 to 21 numbers"),
        ([1.0] * 22, "coefficients must be a list of 1 to 21 numbers"),
        (3.0, "coefficients must be a list of 1 to 21 numbers"),
        ("12", "coefficients must be a list of 1 to 21 numbers"),
        ([1, "2"], r"coefficients\[1\] must be a finite number"),
        ([float("inf")], r"coefficients\[0\] must be a finite number"),
        ([0, 0.0], "coefficients must not all be 0"),
    ],
)
def test_other_coefficients_are_refused_by_name(bad: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        Polynomial(bad)


def test_coefficients_have_one_form() -> None:
    assert Polynomial([0, 1, 0, -0.0]) == Polynomial((0.0, 1.0)) == Polynomial()
    assert hash(Polynomial([0, 1])) == hash(Polynomial())
