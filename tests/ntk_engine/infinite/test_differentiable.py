"""Derivatives of kernels: against differences of the printed recursion at 50 digits, and against differences of their
own values; finite wherever inputs are."""

from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ntk_engine import architecture, infinite
from ntk_engine.activations import ACTIVATIONS, parse
from ntk_engine.activations.numeric import Numeric
from ntk_engine.architecture import ArchitectureError, Mlp, mlp
from tests.ntk_engine.infinite import textbook
from tests.ntk_engine.infinite.pairs import Pair, at_norm

EPS = torch.finfo(torch.float64).eps
STEP = mpf(10) ** -18
MANY: list[Any] = ["relu", "erf", "gelu", "abs", {"type": "polynomial", "coefficients": [0.2, 1.0, -0.5, 0.3]}]
MANY += [{"type": "rectified_power", "power": power} for power in (2, 3)]
NUMERIC: list[Any] = [name for name, family in ACTIVATIONS.items() if issubclass(family, Numeric)]
FORMULAS: list[Any] = [name for name in ACTIVATIONS if name not in NUMERIC]
# Those for which tables are made.
TABLED = ("softsign", "elu", "selu")
GIVEN = {"expression": {"type": "expression", "expression": "z * sigmoid(2 * z)"}}


@pytest.fixture(autouse=True)
def evaluation() -> str:
    """Once: what is differentiated is evaluated in one way."""
    return "compiled"


def numbers(beta: float, sigma_w: float) -> dict[str, Tensor]:
    return {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in (("beta", beta), ("sigma_w", sigma_w))
    }


def leaf(x: Any) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float64).clone().requires_grad_()


def inputs(n: int = 9) -> Tensor:
    """Random rows, a duplicate, antipodes, near-duplicates, orthogonal rows, a multiple, and a row of zeros."""
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x[0, 2:] = 0.0
    special = [x[1], -x[1], x[2] + 1e-7 * x[3], -x[2] + 1e-7 * x[3], x[0, [1, 0, 2, 3]] * torch.tensor([-1, 1, 0, 0])]
    return torch.cat([x, torch.stack([*special, 1.5 * x[4], 0 * x[0]])])


def scales(arch: Any, x: Tensor) -> dict[str, Tensor]:
    """√(K(x,x) K(x',x')) of both kernels."""
    return {name: array.sqrt().outer(array.sqrt()) for name, array in infinite.diagonal(arch, x).arrays.items()}


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("activation", MANY, ids=str)
def test_values_are_those_of_the_kernel(activation: Any, beta: float, device: str) -> None:
    x = inputs().to(device)
    for depth in (1, 2, 5):
        arch = mlp(depth, activation, beta)
        exact, scale = infinite.kernel(arch, x), scales(arch, x)
        cross = infinite.kernel(arch, x, x[:3])
        found = infinite.differentiable(arch, x.clone().requires_grad_(), numbers=numbers(beta, 1.0))
        other = infinite.differentiable(arch, x, x[:3].clone().requires_grad_())
        for name in infinite.KERNELS:
            assert ((found.arrays[name] - exact.arrays[name]).abs() <= 1e-13 * scale[name]).all()
            assert ((other.arrays[name] - cross.arrays[name]).abs() <= 1e-13 * scale[name][:, :3]).all()


def special_pairs() -> list[Pair]:
    orthogonal = ("orthogonal", np.array([0.3, 0.0, 0.0, 0.4, 0.0]), np.array([0.0, 0.5, 0.2, 0.0, -0.7]))
    return [*at_norm(1.0), orthogonal]


@cache
def differences(activation: str, depth: int, beta: float, sigma_w: float, name: str) -> tuple[list[mpf], list[mpf]]:
    """The derivatives of Σ^L and Θ^L of a pair in x, y, β and σ_w, as differences to both sides."""
    ((_, x, y),) = (pair for pair in special_pairs() if pair[0] == name)
    d, found = len(x), []
    point = [mpf(number) for number in (*x.tolist(), *y.tolist(), beta, sigma_w)]
    for i in range(len(point)):
        ends = []
        for step in (STEP, -STEP):
            with mpmath.workdps(50):
                p = [*point[:i], point[i] + step, *point[i + 1 :]]
            *_, last = textbook.layers(activation, depth, p[-2], p[-1], p[:d], p[d : 2 * d])
            ends.append(last[:2])
        with mpmath.workdps(50):
            found.append([(above - below) / (2 * STEP) for above, below in zip(*ends, strict=True)])
    return [pair[0] for pair in found], [pair[1] for pair in found]


