"""Learning curves against 50 digits and derivatives taken numerically, against draws, and against real digits."""

import math
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import mlp
from ntk_engine.spectrum import learning_curve

M = 40
INDEX = torch.arange(1, M + 1, dtype=torch.float64)
SPECTRA = {
    "powers": INDEX**-1.6,
    "equal": torch.full((M,), 0.3, dtype=torch.float64),
    "clusters": torch.tensor([1.0] * 5 + [1e-3] * 15 + [1e-7] * 20, dtype=torch.float64),
    "steep": 10.0 ** -(INDEX / 4),
}
# Targets that are not aligned with anything.
V = torch.stack([torch.sin(INDEX), torch.cos(3.0 * INDEX) / INDEX], dim=1)
SIZES = [1, 2, 13, 39]
RIDGES = [0.0, 1e-9, 1e-2, 10.0]


def root(values: list[mpmath.mpf], n: float, ridge: mpmath.mpf, population: float) -> mpmath.mpf:
    """κ to 50 digits: N − ΣL = (δ/κ)(1 − ΣL/M), from brentq's by the secant method."""

    def beyond(log: mpmath.mpf) -> mpmath.mpf:
        kappa = mpmath.exp(log)
        total = mpmath.fsum(v / (v + kappa) for v in values)
        return total + ridge / kappa * (1 - total / population) - n

    with mpmath.workprec(53):
        near = brentq(lambda log: float(beyond(mpmath.mpf(log))), -80.0, 80.0)
    return mpmath.exp(mpmath.findroot(beyond, (near, near + 1e-9)))


def slowly(
    values: torch.Tensor, v: torch.Tensor, n: int, ridge: float, population: float
) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """κ, and errors on all points and on those trained on, by the derivatives that define them.

    With T = Sᵀ(SKSᵀ + δ)⁻¹S ≃ (K + μ)⁻¹, μ = Mκ: T K² T = −∂_ε T(K + εK²), and |SKSᵀ + δ|⁻² = −∂_δ T between y.
    """
    lam, powers = [mpmath.mpf(float(x)) for x in values], [mpmath.mpf(float(x)) for x in (v * v).sum(dim=1)]
    m, delta = mpmath.mpf(population), mpmath.mpf(ridge)
    kappa = root(lam, n, delta, m)

    def image(eps: mpmath.mpf | int, more: mpmath.mpf | int) -> mpmath.mpf:
        """yᵀTy, of yᵀy/M = Σv²."""
        changed = [x + eps * m * x * x for x in lam]
        mu = m * root(changed, n, delta + more, m)
        return mpmath.fsum(m * p / (m * x + mu) for x, p in zip(changed, powers, strict=True))

    step = mpmath.mpf(10) ** -10
    eps, more = step / (m * lam[0]), step * delta
    squares = (image(-eps, 0) - image(eps, 0)) / (2 * eps)
    cross = mpmath.fsum(p * x / (x + kappa) for x, p in zip(lam, powers, strict=True))
    everywhere = mpmath.fsum(powers) - 2 * cross + squares / m
    train = 0 if ridge == 0 else delta**2 * (image(0, -more) - image(0, more)) / (2 * more) / n
    return kappa, everywhere, train


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("population", [M, 3 * M])
def test_the_derivatives_that_define_it(name: str, population: int) -> None:
    """To rounding: sums of N terms have N eps, and κ what D makes of it."""
    values = SPECTRA[name]
    found = learning_curve(values, V, SIZES, RIDGES, population=population)
    with mpmath.workdps(50):
        for i, ridge in enumerate(RIDGES):
            for j, n in enumerate(SIZES):
                kappa, everywhere, train = slowly(values, V, n, ridge, population)
                at = found.learnability[i, j]
                slope = float((at * (1 - at)).sum())
                allowed = 1e-14 * (1 + n / slope) if ridge == 0 else 1e-12
                assert float(found.kappa[i, j]) == pytest.approx(float(kappa), rel=allowed)
                assert float(found.everywhere[i, j]) == pytest.approx(float(everywhere), rel=20 * allowed)
                assert float(found.train[i, j]) == pytest.approx(float(train), rel=20 * allowed)
                unseen = (population * everywhere - n * train) / (population - n)
                assert float(found.unseen[i, j]) == pytest.approx(float(unseen), rel=20 * allowed)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1e-1])
