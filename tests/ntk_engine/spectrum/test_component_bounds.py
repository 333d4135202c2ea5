"""Bounds of eigenvectors and components against 50 digits, and that they are not idle."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import mpmath
import pytest
import torch

from ntk_engine import spectrum
from ntk_engine.spectrum import Beneath, Certain, ComponentBounds, Components, Spectrum
from tests.ntk_engine.spectrum.exact import DIGITS, MATRICES, Exact, column, draw

EPS = torch.finfo(torch.float64).eps
HOSTILE = [name for name in MATRICES if name != "one by one"]


@cache
def exact(name: str) -> Exact:
    return Exact.of(MATRICES[name])


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with mpmath.workdps(DIGITS):
        yield


@dataclass(frozen=True)
class Case:
    """A decomposition with what is certain of it, and its exact twin."""

    k: torch.Tensor
    found: Spectrum
    certain: Certain
    residuals: torch.Tensor
    errors: torch.Tensor
    exact: Exact

    def space(self, i: int) -> slice:
        """The cluster of i, with numbers that were not asked for."""
        return next(at for at in self.certain.clusters if at.start <= i < at.stop)

    def nearest(self, i: int) -> mpmath.matrix:
        assert self.found.eigenvectors is not None
        return self.exact.nearest(self.space(i), column(self.found.eigenvectors[:, i].cpu()))

    def components(self, m: int) -> tuple[Components, ComponentBounds]:
        those = spectrum.components(self.found, m)
        return those, ComponentBounds(those, self.errors[:m], self.certain, self.residuals[:m])


def dense(name: str, device: str) -> Case:
    k = MATRICES[name].to(device)
    found = spectrum.eigh(k)
    errors = spectrum.errors(k, found)
    residuals = spectrum.residual_bounds(found, errors)
    certain = spectrum.certain_of_all(found, errors)
    return Case(k, found, certain, residuals, spectrum.vector_errors(found, certain, residuals), exact(name))


def leading(name: str, device: str, *, count: int = 3, tolerance: float | None = None) -> Case:
    k = MATRICES[name].to(device)
    found = spectrum.top(k, count, tolerance=tolerance, probed=True)
    assert found.residuals is not None
    certain, residuals = spectrum.certain_of_top(found), found.residuals + found.rounding
    return Case(k, found, certain, residuals, spectrum.vector_errors(found, certain, residuals), exact(name))


@pytest.mark.parametrize("of", [dense, leading])
@pytest.mark.parametrize("name", MATRICES)
def test_vectors_are_within_their_bounds(name: str, of: Callable[[str, str], Case], device: str) -> None:
    if of is leading and name == "one by one":
        pytest.skip("it has no three eigenvalues")
    case = of(name, device)
    unit = float(case.found.eigenvalues.abs().max())
    for i, bound in enumerate(case.errors.tolist()):
        if bound == math.inf:
            continue
        assert case.found.eigenvectors is not None
        v = column(case.found.eigenvectors[:, i].cpu())
        assert mpmath.norm(v - case.nearest(i)) <= bound
    for i, bound in enumerate(case.residuals.tolist()):
        v = column(case.found.eigenvectors[:, i].cpu())
        rest = mpmath.matrix(case.k.tolist()) * v / len(case.k) - v * float(case.found.eigenvalues[i])
        assert mpmath.norm(rest) <= bound
    # Of a gap that shows, a bound is some N eps over it.
    true, n = [float(v) for v in case.exact.values], len(case.k)
    for i in range(len(case.errors)):
        at = case.space(i)
        outside = [abs(true[i] - v) for j, v in enumerate(true) if not at.start <= j < at.stop]
        gap = min(outside, default=math.inf)
        if gap > 1000 * n * EPS * unit:
            assert case.errors[i] <= 100 * n * EPS * unit * (n if of is leading else 1) / gap + 4 * n * EPS


def test_what_cannot_be_told_apart_has_no_bound() -> None:
    """Gaps are to what other eigenvalues may be; those beneath may be anything up to the ceiling."""
    values = torch.tensor([4.0, 2.0, 1.9, 1.0], dtype=torch.float64)
    errors = torch.tensor([0.1, 0.06, 0.06, 0.1], dtype=torch.float64)
    each = tuple(slice(i, i + 1) for i in range(4))
    told = torch.tensor([1.94, 0.04, 0.04, 0.84], dtype=torch.float64)
    torch.testing.assert_close(Certain(values, errors, each).gaps(), told)
    pair = Certain(values, errors, (each[0], slice(1, 3), each[3]), ceiling=1.5)
    torch.testing.assert_close(pair.gaps(), told.new_tensor([1.94, 0.5, 0.4, -0.5]))
    torch.testing.assert_close(pair.radii, told.new_tensor([0.1, 0.06, 0.06, 0.6]))
    torch.testing.assert_close(pair.spreads(), told.new_tensor([0.1, 0.16, 0.16, 0.6]))
    torch.testing.assert_close(pair.gaps_after(3), told.new_tensor([2.5, 0.5, 0.4]))
    found = spectrum.eigh(torch.diag(4 * values))
    bounds = spectrum.vector_errors(found, replace(pair, clusters=each), told.new_tensor([1e-9, 1e-9, 0.05, 1e-9]))
    assert bounds.isfinite().tolist() == [True, True, False, False]
    unknown = spectrum.vector_errors(found, replace(pair, errors=errors * math.inf), errors * math.inf)
    assert not bool(unknown.isfinite().any())
    those = spectrum.components(found, 2)
    bounds = ComponentBounds(those, unknown[:2], replace(pair, errors=errors * math.inf), unknown[:2])
    f = draw(4, 3)
    assert bounds.projections(f) == bounds.outside(f, those.outside(f)) == math.inf
    assert bounds.projections(0 * f) == 0
    assert bounds.at(f.mT).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("tolerance", [1e-12, 1e-3, 0.1])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_beneath_an_unfinished_iteration(tolerance: float, seed: int, device: str) -> None:
    """Some columns of forty, left before they have all of the matrix: a probe says what they lack."""
    values = [2.0**-i for i in range(40)] if seed % 2 else [1.0 / (1 + i) ** 3 for i in range(40)]
    basis = torch.linalg.qr(draw(40, 40, seed=seed)).Q
    k = 40 * (basis * torch.tensor(values, dtype=torch.float64)) @ basis.mT
    k = ((k + k.mT) / 2).to(device)
    found = spectrum.top(k, 2, tolerance=tolerance, seed=seed, probed=True)
    assert found.beneath is not None
    all_there_is = found.beneath.rest == -math.inf
    assert all_there_is == (tolerance == 1e-12)
    assert (float(found.beneath.couplings.abs().amax()) > 1e-5) != all_there_is
    certain = spectrum.certain_of_top(found)
    twin = Exact.of(k.cpu())
    true = twin.values
    m = len(certain.values)
    for value, radius, exactly in zip(certain.values.tolist(), certain.radii.tolist(), true, strict=False):
        assert abs(exactly - value) <= radius
    assert true[m] <= certain.ceiling
    # Unfinished, the first is told from what is beneath all the same.
    assert certain.ceiling < certain.values[0]
    residuals = found.residuals + found.rounding
    for i, bound in enumerate(spectrum.vector_errors(found, certain, residuals).tolist()):
        at = next(at for at in certain.clusters if at.start <= i < at.stop)
        v = column(found.eigenvectors[:, i].cpu())
        assert bound == math.inf or mpmath.norm(v - twin.nearest(at, v)) <= bound
    nothing = spectrum.certain_of_top(replace(found, beneath=replace(found.beneath, rest=math.inf)))
    assert nothing.ceiling == math.inf
    assert float(nothing.gaps().amax()) == -math.inf


@pytest.mark.parametrize("seed", range(5))
def test_the_ceiling_is_above_what_is_beneath(seed: int) -> None:
    """A basis of coordinates, B diagonal, of which one was found: eigenvalues of the rest are above its Ritz values."""
    a = draw(9, 9, seed=seed)
    a = (a + a.mT) / 2
    values, turn = torch.linalg.eigh(a[:5, :5])
    e = a[5:, :5] @ turn
    rest = torch.cat([torch.cat([values[:4].diag(), e[:, :4].mT], dim=1), torch.cat([e[:, :4], a[5:, 5:]], dim=1)])
    largest, own = (float(torch.linalg.eigvalsh(some)[-1]) for some in (rest, a[5:, 5:]))
    known = Beneath(values[:4].flip(0), e[:, :4].flip(1), 0.0, own)
    assert float(values[3]) < largest <= known.ceiling * (1 + 1e-14)
    assert replace(known, rounding=0.5).ceiling == known.ceiling + 0.5
    assert replace(known, rest=math.inf).ceiling == math.inf


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200])
def test_the_ceiling_of_one_and_one_is_their_eigenvalue(unit: float) -> None:
    """[[2, 1], [1, 3/2]] beneath a pair of 5: (7 + √17)/4; the least Ritz value may be the one that is coupled."""
    one, none = torch.ones(1, dtype=torch.float64), torch.empty(0, dtype=torch.float64)
    known = Beneath(2 * unit * one, unit * one[:, None], 0.0, 1.5 * unit)
    assert known.ceiling / unit == pytest.approx((7 + math.sqrt(17)) / 4, rel=1e-14)
    assert Beneath(none, none.reshape(0, 0), 0.0, 3 * unit).ceiling == pytest.approx(3 * unit, rel=1e-14)
    assert Beneath(2 * one, 0 * one[:, None], 0.0, -math.inf).ceiling == 2.0
    below = torch.cat([4 * one, one]), torch.cat([0 * one, one])[None]
    assert Beneath(*below, 0.0, 0.5).ceiling == pytest.approx(4.0, rel=1e-14)


@pytest.mark.parametrize("of", [dense, leading])
@pytest.mark.parametrize("name", HOSTILE)
def test_components_elsewhere_are_within_their_bounds(name: str, of: Callable[[str, str], Case], device: str) -> None:
    case = of(name, device)
    n, count = len(case.k), 3
    those, bounds = case.components(count)
    block = draw(5, n, seed=9).to(device) * case.k.abs().max()
    entries = 1e-9 * draw(5, n, seed=10).to(device) * case.k.abs().max()
    moved = torch.linalg.vector_norm(entries, dim=1) / n**0.5
    for added, off in ((0 * entries, 0.0), (entries, moved)):
        given = block + added
        # `given` is the exact one plus its rounding and `added`; the exact one is what is left of it.
        true = given if isinstance(off, float) else block
        got, limits = those.at(given), bounds.at(given, off if isinstance(off, float) else off * (1 + 1e-6))
        for i in range(count):
            if limits[i] == math.inf:
                continue
            if isinstance(off, float) and case.certain.spreads()[i] < those.eigenvalues[i] / 2:
                # What turning, the cluster's width and sums may do, at the worst of the points.
                each = float(case.errors[i] + 2 * case.certain.spreads()[i] / those.eigenvalues[i]) + n * EPS
                kappa = float(torch.linalg.vector_norm(block, dim=1).amax()) / n**0.5
                assert limits[i] <= each * kappa / float(those.eigenvalues[i])
            at, near = case.space(i), case.nearest(i)
            inverse = mpmath.matrix(n, 1)
            for j in range(at.start, at.stop):
                phi = case.exact.vectors[:, j]
                inverse += phi * ((phi.T * near)[0] / case.exact.values[j])
            for x in range(5):
                value = mpmath.fdot(true[x].tolist(), list(inverse)) * mpmath.sqrt(n) / n
                assert abs(float(got[x, i]) - value) <= float(limits[i])
    assert bool((bounds.at(block, torch.full_like(moved, math.inf)) == math.inf).all())


@pytest.mark.parametrize("of", [dense, leading])
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_projections_are_within_their_bounds(name: str, of: Callable[[str, str], Case], m: int, device: str) -> None:
    """And what is outside of all: of a cluster that m cuts, outside what is nearest in its space."""
    case = of(name, device)
    those, bounds = case.components(m)
    n = len(case.k)
    f = draw(2, n, 2, seed=11).to(device) * torch.tensor([1.0, 1e-6], dtype=torch.float64, device=device)
    got, outside = those.project(f), those.outside(f)
    limit, beyond = bounds.projections(f), bounds.outside(f, outside)
    near = mpmath.matrix(n, m)
    for i in range(m):
        for j, entry in enumerate(case.nearest(i)):
            near[j, i] = entry
    last = case.space(m - 1)
    # The exact space of all: of whole clusters all eigenvectors, and of one that is cut what is nearest.
    whole = m if last.stop <= m else last.start
    basis = mpmath.matrix(n, m)
    for i in range(m):
        for j in range(n):
            basis[j, i] = case.exact.vectors[j, i] if i < whole else near[j, i]
    q, _ = mpmath.qr(basis, mode="skinny")
    for s in range(2):
        for k in range(2):
            g = column(f[s, :, k].cpu())
            for i in range(m):
                assert abs(float(got[s, i, k]) - (near[:, i].T * g)[0] / mpmath.sqrt(n)) <= limit
            rest = g - q * (q.T * g)
            assert abs(float(outside[s, k]) - mpmath.fdot(rest, rest) / n) <= beyond
    size = float(f.square().mean(dim=-2).amax())
    assert limit <= 1.01 * (float(bounds.errors.amax()) + n * EPS) * size**0.5
    if bounds.errors.isfinite().all():
        # √m such sines, ω of at most some N m eps, and roundings; twice, of a square.
        assert beyond <= 2.1 * (m**0.5 * float(bounds.errors.amax()) + 4 * n * m * EPS) * size
