"""What an expression computes: σ, σ' and their gradients, against a twin that shares nothing with it."""

import copy
import pickle

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine.activations.base import Activation
from ntk_engine.activations.expression import Expression
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.relu import Relu
from tests.ntk_engine.activations import expressions
from tests.ntk_engine.activations.expressions import EPS

FAMILIAR = [
    "relu(z)",
    "abs(z)",
    "max(z, 0.1 * z)",
    "z * sigmoid(z)",
    "z / (1 + exp(-z))",
    "z * tanh(softplus(z))",
    "z * Phi(z)",
    "0.5 * z * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z^3)))",
    "where(z < 0, expm1(z), z)",
    "z / (1 + abs(z))",
    "z / sqrt(1 + z^2)",
    "clip(z, -1, 1)",
    "z * clip(z + 3, 0, 6) / 6",
    "exp(-z^2)",
    "sin(z) + cos(3 * z)",
    "log1p(abs(z)) * sign(z)",
    "where(z > 0.1, log(z), log(0.1))",
    "1 - exp(-exp(z))",
    "z^3 - 3 * z",
    "relu(z)^2",
    "z * step(z - 1) * (z - 1)",
    "atan(z) + erf(z) - erfc(z)",
    "phi(z) * sin(z) + 1 / cosh(z)",
    "min(max(z, -1), 1) + abs(relu(z) - 2)",
]
POINTS = [-30.3, -5.7, -2.2, -0.77, -0.013, 1e-9, 0.3, 0.91, 2.6, 6.4, 30.1]


def _tensor(points: list[float]) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float64)


@pytest.mark.parametrize("source", FAMILIAR)
def test_familiar_values(source: str) -> None:
    computed = Expression(source).value(_tensor(POINTS)).tolist()
    with mpmath.workdps(50):
        for z, value in zip(POINTS, computed, strict=True):
            right = expressions.ball(expressions.tree(source), z)
            assert abs(value - right.middle) <= right.radius, z


@pytest.mark.parametrize("source", FAMILIAR)
def test_familiar_derivatives(source: str) -> None:
    activation = Expression(source)
    computed = activation.derivative(_tensor(POINTS)).tolist()
    with mpmath.workdps(50):
        scale = max(abs(expressions.slope(source, mpf(z))) for z in POINTS if abs(z) < 6)
        for z, slope in zip(POINTS, computed, strict=True):
            right = expressions.slope(source, mpf(z))
            # A dozen operations, of which exp and powers magnify what is before them by |z|.
            assert abs(slope - right) <= 12 * (1 + abs(z)) * 8 * EPS * max(abs(right), scale), z


