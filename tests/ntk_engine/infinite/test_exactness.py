"""Every entry against the printed recursion at 50 digits."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_engine import infinite
from ntk_engine.activations import parse
from ntk_engine.architecture import mlp
from tests.ntk_engine.infinite import textbook
from tests.ntk_engine.infinite.pairs import Pair, at_norm, excess, mixed, stacked

DEPTHS = (1, 2, 3, 5, 10, 20)
# A value whose terms cancel is held to 45 units of the last digit of their scale: 20 layers, two roundings each.
ROUNDING = {torch.float64: 1e-14, torch.float32: 5.4e-6}
RELATIVE = {torch.float64: 1e-12, torch.float32: 1e-5}


def assert_exact(
    pairs: list[Pair],
    activation: str,
    beta: float,
    sigma_w: float,
    depths: tuple[int, ...],
    dtype: torch.dtype,
    device: str,
) -> None:
    left, right = stacked(pairs, dtype, device)
    exact = [
        textbook.layers(activation, max(depths), beta, sigma_w, x, y)
        for x, y in zip(left.double().tolist(), right.double().tolist(), strict=True)
    ]
    for depth in depths:
        k = infinite.kernel(mlp(depth, activation, beta, sigma_w), left, right)
        for pair, layers, nngp, ntk in zip(pairs, exact, k.nngp.diagonal(), k.ntk.diagonal(), strict=True):
            sigma, theta, sigma_scale, theta_scale = layers[depth - 1]
            for name, value, true, scale in (("nngp", nngp, sigma, sigma_scale), ("ntk", ntk, theta, theta_scale)):
                over = excess(value.item(), true, scale, RELATIVE[dtype], ROUNDING[dtype])
                assert over <= 1, (
                    f"{name} of {pair[0]} at depth {depth}: {value.item()!r}, not {true}: {over:.3g} bounds"
                )


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("sigma_w", [0.5, 1.0, math.sqrt(2), 3.0])
@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0])
def test_every_kind_of_pair_is_exact(activation: str, beta: float, sigma_w: float, device: str) -> None:
    assert_exact(list(at_norm(1.0)), activation, beta, sigma_w, DEPTHS, torch.float64, device)


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("norm", [1e-6, 1e-3, 1e3, 1e6])
def test_norms_do_not_matter(activation: str, norm: float, device: str) -> None:
    for beta, sigma_w in ((0.0, 3.0), (0.1, 1.0)):
        assert_exact(list(at_norm(norm)), activation, beta, sigma_w, (1, 2, 4, 12), torch.float64, device)


@pytest.mark.parametrize(
    ("activation", "sigma_w", "depth"), [("relu", 300.0, 20), ("erf", 4.0, 20), ("erf", 100.0, 20)]
)
def test_large_gains_are_exact(activation: str, sigma_w: float, depth: int, device: str) -> None:
    for beta in (0.0, 0.1):
        assert_exact(list(at_norm(1.0)), activation, beta, sigma_w, (2, depth), torch.float64, device)


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_extreme_and_mixed_norms_are_exact(activation: str, beta: float, device: str) -> None:
    norms = [(1e-100, 1e100), (1e-6, 1e6), (1.0, 1e100), (1e-100, 1.0), (1.0, 50.0)]
    pairs = [*itertools.chain.from_iterable(mixed(*two) for two in norms)]
    pairs += [pair for norm in (1e-100, 1e100) for pair in at_norm(norm) if not pair[0].startswith("angle 1e-0")]
    assert_exact(pairs, activation, beta, 1.0, (1, 2, 5), torch.float64, device)


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_float32_is_exact_to_its_own_digits(activation: str, beta: float, device: str) -> None:
    pairs = [*at_norm(1.0), *at_norm(1e-3), *at_norm(1e3), *mixed(1e-6, 1e6)]
    assert_exact(pairs, activation, beta, 1.0, (1, 2, 3, 8, 13), torch.float32, device)


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-6, 1e-8])
def test_antipodes_keep_their_relative_accuracy(angle: float, device: str) -> None:
    """At β = 0 and L = 2, Σ ~ ψ³ and Θ ~ ψ for ψ = π − φ, far below the rounding of their scale."""
    pairs: list[Pair] = [(name, x, -(x + angle * y)) for name, x, y in at_norm(1.0) if name == "random"]
    left, right = stacked(pairs, torch.float64, device)
    sigma, theta, *_ = textbook.layers("relu", 2, 0.0, 1.0, left[0].tolist(), right[0].tolist())[1]
    k = infinite.kernel(mlp(2, "relu", 0.0), left, right)
    assert k.nngp.item() == pytest.approx(float(sigma), rel=1e-12, abs=0)
    assert k.ntk.item() == pytest.approx(float(theta), rel=1e-12, abs=0)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_ten_thousand_layers_are_exact(beta: float) -> None:
    pairs = [pair for pair in at_norm(1.0) if pair[0] in ("random", "angle 1e-05")]
    assert_exact(pairs, "relu", beta, math.sqrt(2), (10_000,), torch.float64, "cpu")


entries = st.floats(-1e3, 1e3).map(lambda x: 0.0 if abs(x) < 1e-6 else x)


@settings(max_examples=60, deadline=None)
@given(
    x=st.lists(entries, min_size=3, max_size=3),
    y=st.lists(entries, min_size=3, max_size=3),
    nearness=st.sampled_from([1.0, 0.0, 1e-4, 1e-8, 1e-12]),
    sign=st.sampled_from([1.0, -1.0]),
    activation=st.sampled_from(["relu", "erf"]),
    depth=st.integers(1, 6),
    beta=st.sampled_from([0.0, 1e-3, 0.1, 2.0]),
    sigma_w=st.floats(0.3, 5.0),
)
def test_any_pair_is_exact(
    x: list[float],
    y: list[float],
    nearness: float,
    sign: float,
    activation: str,
    depth: int,
    beta: float,
    sigma_w: float,
) -> None:
    other = y if nearness == 1.0 else [sign * (a + nearness * b) for a, b in zip(x, y, strict=True)]
    pair = ("drawn", torch.tensor(x, dtype=torch.float64).numpy(), torch.tensor(other, dtype=torch.float64).numpy())
    assert_exact([pair], activation, beta, sigma_w, (depth,), torch.float64, "cpu")


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize(
    "activation",
    [
        {"type": "monomial", "degree": 3},
        {"type": "rectified_power", "power": 3},
        {"type": "polynomial", "coefficients": [0.0, 1.0, 0.0, 1.0]},
        {"type": "hermite", "degree": 3},
    ],
    ids=str,
)
def test_what_overflows_leaves_rows_of_zeros_alone(activation: dict[str, object], beta: float, device: str) -> None:
    """Without a bias kernels of a row of zeros are 0, also with a row whose own kernel is no double; others are inf."""
    arch = mlp(4, parse(activation), beta)
    x = torch.tensor([[0.0, 0.0], [1e90, 2e90], [1e-3, 2e-3]], dtype=torch.float64, device=device)
    k, diagonal = infinite.kernel(arch, x), infinite.diagonal(arch, x)
    for name, array in k.arrays.items():
        assert bool(array[1, 1:].isinf().all())
        assert abs(array[0, 1].item()) == (0.0 if beta == 0.0 else math.inf)
        assert bool(array[[0, 2]][:, [0, 2]].isfinite().all())
        assert diagonal.arrays[name][1] == math.inf
        assert torch.equal(array[[0, 2]][:, [0, 2]], infinite.kernel(arch, x[[0, 2]]).arrays[name])


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("activation", ["exp", {"type": "monomial", "degree": 3}, "erf"], ids=str)
def test_nothing_is_no_number_beside_what_overflows(activation: object, beta: float, device: str) -> None:
    """Of orthogonal inputs an odd network without biases has kernels 0; whatever else overflows is inf."""
    arch = mlp(3, parse(activation), beta)
    x = torch.tensor([[1e110, 0.0], [0.0, 1e120], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64, device=device)
    k = infinite.kernel(arch, x)
    for array in k.arrays.values():
        assert not bool(array.isnan().any())
        if activation == "exp" or (activation != "erf" and beta > 0.0):
            assert bool(array[:2].isinf().all())
        elif beta == 0.0:
            assert bool((array[0, 1:] == 0.0).all())
        assert torch.equal(array[2:, 2:], infinite.kernel(arch, x[2:]).arrays["nngp" if array is k.nngp else "ntk"])


@pytest.mark.parametrize(("dtype", "power"), [(torch.float64, 1022), (torch.float32, 126)])
@pytest.mark.parametrize("activation", ["step", "sign", "relu"])
def test_the_largest_inputs(activation: str, dtype: torch.dtype, power: int, device: str) -> None:
    """Homogeneous networks without biases: powers of two come out of them."""
    arch = mlp(3, activation, 0.0)
    x = torch.tensor([[1.0, 1.9], [0.3, -1.0], [1.9, 1.9]], dtype=dtype, device=device)
    factor = 1.0 if activation != "relu" else 2.0**power
    for name, array in infinite.kernel(arch, x * 2.0**power, x).arrays.items():
        exact = infinite.kernel(arch, x, x.clone()).arrays[name] * factor
        torch.testing.assert_close(array, exact, rtol=4.0 * torch.finfo(dtype).eps, atol=0.0)


@pytest.mark.parametrize("norm", [1e149, 1e150, 1e151])
@pytest.mark.parametrize("b", [1.0, 30.0])
def test_the_largest_waves_and_bumps(b: float, norm: float, device: str) -> None:
    """Q = b²q beyond all decay: Θ² = b²q/2 + 1/2 of sin, and Σ² = 1/√(4b²q) of e^{−b²z²}."""
    x = torch.tensor([[norm]], dtype=torch.float64, device=device)
    of_sin = infinite.kernel(mlp(2, parse({"type": "sin", "b": b}), 0.0), x)
    assert of_sin.ntk.item() == pytest.approx(b * norm * (b * norm) / 2.0, rel=1e-12)
    bump = infinite.kernel(mlp(2, parse({"type": "gaussian", "b": -b * b}), 0.0), x)
    assert bump.nngp.item() == pytest.approx(0.5 / (b * norm), rel=1e-12, abs=0)