def test_draws_of_eigenvectors_that_are_free(ridge: float) -> None:
    """N of M points with eigenvectors of Haar measure: mean errors, within 4 standard errors of 60 draws."""
    m, n, draws = 160, 60, 60
    index = torch.arange(1, m + 1, dtype=torch.float64)
    values, v = index**-1.5, torch.stack([index**-0.8, torch.sin(index) / 6], dim=1)
    generator = torch.Generator().manual_seed(3)
    errors = []
    for _ in range(draws):
        normal = torch.randn(m, m, dtype=torch.float64, generator=generator)
        q, r = torch.linalg.qr(normal)
        u = q * r.diagonal().sign()
        k, y = m * (u * values) @ u.mT, m**0.5 * u @ v
        shifted = k[:n, :n] + ridge * torch.eye(n, dtype=torch.float64)
        rest = (y - k[:, :n] @ torch.linalg.solve(shifted, y[:n])).square().sum(dim=1)
        errors.append(torch.stack([rest[n:].mean(), rest[:n].mean(), rest.mean()]))
    drawn = torch.stack(errors)
    mean, error = drawn.mean(dim=0), drawn.std(dim=0) / draws**0.5
    found = learning_curve(values, v, [n], [ridge])
    theory = torch.stack([found.unseen, found.train, found.everywhere])[:, 0, 0]
    assert bool(((theory - mean).abs() <= 4 * error + 1e-20).all()), (theory, mean, error)


@pytest.mark.parametrize("name", SPECTRA)
def test_of_a_distribution_it_is_what_was_published(name: str) -> None:
    """Equations of Simon et al. 2021, and those of M points as M grows, to 1/M."""
    values, noise = SPECTRA[name], 0.3
    found = learning_curve(values, V, SIZES, RIDGES, noise=noise, population=math.inf)
    kappa, at, n = found.kappa, found.learnability, torch.tensor(SIZES, dtype=torch.float64)
    delta = torch.tensor(RIDGES, dtype=torch.float64)[:, None]
    torch.testing.assert_close(at, values / (values + kappa[..., None]), rtol=1e-14, atol=0)
    torch.testing.assert_close(at.sum(dim=2) + delta / kappa, n.expand(4, 4), rtol=1e-13, atol=0)
    e_0 = n / (n - at.square().sum(dim=2))
    test = e_0 * (((1 - at).square() * V.square().sum(dim=1)).sum(dim=2) + 2 * noise)
    torch.testing.assert_close(found.unseen, test, rtol=1e-11, atol=0)
    torch.testing.assert_close(found.everywhere, test, rtol=1e-11, atol=0)
    torch.testing.assert_close(found.train, (delta / (n * kappa)).square() * test, rtol=1e-11, atol=1e-12)
    near = learning_curve(values, V, SIZES, RIDGES, noise=noise, population=10**9)
    # Errors change by N/M times what D makes of it: 10⁻⁶ for the largest, where D is N − ΣL² = .03.
    for a, b in zip(near, found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-12)


def test_learnability_is_shared_out() -> None:
    for values in SPECTRA.values():
        found = learning_curve(values, V, SIZES, RIDGES)
        total = found.learnability.sum(dim=2)
        torch.testing.assert_close(total[0], torch.tensor(SIZES, dtype=torch.float64), rtol=1e-13, atol=0)
        lacking = torch.tensor(RIDGES, dtype=torch.float64)[:, None] / found.kappa * (1 - total / M)
        torch.testing.assert_close(
            total + lacking, torch.tensor(SIZES, dtype=torch.float64).expand(4, 4), rtol=1e-13, atol=0
        )


