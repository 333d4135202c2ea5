"""Any convex cost in function space, against closed forms, an integrator of another kind, and finite networks."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from ntk_engine import finite, infinite
from ntk_engine.architecture import mlp
from ntk_engine.costs import Cost, CrossEntropy, Huber, LeastSquares, Logistic
from ntk_engine.function_space import Start, rosenbrock
from ntk_engine.function_space.convex import follow

GENERATOR = torch.Generator().manual_seed(3)
X, OTHER = (torch.randn(n, 4, generator=GENERATOR, dtype=torch.float64) for n in (24, 5))
ARCH = mlp(3, beta=0.1)
GRAM, CROSS = infinite.kernel(ARCH, X).ntk, infinite.kernel(ARCH, OTHER, X).ntk
NUMBERS = torch.sin(2.0 * X[:, :2])
CLASSES = torch.nn.functional.one_hot((X[:, 0] > 0).long() + (X[:, 1] > 0.5).long(), 3).double()
COSTS: dict[str, tuple[Cost, Tensor]] = {
    "least squares": (LeastSquares(), NUMBERS),
    "cross-entropy": (CrossEntropy(), CLASSES),
    "soft labels": (CrossEntropy(), 0.8 * CLASSES + 0.2 / 3),
    "logistic": (Logistic(), NUMBERS.sign()),
    "huber": (Huber(delta=0.3), NUMBERS),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_curvature_is_the_derivative_of_the_direction(name: str) -> None:
    cost, y = COSTS[name]
    f = torch.randn(y.shape, generator=GENERATOR, dtype=torch.float64)
    found = cost.curvature(f, y)
    for point in range(len(f)):
        jacobian: Any = torch.autograd.functional.jacobian(
            lambda row, target=y[point]: cost.direction(row, target), f[point]
        )
        # A few roundings of numbers of at most 1.
        torch.testing.assert_close(found[point], jacobian, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", COSTS)
def test_steepness_is_the_largest_curvature(name: str) -> None:
    """Attained at f = 0 of two classes, or at the targets, and nowhere exceeded."""
    cost, y = COSTS[name]
    target = torch.full((1, 2), 0.5 if isinstance(cost, CrossEntropy) else 1.0, dtype=torch.float64)
    flat = cost.curvature(target if isinstance(cost, Huber) else torch.zeros_like(target), target)
    assert float(torch.linalg.eigvalsh(flat).max()) == pytest.approx(cost.steepness, rel=1e-12)
    f = 3 * torch.randn(200, *y.shape, generator=GENERATOR, dtype=torch.float64)
    largest, at = torch.linalg.eigvalsh(cost.curvature(f, y)).amax(-1), cost.steepness_at(f, y)
    assert bool((largest <= at * (1 + 1e-12)).all())
    assert float(at.max()) <= cost.steepness


@pytest.mark.parametrize("name", COSTS)
def test_bounds_of_the_cost_and_of_its_decrease(name: str) -> None:
    cost, y = COSTS[name]
    times = [0.3, 10.0, 1e3]
    rough, fine = (list(follow(GRAM, CROSS, y, cost, times, tolerance=tolerance)) for tolerance in (1e-4, 1e-9))
    for a, b in zip(rough, fine, strict=True):
        assert abs(a.cost - b.cost) <= a.cost_bound + b.cost_bound
        assert abs(a.decrease - b.decrease) <= a.decrease_bound + b.decrease_bound
    assert rough[0].cost != fine[0].cost


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
def test_least_squares_is_its_closed_form(tolerance: float) -> None:
    times = [0.0, 1e-6, 0.3, 10.0, 1e3, 1e5]
    values, vectors = torch.linalg.eigh(GRAM / len(X))
    missed = []
    for at in follow(GRAM, CROSS, NUMBERS, LeastSquares(), times, tolerance=tolerance):
        parts = vectors.mT @ NUMBERS
        train = vectors @ (-torch.expm1(-at.time * values)[:, None] * parts)
        test = CROSS @ (vectors @ ((-torch.expm1(-at.time * values) / values)[:, None] * parts)) / len(X)
        assert at.test is not None
        missed.append(max(float((at.train - train).abs().max()), float((at.test - test).abs().max())))
        # Rounding of the closed form itself, whose least eigenvalue is 1e-3.
        assert missed[-1] <= at.error_bound + 1e-13
    # Every step errs, and most by far less than it may.
    assert tolerance * 1e-6 < max(missed[2:]) < 100 * tolerance


@pytest.mark.parametrize("name", COSTS)
def test_another_integrator(name: str) -> None:
    """An explicit one, of order eight, on the function itself and on all points."""
    cost, y = COSTS[name]
    start = torch.randn(len(X), y.shape[1], generator=GENERATOR, dtype=torch.float64)
    beside = torch.randn(len(OTHER), y.shape[1], generator=GENERATOR, dtype=torch.float64)
    times = [0.0, 1.0, 7.0, 100.0]
    both = torch.cat([GRAM, CROSS]) / len(X)

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        f = torch.from_numpy(state).view(-1, y.shape[1])
        return -(both @ cost.direction(f[: len(X)], y)).flatten().numpy()

    whole = torch.cat([start, beside]).flatten().numpy()
    twin = solve_ivp(slope, (0.0, times[-1]), whole, "DOP853", times, rtol=1e-11, atol=1e-11)
    for number, at in enumerate(follow(GRAM, CROSS, y, cost, times, start=Start(start, beside), tolerance=1e-8)):
        expected = torch.from_numpy(twin.y[:, number]).view(-1, y.shape[1])
        assert at.test is not None
        torch.testing.assert_close(torch.cat([at.train, at.test]), expected, rtol=0, atol=at.error_bound + 1e-9)
        assert at.error_bound < 1e-5


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_falls_as_it_is_said_to(name: str) -> None:
    cost, y = COSTS[name]
    at = list(follow(GRAM, None, y, cost, [0.0, *(10.0**p for p in range(-2, 6))]))
    assert all(item.test is None for item in at)
    costs = [item.cost for item in at]
    assert costs == sorted(costs, reverse=True)
    near = list(follow(GRAM, None, y, cost, [1.0 - 1e-4, 1.0, 1.0 + 1e-4], tolerance=1e-12))
    slope = (near[0].cost - near[2].cost) / 2e-4
    # A difference of costs that err by the bound, and the square of the distance.
    assert slope == pytest.approx(near[1].decrease, rel=1e-6)


def test_duplicates_and_a_single_point() -> None:
    """Of a singular kernel: rows that are told different things stay between them, at any time."""
    x = torch.cat([X[:3], X[:3]])
    gram, y = infinite.kernel(ARCH, x).ntk, torch.tensor([[1.0], [-1.0], [1.0], [1.0], [-1.0], [-1.0]]).double()
    *_, at = follow(gram, None, y, Logistic(), [1.0, 1e8])
    torch.testing.assert_close(at.train[:3], at.train[3:], rtol=0, atol=1e-9)
    assert abs(float(at.train[2])) < 1e-6
    assert float((at.train * y)[:2].min()) > 5
    *_, alone = follow(gram[:1, :1], None, y[:1], LeastSquares(), [1e6])
    assert float(alone.train) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("times", [[-1.0], [1.0, 0.5], [float("inf")], [float("nan")]])
def test_times_that_are_none(times: list[float]) -> None:
    with pytest.raises(ValueError, match="times"):
        list(follow(GRAM, None, NUMBERS, LeastSquares(), times))


def test_too_many_steps() -> None:
    class Decay:
        def slope(self, e: Tensor) -> Tensor:
            return -e

        def factored(self, e: Tensor, h: float) -> Tensor:
            return torch.full((1, 1), (1.0 + h) ** 0.5, dtype=e.dtype)

    with pytest.raises(rosenbrock.StepLimitError, match="3 steps"):
        list(rosenbrock.integrate(Decay(), torch.ones(1, 1, dtype=torch.float64), [10.0], 1e-12, 3))


def test_the_order_of_the_integrator() -> None:
    """Of e' = −e²: the error of a step falls as h⁵, and its estimate as h⁴."""

    class Square:
        def slope(self, e: Tensor) -> Tensor:
            return -e.square()

        def factored(self, e: Tensor, h: float) -> Tensor:
            return (1.0 + h * 2.0 * e).sqrt()

    one = torch.ones(1, 1, dtype=torch.float64)
    lengths = (0.02, 0.01)
    steps = [rosenbrock._step(Square(), one, h) for h in lengths]
    missed = [abs(float(new) - 1.0 / (1.0 + h)) for (new, _), h in zip(steps, lengths, strict=True)]
    assert missed[0] / missed[1] == pytest.approx(32.0, rel=0.1)
    assert steps[0][1] / steps[1][1] == pytest.approx(16.0, rel=0.1)


