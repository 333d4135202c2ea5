"""Normal vectors tell how large a matrix can be where an iteration has not looked."""

import math

import pytest
import torch

from ntk_engine import spectrum
from ntk_engine.spectrum import Iteration, Spectrum, probe
from tests.ntk_engine.spectrum.exact import draw

N, WIDTH = 300, 20
PLACES = torch.arange(1, N + 1, dtype=torch.float64)
SPECTRA = {
    "flat": PLACES**0,
    "slow": PLACES**-0.5,
    "steep": 2.0**-PLACES,
    "one": torch.eye(N, dtype=torch.float64)[0],
    "a negative one": torch.cat([-3 * PLACES[:1] ** 0, 0.9 ** PLACES[1:]]),
    "tiny": 1e-12 / PLACES,
}


def with_values(values: torch.Tensor) -> torch.Tensor:
    basis = torch.linalg.qr(draw(N, N, seed=4)).Q
    found = (basis * values) @ basis.mT
    return (found + found.mT) / 2


@pytest.mark.parametrize("name", SPECTRA)
def test_it_is_above_the_largest_eigenvalue_and_not_far(name: str, device: str) -> None:
    a, values = with_values(SPECTRA[name]).to(device), SPECTRA[name]
    y, rounding = probe.normal(N, WIDTH, a), N * 2.0**-52
    first, length = probe.begun(y, rounding), float(torch.linalg.matrix_norm(y, 2))
    seen = first
    for _ in range(probe.PASSES):
        image = a @ y
        seen, y = seen.after(y, image, rounding * float(values.abs().max())), image
        # ‖C^j G‖ ≤ ‖C‖^j ‖G‖, and what roundings add.
        size = float(values.abs().max()) * (length / first.least) ** (1 / seen.passes)
        assert float(values.max()) <= seen.rest <= size * (1 + 1e-9)
    assert seen.passes == probe.PASSES


def test_an_eigenvalue_that_was_missed_is_seen() -> None:
    """A basis without the second eigenvector: its eigenvalue is beneath, and the ceiling is above it."""
    values = PLACES**-1.0
    a = with_values(values)
    vectors = torch.linalg.eigh(a).eigenvectors.flip(1)
    basis = torch.cat([vectors[:, :1], vectors[:, 2 : 2 + WIDTH]], dim=1)
    begun = Iteration.begun(N, 1, probed=True)
    before, block = basis[:, :-1], basis[:, -1:]
    found = Iteration(1, begun.tolerance, block, before, a @ before, 1.0, 1, probed=True).after(a @ block)
    assert isinstance(found, Iteration)
    while isinstance(found, Iteration):
        assert found.probe is not None
        found = found.after(a @ found.block)
    assert found.beneath is not None
    assert float(values[1]) / N <= found.beneath.ceiling <= 4 * float(values[1]) / N


def test_all_vectors_of_a_top_are_certain(device: str) -> None:
    """On a slow spectrum, whose tail is long; without a probe none is."""
    values = PLACES**-0.7
    k = (N * with_values(values)).to(device)
    count = 30

    def errors(found: Spectrum) -> torch.Tensor:
        assert found.residuals is not None
        certain = spectrum.certain_of_top(found)
        return spectrum.vector_errors(found, certain, found.residuals + found.rounding)

    passes: list[int] = []

    def product(v: torch.Tensor) -> torch.Tensor:
        passes.append(v.shape[1])
        return k @ v

    asked = {"dtype": torch.float64, "device": device}
    plain = spectrum.top(product, N, count, **asked)
    before = len(passes)
    found = spectrum.top(product, N, count, **asked, probed=True)
    assert len(passes) == 2 * before + probe.PASSES
    assert torch.equal(plain.eigenvalues, found.eigenvalues)
    assert not bool(errors(plain).isfinite().any())
    other = spectrum.eigh(k)
    apart = torch.linalg.vector_norm(found.eigenvectors - other.eigenvectors[:, :count], dim=0)
    bounds = errors(found)
    assert bool((apart <= bounds + 1e-11).all())
    # Residuals of 1e-12 over gaps between (i + 1)^(−.7) and i^(−.7).
    gaps = values[count - 1] - values[count]
    assert float(bounds.max()) <= 1e-11 / float(gaps)


def test_the_last_pass_allowed_is_the_last() -> None:
    values = PLACES**-0.7
    k, passes = N * with_values(values), []

    def product(v: torch.Tensor) -> torch.Tensor:
        passes.append(None)
        return k @ v

    spectrum.top(product, N, 30)
    needed = len(passes)
    for more in range(probe.PASSES + 1):
        passes.clear()
        found = spectrum.top(product, N, 30, max_passes=needed + more, probed=True)
        assert len(passes) == needed + more
        assert found.beneath is not None
        assert (found.beneath.rest < math.inf) == (more > 0)
