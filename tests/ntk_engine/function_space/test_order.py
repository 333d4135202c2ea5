"""When components and points are learned, against the residual at every time."""

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space import Blocks, Gaussian, GradientDescent, gaussian, learning_order

X = torch.randn(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.stack([torch.sin(3.0 * X[:, 0]), X[:, 1] * X[:, 2]], dim=1)
KERNEL = infinite.kernel(mlp(3, beta=0.1), X).ntk
VALUES, BASIS = torch.linalg.eigh(KERNEL / len(X))


def of(kernel: torch.Tensor, y: torch.Tensor) -> Gaussian:
    return gaussian(Blocks(kernel), None, y, [0.0], start="zero", covariance="none")


def residuals(time: float) -> torch.Tensor:
    return (BASIS @ (torch.exp(-time * VALUES)[:, None] * (BASIS.mT @ Y))).norm(dim=1)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.99])
def test_each_at_its_time(level: float) -> None:
    [found] = learning_order(of(KERNEL, Y), Y, [level])
    torch.testing.assert_close(torch.exp(-found.components * VALUES.flip(0)), torch.full_like(VALUES, 1.0 - level))
    allowed = (1.0 - level) * Y.norm(dim=1)
    for point, time in enumerate(found.points.tolist()):
        # There to some roundings of what it was, and never above it again.
        assert float(residuals(time)[point]) == pytest.approx(float(allowed[point]), rel=1e-9)
        later = [float(residuals(time * 1.02**step)[point]) for step in range(1, 600)]
        assert max(later) <= allowed[point]


def test_what_is_never_learned() -> None:
    """Two equal inputs that are told opposite things, and one that has nothing to learn."""
    x = torch.cat([X[:3], X[:1]])
    y = torch.tensor([[1.0], [2.0], [0.0], [-1.0]], dtype=torch.float64)
    [found] = learning_order(of(infinite.kernel(mlp(3, beta=0.1), x).ntk, y), y, [0.9])
    assert torch.isinf(found.components).sum() == 1
    assert torch.isinf(found.points).tolist() == [True, False, False, True]
    assert float(found.points[2]) == 0.0
    [nothing] = learning_order(of(torch.zeros(2, 2, dtype=torch.float64), y[1:3]), y[1:3], [0.5])
    assert nothing.points.tolist() == [float("inf"), 0.0]


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, float("nan")])
def test_levels_that_are_none(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        learning_order(of(KERNEL, Y), Y, [0.5, level])


def test_other_dynamics_than_the_flow() -> None:
    for how in ({"ridge": 0.1}, {"dynamics": GradientDescent(0.1)}):
        g = gaussian(Blocks(KERNEL), None, Y, [0.0], start="zero", covariance="none", **how)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="gradient flow"):
            learning_order(g, Y, [0.5])


@pytest.mark.parametrize("size", [1e-100, 1e-79, 1e-30, 1e100])
def test_sizes_of_inputs_are_units_of_time(size: float) -> None:
    """Without biases times are as 1/size², also where bounds leave the numbers, and nothing is known of a time."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, n, dtype=torch.float64, generator=generator) for n in (5, 1))
    one, other = (of(infinite.kernel(mlp(3, beta=0.0), scale * x).ntk, y) for scale in (1.0, size))
    expected, found = (next(iter(learning_order(g, y, [0.9]))) for g in (one, other))
    torch.testing.assert_close(found.points * size**2, expected.points, rtol=1e-10, atol=0)
    torch.testing.assert_close(found.components * size**2, expected.components, rtol=1e-10, atol=0)
    assert 0.1 < float(other.eigenvalues_bound) / size**2 / float(one.eigenvalues_bound) < 10