@pytest.mark.parametrize("unit", [1e-200, 1e-3, 1e200])
def test_units(unit: float) -> None:
    """κ is in those of λ and of δ/M, and errors are in none."""
    values = SPECTRA["powers"]
    once = learning_curve(values, V, SIZES, RIDGES)
    other = learning_curve(unit * values, V, SIZES, [unit * ridge for ridge in RIDGES])
    torch.testing.assert_close(other.kappa / unit, once.kappa, rtol=1e-12, atol=0)
    for name in ("unseen", "train", "everywhere", "learnability"):
        torch.testing.assert_close(getattr(other, name), getattr(once, name), rtol=1e-12, atol=0)


def test_all_points_and_none() -> None:
    """N = M is exact, whatever the eigenvectors: K(K + δ)⁻¹y; what is unseen is then generalised cross-validation."""
    values, power = SPECTRA["powers"], V.square().sum(dim=1)
    found = learning_curve(values, V, [0, M], RIDGES)
    for i, ridge in enumerate(RIDGES):
        left = ridge / (M * values + ridge) if ridge > 0 else 1 / values
        rest = (left.square() * power).sum()
        assert float(found.train[i, 1]) == pytest.approx(float(rest) if ridge > 0 else 0.0, rel=1e-12)
        assert float(found.everywhere[i, 1]) == float(found.train[i, 1])
        assert float(found.unseen[i, 1]) == pytest.approx(float(rest / left.mean() ** 2), rel=1e-12)
        assert float(found.unseen[i, 0]) == float(found.everywhere[i, 0]) == pytest.approx(float(power.sum()))
        trained = ridge / (ridge + float(values.sum()))
        assert float(found.train[i, 0]) == pytest.approx(trained**2 * float(power.sum()), rel=1e-12)
    assert bool(torch.isinf(found.kappa[:, 0]).all())
    torch.testing.assert_close(found.kappa[:, 1], torch.tensor(RIDGES, dtype=torch.float64) / M, rtol=1e-14, atol=0)


@pytest.mark.parametrize("population", [M, 1000, math.inf])
def test_least_squares_on_fewer_components_than_points(population: float) -> None:
    """Rank 10, ridge 0, and a small one; the textbook's s²N/(N − r) for noise alone; inf at N = r."""
    values = torch.where(INDEX <= 10, SPECTRA["powers"], 0.0)
    sizes = [9, 10, 11, 20, 39]
    found = learning_curve(values, V, sizes, [0.0, 1e-13], population=population)
    assert not any(bool(part.isnan().any()) for part in found)
    assert found.kappa[0, 1:].tolist() == [0.0] * 4
    assert found.unseen[0, 1] == math.inf
    assert float(found.unseen[1, 1]) > 1e3
    apart = [0, 2, 3, 4]
    for part in (found.unseen, found.train, found.everywhere, found.learnability):
        torch.testing.assert_close(part[0, apart], part[1, apart], rtol=1e-6, atol=1e-9)
    noise = learning_curve(values, torch.zeros(M, dtype=torch.float64), sizes, noise=0.7, population=population)
    for n, unseen in zip(sizes[2:], noise.unseen[0, 2:].tolist(), strict=True):
        assert unseen == pytest.approx(0.7 * n / (n - 10), rel=1e-12)
    # Nothing beyond the components is nothing left to err by.
    told = torch.where(INDEX <= 10, V[:, 0], 0.0)
    exact = learning_curve(values, told, sizes, population=population)
    assert exact.unseen[0, 1:].tolist() == exact.train[0, 1:].tolist() == [0.0] * 4


def test_roundings_are_no_components() -> None:
    rounded = torch.where(INDEX <= 10, SPECTRA["powers"], 1e-16 * torch.sin(INDEX))
    exact = torch.where(INDEX <= 10, SPECTRA["powers"], 0.0)
    for a, b in zip(learning_curve(rounded, V, SIZES, RIDGES), learning_curve(exact, V, SIZES, RIDGES), strict=True):
        assert torch.equal(a, b)


def test_a_kernel_that_is_zero() -> None:
    found = learning_curve(torch.zeros(M, dtype=torch.float64), V, [0, 1, M], [0.0, 0.1])
    power = V.square().sum().expand(2, 3)
    for part in (found.unseen, found.train, found.everywhere):
        torch.testing.assert_close(part, power, rtol=1e-14, atol=0)
    assert bool((found.learnability == 0).all())


