"""Whole matrices and their blocks: symmetric, the same however they are cut, and right at the edges of the input."""

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.architecture import Mlp, mlp
from tests.ntk_engine.infinite.textbook import layers

EPS = torch.finfo(torch.float64).eps
# A matrix product sums in an order that depends on its block's shape, so two cuts of one matrix differ by rounding:
# by 2(d + 3) = 20 eps in ρ for d = 7, and by some 5 eps of √(K(x,x) K(x',x')) at each of the four layers.
ROUNDING = 40 * EPS


def inputs(n: int = 90, d: int = 7, device: str = "cpu") -> torch.Tensor:
    """Random rows with duplicates, opposites, multiples, near-duplicates and a zero row among them."""
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x[n // 2], x[n // 2 + 1], x[n // 2 + 2], x[n - 1] = x[1], -x[2], 3 * x[3], 0
    x[n // 2 + 3] = x[4] + 1e-8 * x[5]
    return x.to(device)


@pytest.fixture(params=["relu", "erf"])
def arch(request: pytest.FixtureRequest) -> Mlp:
    return mlp(4, request.param)


def assert_close(a: torch.Tensor, b: torch.Tensor, scale: torch.Tensor, bound: float = ROUNDING) -> None:
    assert bool(((a - b).abs() <= bound * scale).all()), ((a - b).abs() / scale).max()


def scales(arch: Mlp, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """√(K(x,x) K(x',x')) for both kernels."""
    k = infinite.diagonal(arch, x)
    return k.nngp.sqrt().outer(k.nngp.sqrt()), k.ntk.sqrt().outer(k.ntk.sqrt())


def test_a_gram_matrix_is_symmetric_to_the_last_bit(arch: Mlp, device: str) -> None:
    k = infinite.kernel(arch, inputs(device=device), block=32)
    assert torch.equal(k.nngp, k.nngp.mT)
    assert torch.equal(k.ntk, k.ntk.mT)


def test_a_gram_matrix_is_the_cross_matrix_of_x_with_itself(arch: Mlp, device: str) -> None:
    x = inputs(device=device)
    gram, cross, (nngp, ntk) = infinite.kernel(arch, x), infinite.kernel(arch, x, x), scales(arch, x)
    assert_close(gram.nngp, cross.nngp, nngp)
    assert_close(gram.ntk, cross.ntk, ntk)


@pytest.mark.parametrize("block", [7, 32, 64, 1000])
def test_the_cut_into_blocks_changes_nothing_but_rounding(arch: Mlp, block: int, device: str) -> None:
    x = inputs(device=device)
    whole, cut, (nngp, ntk) = infinite.kernel(arch, x), infinite.kernel(arch, x, block=block), scales(arch, x)
    assert_close(whole.nngp, cut.nngp, nngp)
    assert_close(whole.ntk, cut.ntk, ntk)


def test_the_same_tile_has_the_same_bits_every_time(arch: Mlp, device: str) -> None:
    x = inputs(device=device)
    k = infinite.kernel(arch, x, block=32)
    rows = infinite.rows(x.clone())
    again = infinite.tile(arch, rows, rows, infinite.Block(slice(32, 64), slice(64, 90)))
    assert torch.equal(again.ntk, k.ntk[32:64, 64:90])
    first = infinite.tile(arch, rows, rows, infinite.Block(slice(0, 32), slice(0, 32), diagonal=True))
    assert torch.equal(first.nngp, k.nngp[:32, :32])


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(arch: Mlp, threads: int, device: str) -> None:
    x = inputs(device=device)
    one, several = infinite.kernel(arch, x, block=32), infinite.kernel(arch, x, block=32, threads=threads)
    assert torch.equal(one.ntk, several.ntk)
    assert torch.equal(one.nngp, several.nngp)


def test_the_diagonal_is_that_of_the_matrix(arch: Mlp, device: str) -> None:
    x = inputs(device=device)
    k, diagonal = infinite.kernel(arch, x), infinite.diagonal(arch, x)
    # Compiled and not: two computations, and a rounding for each of four layers.
    torch.testing.assert_close(k.ntk.diagonal(), diagonal.ntk, rtol=8 * EPS, atol=0)
    torch.testing.assert_close(k.nngp.diagonal(), diagonal.nngp, rtol=8 * EPS, atol=0)


def test_equal_rows_have_equal_kernels_and_correlation_one(arch: Mlp, device: str) -> None:
    x = inputs(device=device)
    k = infinite.kernel(arch, x)
    torch.testing.assert_close(k.ntk[1, 45], k.ntk[1, 1], rtol=4 * EPS, atol=0)
    torch.testing.assert_close(k.ntk[1], k.ntk[45], rtol=1e-12, atol=ROUNDING * float(k.ntk.max()))


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_zero_row_without_bias_is_zero(activation: str, device: str) -> None:
    x = inputs(device=device)
    k = infinite.kernel(mlp(3, activation, beta=0.0), x)
    assert not k.ntk[-1].any()
    assert not k.nngp[:, -1].any()
    assert k.ntk.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_kernel_alone_is_the_same_kernel(arch: Mlp, dtype: torch.dtype, device: str) -> None:
    x = inputs(device=device).to(dtype)
    both = infinite.kernel(arch, x)
    for name in infinite.KERNELS:
        alone = infinite.kernel(arch, x, kernels=(name,))
        assert list(alone.arrays) == [name]
        assert alone.arrays[name].dtype == dtype
        assert torch.equal(alone.arrays[name], both.arrays[name])


def test_inputs_are_left_as_they_were(arch: Mlp) -> None:
    x = inputs()
    before = x.clone()
    infinite.kernel(arch, x)
    assert torch.equal(x, before)


def test_many_near_duplicates_in_many_columns(device: str) -> None:
    """Every pair needs its angle from differences, and they are more pairs than one chunk holds."""
    base = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = torch.randn(120, 3000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = (base + 1e-9 * noise).to(device)
    k = infinite.kernel(mlp(3, beta=0.0), x)
    for i, j in ((0, 1), (50, 3), (100, 119)):
        sigma, theta, *_ = layers("relu", 3, 0.0, 1.0, x[i].tolist(), x[j].tolist())[-1]
        assert k.nngp[i, j].item() == pytest.approx(float(sigma), rel=1e-12)
        assert k.ntk[i, j].item() == pytest.approx(float(theta), rel=1e-12)


def test_a_depth_of_ten_thousand_neither_overflows_nor_underflows(device: str) -> None:
    x = torch.eye(2, dtype=torch.float64, device=device)
    for activation in ("relu", "erf"):
        k = infinite.kernel(mlp(10_000, activation, beta=0.0), x)
        assert k.ntk.isfinite().all()
        assert k.nngp.isfinite().all()


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(3, dtype=torch.float64),
        torch.zeros(2, 2, 2, dtype=torch.float64),
        torch.zeros(0, 2, dtype=torch.float64),
        torch.zeros(2, 0, dtype=torch.float64),
        torch.zeros(2, 2, dtype=torch.int64),
        torch.zeros(2, 2, dtype=torch.float16),
        torch.tensor([[float("nan"), 1.0]], dtype=torch.float64),
        torch.tensor([[float("inf"), 1.0]], dtype=torch.float64),
    ],
)
def test_inputs_that_are_none_are_refused(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="inputs must be"):
        infinite.kernel(mlp(2), x)


def test_two_sets_must_agree() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    for other in (torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float32)):
        with pytest.raises(ValueError, match="same number of columns"):
            infinite.kernel(mlp(2), x, other)


def test_inputs_to_differentiate_are_sent_where_they_belong() -> None:
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    for pair in ((x, None), (x.detach(), x)):
        with pytest.raises(ValueError, match="`differentiable`"):
            infinite.kernel(mlp(2), *pair)
    with torch.no_grad():
        assert not infinite.kernel(mlp(2), x).ntk.requires_grad