def test_wide_networks_on_cross_entropy() -> None:
    """f_t − f_0 of networks from their own kernel at initialization: what is left falls with width (Theorem 2)."""
    times, missed = [2.0, 20.0], []
    for width in (256, 2048):
        arch = mlp(3, width=width, beta=0.1)
        params = finite.init(arch, 4, 3, seed=1)
        theta = finite.kernel(arch, params, X[:8], outputs="trace", kernels=["ntk"]).ntk
        start = finite.apply(arch, params, X[:8])
        found = [at.train for at in follow(theta, None, CLASSES[:8], CrossEntropy(), times, start=Start(start))]
        rate = 0.05
        run = [
            finite.apply(
                arch,
                finite.train(arch, params, X[:8], CLASSES[:8], CrossEntropy(), rate, round(time / rate)).parameters,
                X[:8],
            )[0]
            for time in times
        ]
        missed.append(max(float((f - g).norm() / (f - start).norm()) for f, g in zip(found, run, strict=True)))
    # 1/√n, of the kernel's other entries and what it moves by; a step's length is a hundredth of the fastest time.
    assert missed[1] < 0.07
    assert missed[1] < 0.6 * missed[0]


def test_eigenvalues_are_within_the_stated_bound() -> None:
    """Against those of a matrix that is made of its own."""
    generator = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(30, 30, dtype=torch.float64, generator=generator)).Q
    lam = torch.logspace(0, -18, 30, dtype=torch.float64)
    path = follow(30 * (q * lam) @ q.mT, None, q[:, :1], LeastSquares(), [0.0])
    assert float((path.eigenvalues - lam).abs().max()) <= path.eigenvalues_bound <= 1e-13