@pytest.mark.parametrize("source", FAMILIAR)
def test_gradients_are_derivatives(source: str) -> None:
    activation = Expression(source)
    z = _tensor(POINTS).requires_grad_()
    (gradient,) = torch.autograd.grad(activation.value(z).sum(), z)
    torch.testing.assert_close(gradient, activation.derivative(z.detach()), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("source", FAMILIAR)
def test_gradients_of_derivatives_are_differences(source: str) -> None:
    activation = Expression(source)
    z = _tensor([point for point in POINTS if abs(point) > 1e-3]).requires_grad_()
    slope = activation.derivative(z)
    # A derivative that is constant piece by piece does not depend on z.
    second = torch.autograd.grad(slope.sum(), z)[0] if slope.requires_grad else torch.zeros_like(z)
    step = 1e-5 * (1 + z.detach().abs())
    ends = [activation.derivative(z.detach() + side * step) for side in (1, -1)]
    # The fourth derivative of σ, below 100 here, times step²/6 < 1.7e-8; the rounding of σ' over the step is less.
    torch.testing.assert_close(second, (ends[0] - ends[1]) / (2 * step), rtol=1e-7, atol=1.7e-6)


@pytest.mark.parametrize(
    "source",
    [
        "where(z > 0.1, log(z), log(0.1))",
        "where(z < 1, where(z < -1, 1 / z, -1), sqrt(z) - 2)",
        "where(abs(z) <= 1, 1, 1 + log(abs(z)))",
        "where(z < 700, softplus(z), z)",
        "where(z > 0, 0, where(z > -800, expm1(z), -1) * where(z < -1, log(-z), 0))",
    ],
)
def test_the_branch_not_taken_leaves_no_trace(source: str) -> None:
    activation = Expression(source)
    z = _tensor([-1e5, -900.0, -2.0, -1.0, -0.5, 0.0, 0.05, 0.1, 0.5, 1.0, 3.0, 900.0, 1e5]).requires_grad_()
    value, slope = activation.value(z), activation.derivative(z)
    (gradient,) = torch.autograd.grad(value.sum(), z)
    (second,) = torch.autograd.grad(slope.sum(), z)
    for tensor in (value, slope, gradient, second):
        assert torch.isfinite(tensor).all()
    away = [index for index, point in enumerate(z.tolist()) if point not in activation.kinks]
    torch.testing.assert_close(gradient[away], slope[away], rtol=1e-12, atol=0.0)


@pytest.mark.parametrize(
    ("source", "z", "value", "slope"),
    [
        ("softplus(z)", -800.0, 0.0, 0.0),
        ("softplus(z)", 800.0, 800.0, 1.0),
        ("softplus(z)", -40.0, 4.248354255291589e-18, 4.248354255291589e-18),
        ("sigmoid(z)", -700.0, 9.859676543759771e-305, 9.859676543759771e-305),
        ("1 / (1 + exp(-z))", -1e6, 0.0, 0.0),
        ("z / (1 + exp(-z))", -1e6, 0.0, 0.0),
        ("tanh(exp(z))", 1e4, 1.0, 0.0),
        ("cosh(z)^-2", 1e4, 0.0, 0.0),
        ("z * tanh(softplus(z))", 1e7, 1e7, 1.0),
        ("z / sqrt(1 + z^2)", 1e7, 1.0, 1e-21),
        ("log1p(exp(-abs(z)))", 50.0, 1.9287498479639178e-22, -1.9287498479639178e-22),
        ("exp(-z^2)", 1e7, 0.0, 0.0),
        ("sqrt(softplus(z))", -1e5, 0.0, 0.0),
    ],
)
def test_nothing_overflows_or_cancels(source: str, z: float, value: float, slope: float) -> None:
    activation = Expression(source)
    # |z| magnifies the last digit of an exponent.
    assert activation.value(_tensor([z])).item() == pytest.approx(value, rel=max(abs(z), 10) * EPS, abs=0.0)
    assert activation.derivative(_tensor([z])).item() == pytest.approx(
        slope, rel=1e-6 if z == 1e7 else 1e-13, abs=1e-20
    )


def test_the_derivative_is_zero_where_there_is_none() -> None:
    kinks = {
        "relu(z)": [0.0],
        "abs(z) + max(z, 1)": [0.0, 1.0],
        "where(z < 0, -z, 2 * z)": [0.0],
        "clip(z, -2, 3)": [-2.0, 3.0],
    }
    for source, points in kinks.items():
        assert Expression(source).derivative(_tensor(points)).tolist() == [0.0] * len(points)
    # Where only a higher derivative jumps, there is one.
    assert Expression("where(z < 0, expm1(z), z)").derivative(_tensor([0.0])).item() == 1.0
    assert Expression("where(z > 1, z^2, 2 * z - 1)").derivative(_tensor([1.0])).item() == 2.0
    # A name alone makes no kink.
    assert Expression("z^2", (1.0,)).derivative(_tensor([1.0])).item() == 2.0


def test_shapes_and_precisions() -> None:
    for source in ("z * sigmoid(z)", "2", "z", "where(z > 0, 1, 1)"):
        activation = Expression(source)
        for z in (torch.zeros(()), torch.ones(3, 0, 2), torch.full((2, 3), -1.5, dtype=torch.float64)):
            for result in (activation.value(z), activation.derivative(z)):
                assert (result.shape, result.dtype) == (z.shape, z.dtype)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_transforms() -> None:
    activation = Expression("where(z > 0.1, log(z), log(0.1)) + z * sigmoid(z) / (2 + sin(z)) + abs(z)^3")
    z = _tensor(POINTS)
    torch.testing.assert_close(torch.func.vmap(activation.value)(z), activation.value(z))
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(activation.value))(z), activation.derivative(z))
    _, tangent = torch.func.jvp(activation.value, (z,), (torch.ones_like(z),))
    torch.testing.assert_close(tangent, activation.derivative(z))


def test_copies_are_equal() -> None:
    activation = Expression("relu(z) + abs(z^2 - 2)", [2**0.5, -(2**0.5)])  # type: ignore[arg-type]
    for other in (copy.deepcopy(activation), pickle.loads(pickle.dumps(activation)), Expression(*_parts(activation))):
        assert other == activation
        assert hash(other) == hash(activation)
        assert other.value(_tensor(POINTS)).tolist() == activation.value(_tensor(POINTS)).tolist()


@pytest.mark.parametrize(("source", "family"), [("relu(z)", Relu()), ("z * Phi(z)", Gelu())])
def test_duals_are_those_of_the_closed_form(source: str, family: Activation) -> None:
    roots = _tensor([0.5, 1.0, 3.0])
    gap = _tensor([0.0, 1e-12, 1e-6, 1e-2, 0.3, 0.9, 1.0]).expand(3, 3, 7)
    for sign in (1.0, -1.0):
        results = []
        for activation in (Expression(source), family):
            dual = activation.dual(0.5, 3.0)
            rows = dual.rows(roots)
            a, b = [row[:, None, None] for row in rows], [row[None, :, None] for row in rows]
            results.append((rows[0], dual.error, *dual.correlate(a, b, sign * (1.0 - gap), gap)))
        (scale, error, *found), (right, _, *expected) = results
        torch.testing.assert_close(scale, right, rtol=1e-14, atol=0.0)
        for part, printed in zip(found, expected, strict=True):
            # What the quadrature admits, and rounding of a dozen operations on either side.
            torch.testing.assert_close(part, printed, rtol=0.0, atol=error + 24 * EPS)


def _parts(activation: Expression) -> tuple[str, tuple[float, ...]]:
    return activation.expression, activation.kinks