def angle_and_distance(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The sine of a pair's angle, and the distance of the pair in units of a norm."""
    with mpmath.workdps(50):
        a, b = (mpmath.matrix(z.tolist()) for z in (x, y))
        square = mpmath.fdot(a, a) * mpmath.fdot(b, b)
        sine = mpmath.sqrt(1 - mpmath.fdot(a, b) ** 2 / square) if square else mpf(1)
        return float(sine), float(mpmath.norm(a - b) / mpmath.norm(a)) if square else 1.0


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize(("beta", "sigma_w"), [(0.1, 1.0), (0.0, 1.4)])
def test_derivatives_are_those_of_the_printed_recursion(
    activation: str, depth: int, beta: float, sigma_w: float, device: str
) -> None:
    for name, x, y in special_pairs():
        sine, distance = angle_and_distance(x, y)
        if beta == 0.0 and (0.0 < sine < 1e-12 or (name, activation) == ("zero", "relu")):
            continue  # a cone nearer than the differences are apart, or one that no linear function halves
        a, b, tensors = leaf(x), leaf(y), numbers(beta, sigma_w)
        on = {key: tensor.to(device) for key, tensor in tensors.items()}
        k = infinite.differentiable(mlp(depth, activation), a.to(device)[None], b.to(device)[None], numbers=on)
        # Beside a bias, a cone is at a distance that the last digits of both norms blur.
        bound = 1e-12 + (4 * EPS / distance if beta > 0.0 and distance > 0.0 else 0.0)
        exact = differences(activation, depth, beta, sigma_w, name)
        for kernel, numbers_of_it in zip((k.nngp, k.ntk), exact, strict=True):
            parts = torch.autograd.grad(kernel.sum(), [a, b, *tensors.values()], retain_graph=True)
            largest = max(1.0, *(abs(float(number)) for number in numbers_of_it))
            values = torch.cat([part.reshape(-1) for part in parts]).tolist()
            for value, true in zip(values, numbers_of_it, strict=True):
                assert abs(value - true) <= bound * largest, (name, value, true)


@pytest.mark.parametrize("activation", [*FORMULAS, *MANY[4:]], ids=str)
def test_derivatives_are_those_of_the_values(activation: Any) -> None:
    """Twice; orthogonal pairs and one at an angle of 0.02, which is computed anew, among them."""
    arch = mlp(3, parse(activation))

    def both(a: Tensor, b: Tensor, beta: Tensor, sigma_w: Tensor) -> tuple[Tensor, Tensor]:
        k = infinite.differentiable(arch, a, b, numbers={"beta": beta, "sigma_w": sigma_w})
        return k.nngp, k.ntk

    a, b = [[0.5, 0.2, 0.0], [0.3, -0.1, 0.9]], [[-0.2, 0.5, 0.3], [0.3, -0.11, 0.91]]
    point = leaf(a), leaf(b), leaf(0.3), leaf(0.9)
    assert gradcheck(both, point)
    assert gradgradcheck(both, point, fast_mode=True)


@pytest.mark.parametrize("activation", FORMULAS)
def test_second_derivatives_at_rows_of_one_norm(activation: str) -> None:
    """There squares of differences of norms are 0, and their second derivatives are not."""

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        k = infinite.differentiable(mlp(3, parse(activation)), a, b)
        return k.nngp, k.ntk

    a, b = leaf([[0.5, 0.2, 0.9], [-0.2, 0.9, 0.5]]), leaf([[0.9, -0.5, 0.2], [0.9, 0.2, 0.5]])
    assert infinite.rows(a.detach()).root.tolist() == infinite.rows(b.detach()).root.tolist()
    assert gradgradcheck(both, (a, b))


@pytest.mark.parametrize("activation", FORMULAS)
def test_orthogonal_inputs_are_not_special(activation: str) -> None:
    """Without a bias their correlation is exactly 0, where |ρ| has no derivative and kernels have one."""

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        k = infinite.differentiable(mlp(3, parse(activation), 0.0), a, b)
        return k.nngp, k.ntk

    a, b = leaf([[0.5, 0.2, 0.0, 0.0], [0.7, 0.0, 0.0, 0.6]]), leaf([[0.0, 0.0, 0.9, -0.4]])
    assert gradcheck(both, (a[:1], b))
    assert gradcheck(both, (a[1:], b))


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("activation", FORMULAS)
def test_derivatives_are_finite(activation: str, beta: float) -> None:
    x, tensors = leaf(inputs()), numbers(beta, 1.0)
    for depth in (1, 3):
        k = infinite.differentiable(mlp(depth, parse(activation)), x, numbers=tensors)
        for array in k.arrays.values():
            for part in torch.autograd.grad(array.sum(), [x, *tensors.values()], retain_graph=True):
                assert part.isfinite().all()


@pytest.mark.parametrize(
    "activation", [pytest.param(name, marks=[pytest.mark.slow] * (name in TABLED)) for name in NUMERIC]
)
def test_derivatives_without_a_closed_form(activation: str) -> None:
    """Rows of one norm, of which a table is one of the correlation alone, and the derivatives are in norms as well."""
    row = torch.tensor([0.3, 0.8, -0.5], dtype=torch.float64)
    x = torch.stack([row, row, -row, row[[1, 0, 2]], row[[2, 0, 1]], row.flip(0)])
    generator = torch.Generator().manual_seed(0)
    tensors = [leaf(x), leaf(x[4:]), *numbers(0.1, 1.0).values()]
    step = [torch.randn(item.shape, generator=generator, dtype=torch.float64) for item in tensors]
    given = parse(GIVEN.get(activation, activation))

    def at(t: float) -> infinite.Kernel:
        a, b, beta, sigma_w = (item.detach() + t * moved for item, moved in zip(tensors, step, strict=True))
        return infinite.kernel(mlp(2, given, beta.item(), sigma_w.item()), a, b)

    k = infinite.differentiable(
        mlp(2, given), *tensors[:2], numbers=dict(zip(("beta", "sigma_w"), tensors[2:], strict=True))
    )
    ends = [at(t * 1e-3) for t in (-2, -1, 1, 2)]
    for name in infinite.KERNELS:
        (first, second, third, fourth), array = (end.arrays[name] for end in ends), k.arrays[name]
        # Of x[1:4] and x[4:]: not of duplicates, at which a tangent kernel may have a cone.
        exact = (first - 8.0 * second + 8.0 * third - fourth)[1:4].sum() / 12e-3
        parts = torch.autograd.grad(array[1:4].sum(), tensors, retain_graph=True)
        found = sum((part * moved).sum() for part, moved in zip(parts, step, strict=True))
        # Differences of fourth order, of values of order 1 that are right to 1e-13.
        assert abs(found - exact) <= 1e-8 * array.abs().sum()
        assert all(part.isfinite().all() for part in torch.autograd.grad(array.sum(), tensors, retain_graph=True))


@pytest.mark.parametrize("activation", ["relu", "erf", "gelu"])
def test_a_gram_matrix_depends_on_its_rows_twice(activation: str) -> None:
    """∂/∂x of Σ K(x, x) is the sum of those in both arguments, of which the second is that of the transpose."""
    arch, points = mlp(4, activation), inputs()
    weights = torch.randn(len(points), len(points), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for name in infinite.KERNELS:
        x, left, right = leaf(points), leaf(points), leaf(points)
        (whole,) = torch.autograd.grad((infinite.differentiable(arch, x).arrays[name] * weights).sum(), x)
        cross = (infinite.differentiable(arch, left, right).arrays[name] * weights).sum()
        first, second = torch.autograd.grad(cross, [left, right])
        turned = (infinite.differentiable(arch, left, points).arrays[name] * weights.mT).sum()
        bound = 1e-8 * whole.abs().max()  # near-duplicates of norms that differ by 1e-7
        assert ((first + second - whole).abs() <= bound).all()
        assert ((torch.autograd.grad(turned, left)[0] - second).abs() <= bound).all()


@pytest.mark.parametrize(
    "network",
    [
        ["step", {"type": "dense", "beta": 0.0}],
        ["layer_norm", "relu", "dense"],
        ["relu", {"type": "dense", "beta": 0.0}],
    ],
    ids=["step", "layer_norm", "relu"],
)
@pytest.mark.parametrize("parametrization", ["ntk", "standard"])
def test_a_row_of_zeros_may_be_a_jump(network: list[Any], parametrization: str) -> None:
    """Where kernels jump they have its values and no derivatives in the row; all others are finite."""
    first = {"type": "dense", "beta": 0.0, "width": 5, "parametrization": parametrization}
    arch, x = architecture.parse([first, *network]), leaf(inputs())
    tensors = {name: leaf(value) for name, value in infinite.numbers_of(arch).items() if name.endswith("sigma_w")}
    exact, scale = infinite.kernel(arch, inputs()), scales(arch, inputs())
    for name, array in infinite.differentiable(arch, x, numbers=tensors).arrays.items():
        assert ((array - exact.arrays[name]).abs() <= 1e-13 * scale[name]).all()
        parts = torch.autograd.grad(array.sum(), [x, *tensors.values()], retain_graph=True, materialize_grads=True)
        assert all(part.isfinite().all() for part in parts)
        assert network[0] == "relu" or not parts[0][-1].any()


@pytest.mark.parametrize("norm", [1e-130, 1e-20, 1e20, 1e130])
@pytest.mark.parametrize("activation", ["relu", "abs", {"type": "monomial", "degree": 1}], ids=str)
def test_derivatives_scale_with_the_norm(activation: Any, norm: float) -> None:
    """Kernels of homogeneous networks without a bias are of degree 2, their derivatives of degree 1."""
    arch, points = mlp(4, activation, 0.0), inputs()[:9]
    found = []
    for scale in (1.0, norm):
        x = leaf(points * scale)
        found.append(torch.autograd.grad(infinite.differentiable(arch, x).ntk.sum(), x)[0] / scale)
    assert ((found[1] - found[0]).abs() <= 1e-13 * len(points) * found[0].abs().max()).all()


def test_float32_inputs_have_derivatives_of_their_own() -> None:
    arch, points = mlp(4, "relu"), inputs()[:9]
    x, y = leaf(points), points.float().requires_grad_()
    exact = torch.autograd.grad(infinite.differentiable(arch, x).ntk.sum(), x)[0]
    k = infinite.differentiable(arch, y)
    found = torch.autograd.grad(k.ntk.sum(), y)[0]
    assert k.ntk.dtype == found.dtype == torch.float32
    assert ((found - exact).abs() <= 1e-5 * exact.abs().max()).all()


def test_only_what_is_asked_for_is_differentiated() -> None:
    arch, x, beta = mlp(3, "erf"), inputs(), torch.tensor(0.2, requires_grad=True)
    plain = infinite.differentiable(arch, x, numbers={"beta": torch.tensor(0.2)}, kernels=["nngp"])
    assert list(plain.arrays) == ["nngp"]
    assert not plain.nngp.requires_grad
    k = infinite.differentiable(arch, x, numbers={"beta": beta})
    exact = infinite.kernel(mlp(3, "erf", beta.item()), x)
    assert torch.allclose(k.ntk, exact.ntk, rtol=1e-13, atol=1e-13)
    assert torch.autograd.grad(k.ntk.sum(), beta)[0] > 0


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"gain": torch.tensor(1.0)}, ValueError, "'gain' is no β or σ_w"),
        ({"beta": torch.tensor([1.0])}, ValueError, "beta must be a tensor of no dimensions"),
        ({"beta": torch.tensor(-1.0)}, ArchitectureError, "beta scales the biases"),
        ({"sigma_w": torch.tensor(0.0)}, ArchitectureError, "sigma_w scales the weights"),
    ],
)
def test_wrong_numbers_are_refused(given: dict[str, Tensor], error: type[Exception], said: str) -> None:
    arch: Mlp = mlp(3)
    with pytest.raises(error, match=said):
        infinite.differentiable(arch, inputs(), numbers=given)


def test_inputs_must_fit() -> None:
    with pytest.raises(ValueError, match="same number of columns"):
        infinite.differentiable(mlp(2), inputs(), inputs()[:, :3])