def test_noise_is_a_part_of_every_component() -> None:
    """Targets with noise are targets, of |v|² + ks²/M on average; errors are linear in |v|²."""
    values = SPECTRA["powers"]
    power = V.square().sum(dim=1)
    noisy = learning_curve(values, V, SIZES, RIDGES, noise=0.4)
    told = learning_curve(values, (power + 2 * 0.4 / M).sqrt(), SIZES, RIDGES)
    for a, b in zip(noisy, told, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=0)


def test_on_a_device(device: str) -> None:
    found = learning_curve(SPECTRA["powers"].to(device), V.to(device), SIZES, RIDGES)
    for a, b in zip(found, learning_curve(SPECTRA["powers"], V, SIZES, RIDGES), strict=True):
        assert a.device.type == device
        torch.testing.assert_close(a.cpu(), b, rtol=1e-12, atol=0)


BAD = [
    ({"sizes": [-1]}, "from 0 to 40"),
    ({"sizes": [41]}, "from 0 to 40"),
    ({"sizes": []}, "at least"),
    ({"ridges": [-1.0]}, "ridges"),
    ({"ridges": [math.inf]}, "ridges"),
    ({"noise": -1.0}, "noise"),
    ({"population": 39}, "population"),
    ({"population": 40.5}, "population"),
    ({"population": math.nan}, "population"),
    ({"coefficients": V[1:]}, "coefficients"),
    ({"coefficients": V * math.nan}, "finite"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_what_is_refused(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"eigenvalues": SPECTRA["powers"], "coefficients": V, "sizes": [1], **change}
    with pytest.raises(ValueError, match=message):
        learning_curve(**given)  # type: ignore[arg-type]


@pytest.mark.slow
def test_real_digits(digits: dict[str, torch.Tensor], reference_data: Path) -> None:
    """Within 6 % of the mean of draws of N of 3000 digits, on those that were not drawn; ±1 for digits of 5 and more.

    What the draws' mean errs by is part of it: 1 % where it is most.
    """
    m, sizes, ridges = 3000, [20, 50, 100, 200, 500, 1000], [0.0, 0.01, 0.1]
    x, labels = digits["train"][:m], torch.from_numpy(np.load(reference_data / "mnist_train10k.npz")["y"][:m]).long()
    signs = torch.where(labels >= 5, 1.0, -1.0).double()[:, None]
    hot = torch.nn.functional.one_hot(labels, 10).double()
    k = infinite.kernel(mlp(4, "relu", beta=0.1), x).ntk
    found = spectrum.eigh(k)
    assert found.eigenvectors is not None
    curves = [
        learning_curve(found.eigenvalues, found.eigenvectors.mT @ y / m**0.5, sizes, ridges) for y in (signs, hot)
    ]
    generator = torch.Generator().manual_seed(0)
    for j, n in enumerate(sizes):
        draws = [drawn(k, signs, hot, n, ridges, generator) for _ in range(max(10, 2000 // n))]
        mean = torch.stack(draws).mean(dim=0)
        theory = torch.stack([curve.unseen[:, j] for curve in curves], dim=1)
        torch.testing.assert_close(theory, mean, rtol=0.06, atol=0)


def drawn(
    k: torch.Tensor, signs: torch.Tensor, hot: torch.Tensor, n: int, ridges: list[float], generator: torch.Generator
) -> torch.Tensor:
    """Errors on points that were not drawn, of signs and of digits, for every ridge (3×2)."""
    order = torch.randperm(len(k), generator=generator)
    seen, unseen = order[:n], order[n:]
    y = torch.cat([signs, hot], dim=1)
    values, basis = torch.linalg.eigh(k[seen][:, seen])
    image, c = k[unseen][:, seen] @ basis, basis.mT @ y[seen]
    rests = [(image @ (c / (values + ridge)[:, None]) - y[unseen]).square().mean(dim=0) for ridge in ridges]
    return torch.stack([torch.stack([rest[0], rest[1:].sum()]) for rest in rests])
