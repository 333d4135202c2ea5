"""Duals as power series: the sums of `Series` against the same sums at 60 digits."""

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.series import Series, unit
from tests.ntk_engine.activations.exact import ANGLES, EPS

GAPS = [*(float(2 * mpmath.sin(angle / 2) ** 2) for angle in ANGLES), 1.0]
ODD = [0.0, 0.8, 0.0, -0.5, 0.0, 0.1]
EVEN = [0.3, 0.0, 0.9, 0.0, -0.2]
MIXED = [0.5, -1.0, 0.25, 0.0, 2.0, 1.0]
LONG = [(-1) ** (k // 2) * float(2.0 ** (-k / 16)) for k in range(512)]
PAIRS = {
    "equal": (MIXED, MIXED),
    "near": (MIXED, [c * (1 + k * 1e-9) for k, c in enumerate(MIXED)]),
    "odd": (ODD, [c + 1e-5 * (k % 2) for k, c in enumerate(ODD)]),
    "even": (EVEN, EVEN),
    "opposite": (ODD, [-c for c in ODD]),
    "far": (MIXED, [1.0, 1.0, 1.0, -1.0, 0.0, 0.0]),
    "constant": ([2.0], [3.0]),
    "long": (LONG, [c * (1 + 1e-6 * k) for k, c in enumerate(LONG)]),
}


def _terms(c: list[float], d: list[float]) -> list[mpf]:
    """p_k = ĉ_k ĉ'_k."""
    left, right = ([x / mpmath.norm(v, 2) for x in map(mpf, v)] for v in (c, d))
    return [x * y for x, y in zip(left, right, strict=True)]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sums_are_exact(name: str, sign: float) -> None:
    c, d = PAIRS[name]
    gap = torch.tensor(GAPS, dtype=torch.float64)
    a, b = (unit([torch.tensor(x, dtype=torch.float64) for x in v]) for v in (c, d))
    after = Series(lambda _: a).correlate(a, b, sign * (1.0 - gap), gap)
    with mpmath.workdps(60):
        terms = _terms(c, d)
        # A rounded ρ moves ρ_σ by its slope; the terms of derivatives are k times as large.
        slope_scale, curve_scale = (max(1.0, float(sum(abs(p) * k**n for k, p in enumerate(terms)))) for n in (1, 2))
        for g, value, small, slope in zip(GAPS, *(x.tolist() for x in after), strict=True):
            exact, exact_slope = mpmath.polyval(terms, sign * (1 - mpf(g)), derivative=True, asc=True)
            assert abs(value - exact) <= 8 * EPS * slope_scale
            assert abs(slope - exact_slope) <= 8 * EPS * curve_scale
            # ĉ is right to 4 eps, |ĉ − ĉ'| to 8, hence its half square w to 8 eps √(2w); sums add eps of their value.
            bound = 16 * EPS * mpmath.sqrt(1 - abs(exact)) + (8 * EPS) ** 2
            # Nearly opposite rows, which σ(√q z) and σ(√q' z) are not, are right to the last digits of 1.
            assert abs(small - (1 - abs(exact))) <= (8 * EPS if name == "opposite" else bound)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_unit_vectors_hold_at_extreme_sizes(size: float) -> None:
    norm, x, y = unit([torch.tensor(c * size, dtype=torch.float64) for c in (3.0, -4.0)])
    assert norm.item() == pytest.approx(5.0 * size, rel=4 * EPS)
    assert (x.item(), y.item()) == pytest.approx((0.6, -0.8), rel=4 * EPS)


def test_nothing_has_no_direction() -> None:
    zero = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    result = unit([zero * 1.0, zero * 2.0])
    assert all(x.tolist() == [0.0, 0.0] for x in result)
    (gradient,) = torch.autograd.grad(sum(x.sum() for x in result), zero)
    assert bool(gradient.isfinite().all())


def test_gradients_are_those_of_the_sums() -> None:
    c = torch.tensor(MIXED, dtype=torch.float64, requires_grad=True)
    rho = torch.tensor([-0.6, 0.4, 0.99], dtype=torch.float64, requires_grad=True)

    def dual(c: torch.Tensor, rho: torch.Tensor) -> tuple[torch.Tensor, ...]:
        d = c * c + 0.1
        return tuple(Series(lambda _: []).correlate(unit(list(c)), unit(list(d)), rho, 1.0 - rho.abs()))

    assert torch.autograd.gradcheck(dual, (c, rho))


def test_rows_of_many_pairs_broadcast() -> None:
    generator = torch.Generator().manual_seed(0)
    a = unit([torch.randn(3, 1, dtype=torch.float64, generator=generator) for _ in range(4)])
    b = unit([torch.randn(1, 5, dtype=torch.float64, generator=generator) for _ in range(4)])
    rho = torch.rand(3, 5, dtype=torch.float64, generator=generator) * 2 - 1
    after = Series(lambda _: a).correlate(a, b, rho, 1.0 - rho.abs())
    for i in range(3):
        for j in range(5):
            one = Series(lambda _: a).correlate(
                [x[i] for x in a], [x[:, j] for x in b], rho[i, j : j + 1], 1.0 - rho[i, j : j + 1].abs()
            )
            assert [x[i, j].item() for x in after] == [x.item() for x in one]
