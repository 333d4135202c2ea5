"""Products and spectra of kernels that are computed tile by tile, against whole matrices."""

import itertools
import subprocess
import sys
from math import pi

import pytest
import torch

from ntk_engine import infinite, spectrum
from ntk_engine.architecture import Architecture, mlp, parse
from ntk_engine.infinite import blocks
from ntk_engine.spectrum import product

EPS = torch.finfo(torch.float64).eps
BRANCHES = parse(["dense", {"type": "residual", "layers": ["relu", "dense"]}, "erf", "dense"])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("arch", [mlp(3), mlp(4, "erf", 0.3), mlp(2, "tanh"), BRANCHES], ids=str)
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
@pytest.mark.parametrize("n", [1, 37, 400])
def test_a_product_is_that_with_the_matrix(arch: Architecture, kernel: str, n: int, device: str) -> None:
    x, v = draw(n, 6).to(device), draw(n, 5, seed=1).to(device)
    k = infinite.kernel(arch, x).arrays[kernel]
    found = product(arch, x, kernel=kernel, budget=2**24)(v)
    # Entries of tiles of other shapes differ by 1e-13 of √(K(x,x)K(x',x')) at most, sums of n terms by n eps of them.
    size = k.diagonal().sqrt()
    scale = size[:, None] * (size @ v.abs())
    assert bool(((found - k @ v).abs() <= (1e-13 + n * EPS) * scale).all())


def test_neither_threads_nor_calls_change_a_bit() -> None:
    x, v = draw(700, 6), draw(700, 5, seed=1)
    alone = product(mlp(3), x, budget=2**22)
    once = alone(v)
    assert torch.equal(alone(v), once)
    for threads in (2, 3):
        assert torch.equal(product(mlp(3), x, budget=threads * 2**22, threads=threads)(v), once)


@pytest.mark.parametrize("ends", [(0, 400), (0, 1, 400), (0, 130, 131, 399, 400)])
def test_parts_of_a_product_add_up(ends: tuple[int, ...]) -> None:
    x, v = draw(400, 6), draw(400, 5, seed=1)
    times = product(mlp(3), x, budget=2**22)
    parts = [times(v, slice(first, end)) for first, end in itertools.pairwise(ends)]
    # Only sums come in another order.
    k = infinite.kernel(mlp(3), x).ntk
    torch.testing.assert_close(sum(parts), times(v), rtol=0, atol=400 * EPS * float((k.abs() @ v.abs()).max()))
    if len(ends) > 3:
        upper = torch.triu(k)[ends[1] : ends[2]]
        alone = torch.zeros_like(v)
        alone[ends[1] : ends[2]] = upper @ v
        alone += (torch.triu(k, 1)[ends[1] : ends[2]]).mT @ v[ends[1] : ends[2]]
        torch.testing.assert_close(parts[1], alone, rtol=0, atol=400 * EPS * float((k.abs() @ v.abs()).max()))


def test_inputs_may_be_float32_and_vectors_not() -> None:
    x, v = draw(100, 6).float(), draw(100, 3)
    found = product(mlp(3), x)(v)
    assert found.dtype == torch.float64
    k = infinite.kernel(mlp(3), x.double()).ntk
    torch.testing.assert_close(found, k @ v, rtol=0, atol=1e-5 * float((k @ v.abs()).max()))


def test_the_top_agrees_with_the_full_decomposition_to_its_residuals(device: str) -> None:
    x = draw(900, 10).to(device)
    full = spectrum.eigh(infinite.kernel(mlp(3), x).ntk)
    found = spectrum.top(product(mlp(3), x, budget=2**24), 900, 20, device=device)
    apart = (found.eigenvalues - full.eigenvalues[:20]).abs()
    assert bool((apart <= found.residuals + full.residuals[:20] + found.rounding).all())
    assert found.orthogonality < 900 * EPS
    assert found.clusters == full.clusters[:20]
    # An angle is residual over gap, and 1e-12 λ_1 is what residuals may be.
    gaps = (full.eigenvalues[:20] - full.eigenvalues[1:21]).min() / full.eigenvalues[0]
    torch.testing.assert_close(found.eigenvectors, full.eigenvectors[:, :20], rtol=0, atol=4e-12 / float(gaps))


def test_the_circle_of_4096_points() -> None:
    """Eigenvalues (k²+3)/(2π²(k²−1)²) for even k, 1/8 for k = 1: within 1e-7, all but the first twice."""
    angles = torch.arange(4096, dtype=torch.float64) * (2 * pi / 4096)
    x = torch.stack([angles.cos(), angles.sin()], dim=1)
    even = [(k * k + 3) / (2 * pi**2 * (k * k - 1) ** 2) for k in range(0, 20, 2)]
    exact = sorted([even[0], *(2 * even[1:]), 0.125, 0.125], reverse=True)
    found = spectrum.top(product(mlp(2, beta=0.0), x), 4096, len(exact))
    assert found.eigenvalues.tolist() == pytest.approx(exact, abs=1e-7)
    # The constant lies between the frequencies 1 and 2, and every other space has two dimensions.
    sizes = [group.stop - group.start for group in found.clusters]
    assert sorted(sizes) == [1] + [2] * (len(exact) // 2)


MEASURE = """
import resource, torch
from ntk_engine import spectrum
from ntk_engine.architecture import mlp
torch.set_num_threads(1)
x = torch.randn(8192, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
spectrum.product(mlp(2), x[:600])(x[:600])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
spectrum.product(mlp(2), x)(x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is in KiB on Linux only")
def test_the_matrix_is_never_held() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True)
    # The matrix has 512 MiB; x, its copy and what layers keep of rows have a few, and so have tiles of one mebibyte.
    assert int(done.stdout) < 64 * 1024


def test_a_smaller_budget_makes_smaller_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def watched(n1: int, n2: int, size: int, **options: int) -> object:
        seen.append(size * options["width"])
        return blocks(n1, n2, size, **options)

    monkeypatch.setattr(sys.modules["ntk_engine.spectrum.streamed"], "blocks", watched)
    for budget in (2**20, 2**22, 2**40):
        product(mlp(2), draw(512, 3), budget=budget)(draw(512, 1))
    assert [pairs * 8 * 48 <= budget for pairs, budget in zip(seen, (2**20, 2**22, 2**40), strict=True)] == [True] * 3
    assert seen[0] < seen[1] < seen[2] == 256 * 512


def test_what_is_no_product_is_refused() -> None:
    x = draw(5, 3)
    with pytest.raises(ValueError, match="ntk"):
        product(mlp(2), x, kernel="rbf")
    with pytest.raises(ValueError, match="more than the budget"):
        product(mlp(2), x, budget=767)
    with pytest.raises(ValueError, match="x"):
        product(mlp(2), draw(5))
