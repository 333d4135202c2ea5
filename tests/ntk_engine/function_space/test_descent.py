"""Descent of any cost in its steps, against 50 digits, closed forms, flows, and the parameters of a linear model."""

import math

import mpmath
import pytest
import torch
from mpmath import mpf

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.costs import Cost, CrossEntropy, Direction, Huber, LeastSquares, Logistic
from ntk_engine.function_space import (
    Blocks,
    Directions,
    GradientDescent,
    Start,
    Steps,
    along,
    descend,
    follow,
    gaussian,
    probes,
)
from ntk_engine.function_space.growth import Contraction, Step, edge
from ntk_engine.function_space.probes import Probes
from ntk_engine.function_space.reached import Here
from tests.ntk_engine.function_space.exactly import DIGITS, furthest, matrix

GENERATOR = torch.Generator().manual_seed(11)
X, OTHER = (torch.randn(n, 4, generator=GENERATOR, dtype=torch.float64) for n in (10, 4))
N = len(X)
ARCH = mlp(3, beta=0.1)
GRAM, CROSS = infinite.kernel(ARCH, X).ntk, infinite.kernel(ARCH, OTHER, X).ntk
TOP = float(torch.linalg.eigvalsh(GRAM / N).max())
NUMBERS = torch.sin(2.0 * X[:, :2])
CLASSES = torch.nn.functional.one_hot((X[:, 0] > 0).long() + (X[:, 1] > 0.5).long(), 3).double()
COSTS: dict[str, tuple[Cost, torch.Tensor]] = {
    "least squares": (LeastSquares(), NUMBERS),
    "cross-entropy": (CrossEntropy(), CLASSES),
    "logistic": (Logistic(), NUMBERS.sign()),
    "huber": (Huber(delta=0.3), NUMBERS),
}


def starts(k: int) -> Start:
    generator = torch.Generator().manual_seed(k)
    return Start(*(torch.randn(n, k, generator=generator, dtype=torch.float64) for n in (N, len(OTHER))))


def direction(cost: Cost, f: mpmath.matrix, y: mpmath.matrix) -> mpmath.matrix:
    """d|_f from the definitions of the costs, 50 digits."""
    found = mpmath.zeros(f.rows, f.cols)
    for i in range(f.rows):
        whole = sum(mpmath.exp(f[i, j]) for j in range(f.cols))
        for j in range(f.cols):
            left = f[i, j] - y[i, j]
            match cost:
                case CrossEntropy():
                    found[i, j] = mpmath.exp(f[i, j]) / whole - y[i, j]
                case Logistic():
                    found[i, j] = -y[i, j] / (1 + mpmath.exp(y[i, j] * f[i, j]))
                case Huber(delta=delta):
                    found[i, j] = max(-mpf(delta), min(mpf(delta), left))
                case _:
                    found[i, j] = left
    return found


def value(cost: Cost, f: mpmath.matrix, y: mpmath.matrix) -> mpf:
    """C(f), 50 digits."""
    found = mpf(0)
    for i in range(f.rows):
        row = [(f[i, j], y[i, j]) for j in range(f.cols)]
        match cost:
            case CrossEntropy():
                found += mpmath.log(sum(mpmath.exp(a) for a, _ in row)) - sum(a * b for a, b in row)
            case Logistic():
                found += sum(mpmath.log(1 + mpmath.exp(-a * b)) for a, b in row)
            case Huber(delta=delta):
                inside = [(abs(a - b), min(abs(a - b), mpf(delta))) for a, b in row]
                found += sum(s * (r - s / 2) for r, s in inside)
            case _:
                found += sum((a - b) ** 2 for a, b in row) / 2
    return found / f.rows


def check_at_fifty_digits(way: Steps, most: float) -> None:
    """Every number of every time, by the definition of descent; and bounds are below `most`."""
    cost, rate, momentum = way.cost, mpf(way.dynamics.learning_rate), mpf(way.dynamics.momentum)
    found, n = {at.steps: at for at in way}, len(way.y)
    assert way.kernel.cross is not None
    with mpmath.workdps(DIGITS):
        gram, cross, targets = matrix(way.kernel.train) / n, matrix(way.kernel.cross) / n, matrix(way.y)
        f, beside = matrix(way.start.train), matrix(way.start.test)  # type: ignore[arg-type]
        v, besides = mpmath.zeros(n, f.cols), mpmath.zeros(cross.rows, f.cols)
        for step in range(max(found) + 1):
            d = direction(cost, f, targets)
            if step in found:
                at = found[step]
                assert at.test is not None
                assert furthest(at.train, f) <= at.error_bound < most
                assert furthest(at.test, beside) <= at.error_bound
                assert abs(mpf(at.cost) - value(cost, f, targets)) <= at.cost_bound < 10 * most
                decrease = sum(a * b for a, b in zip(d, gram * d, strict=True)) / n
                assert abs(mpf(at.decrease) - decrease) <= at.decrease_bound < 10 * most
            v, besides = momentum * v + gram * d, momentum * besides + cross * d
            f, beside = f - rate * v, beside - rate * besides


@pytest.mark.parametrize(("momentum", "part"), [(0.0, 0.1), (0.5, 0.9), (0.9, 0.5), (0.99, 1.0)])
@pytest.mark.parametrize("name", COSTS)
def test_fifty_digits(name: str, momentum: float, part: float) -> None:
    """With learning rates of up to 1/λ_1: with momentum, beyond where errors could not grow whatever the curvature."""
    cost, y = COSTS[name]
    rate = part / TOP
    times = [rate * s for s in (0, 1, 60, 150)]
    way = descend(GRAM, CROSS, y, cost, GradientDescent(rate, momentum), times, start=starts(y.shape[1]))
    # Errors add up over some 1/(1 − μ) steps, and Huber's curvature jumps, which may make them grow.
    check_at_fifty_digits(way, 1e-10 if not momentum else 1e-5 if name == "huber" else 1e-7)


@pytest.mark.parametrize("cost", [Huber(), Logistic()])
@pytest.mark.parametrize("apart", [0.0, 1e-8])
def test_fifty_digits_of_repeated_rows_that_are_told_the_contrary(cost: Cost, apart: float) -> None:
    """Of a singular kernel, or nearly so; f goes to 0, where Huber's residuals are at the kink."""
    x = torch.cat([X[:4], X[:4] + apart])
    y = torch.ones(8, 1, dtype=torch.float64)
    y[4:] = -1.0
    gram, cross = infinite.kernel(ARCH, x).ntk, infinite.kernel(ARCH, OTHER, x).ntk
    rate = 8 / float(torch.linalg.eigvalsh(gram).max())
    start = Start(torch.cat([X[:4, :1], X[:4, :1]]), torch.zeros(4, 1, dtype=torch.float64))
    way = descend(gram, cross, y, cost, GradientDescent(rate, 0.9), [rate * s for s in (5, 200)], start=start)
    check_at_fifty_digits(way, 1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_least_squares_is_its_closed_form(momentum: float) -> None:
    dynamics, times = GradientDescent(1.5, momentum), [1.5 * s for s in (1, 7, 100, 500)]
    start = starts(2)
    closed = gaussian(Blocks(GRAM, CROSS), None, NUMBERS, times, dynamics=dynamics, start=start)
    way = descend(GRAM, CROSS, NUMBERS, LeastSquares(), dynamics, times, start=start)
    for at, (train, test) in zip(way, closed, strict=True):
        assert at.test is not None
        assert test is not None
        missed = at.error_bound
        torch.testing.assert_close(at.train, train.mean, rtol=0, atol=missed + float(train.mean_bound))
        torch.testing.assert_close(at.test, test.mean, rtol=0, atol=missed + float(test.mean_bound))
        assert at.cost == pytest.approx(float((at.train - NUMBERS).square().sum()) / 2 / N, abs=at.cost_bound)
    assert at.error_bound < (1e-8 if momentum else 1e-10)
    torch.testing.assert_close(way.eigenvalues, closed.eigenvalues, rtol=0, atol=1e-14)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("name", ["cross-entropy", "logistic", "huber"])
def test_small_steps_are_the_flow(name: str, momentum: float) -> None:
    """Of the first order in η; with momentum v comes to d/(1 − μ), which is time that passes faster."""
    cost, y = COSTS[name]
    end, missed = 2.0, []
    (flow,) = follow(GRAM, CROSS, y, cost, [end / (1 - momentum)], tolerance=1e-11)
    for rate in (1 / 256, 1 / 512):
        (at,) = descend(GRAM, CROSS, y, cost, GradientDescent(rate, momentum), [end])
        assert at.test is not None
        assert flow.test is not None
        missed.append(float(torch.cat([at.train - flow.train, at.test - flow.test]).norm()))
    assert missed[0] < 0.02
    # The second order is a few η of the first.
    assert missed[0] / missed[1] == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_descent_of_a_linear_model(momentum: float) -> None:
    """Of θ, f = f_0 + Jθ: v ← μ v + ∂C/∂θ, θ ← θ − η v, whose tangent kernel is JJᵀ."""
    j = torch.randn(N + 4, 7, dtype=torch.float64, generator=GENERATOR)
    cost, y = COSTS["cross-entropy"]
    start, rate = starts(3), 0.3
    f_0 = torch.cat([start.train, start.test])  # type: ignore[list-item]
    theta, v = torch.zeros(7, 3, dtype=torch.float64), torch.zeros(7, 3, dtype=torch.float64)
    for _ in range(200):
        v = momentum * v + j[:N].mT @ cost.direction((f_0 + j @ theta)[:N], y) / N
        theta = theta - rate * v
    gram, cross = j[:N] @ j[:N].mT, j[N:] @ j[:N].mT
    (at,) = descend(gram, cross, y, cost, GradientDescent(rate, momentum), [rate * 200], start=start)
    torch.testing.assert_close(torch.cat([at.train, at.test]), f_0 + j @ theta, rtol=0, atol=1e-11)  # type: ignore[list-item]
    # κ has no part where K has none, but for rounding.
    assert at.error_bound < (1e-7 if momentum else 1e-9)
    assert float((torch.cat([at.train, at.test]) - f_0 - j @ theta).abs().max()) < at.error_bound + 1e-11  # type: ignore[list-item]


@pytest.mark.parametrize("momentum", [0.9, 0.99])
@pytest.mark.parametrize("name", ["cross-entropy", "logistic", "huber"])
def test_bounds_stay_of_use_for_thousands_of_steps(name: str, momentum: float) -> None:
    """With η = 1/λ_1, a hundred and ten thousand times the edge of what is certain whatever the curvature."""
    cost, y = COSTS[name]
    assert cost.steepness > 20 * edge(momentum)
    (at,) = descend(GRAM, CROSS, y, cost, GradientDescent(1 / TOP, momentum), [3000 / TOP])
    # An error of a step is some 100 eps of I's size, K/N times which is f; they add up over steps, and v takes
    # 1/(1 − μ) of them to fade.
    assert at.error_bound < 3000 * 100 * 2.0**-52 * 40 / (1 - momentum) * float(at.train.abs().max() + 1)
    assert at.cost_bound <= cost.slope(y.shape[1]) * at.error_bound + 1e-12


def test_given_directions() -> None:
    """Constant between steps they are followed exactly: what `along` says."""
    d = torch.randn(2, N, 2, dtype=torch.float64, generator=GENERATOR)
    dynamics, times = GradientDescent(0.25), [0.75, 1.0, 2.5]
    way = descend(GRAM, CROSS, torch.cat([*d], dim=1), Direction(starts=(0, 4)), dynamics, times)
    for a, b in zip(way, along(GRAM, CROSS, Directions((1.0, 2.5), d), times), strict=True):
        for one, other in ((a.train, b.train), (a.test, b.test)):
            torch.testing.assert_close(one, other, rtol=0, atol=a.error_bound + b.error_bound)
        if a.time != 2.5:
            assert a.cost == pytest.approx(b.cost, abs=a.cost_bound + b.cost_bound)
            assert a.decrease == pytest.approx(b.decrease, abs=a.decrease_bound + b.decrease_bound)


def test_a_descent_that_diverges() -> None:
    """As the closed form does: right while it is a number, and inf from there on; never NaN."""
    dynamics = GradientDescent(2.5 / TOP)
    steps = (30, 600, 2000, 5000)
    way = descend(GRAM, CROSS, NUMBERS, LeastSquares(), dynamics, [dynamics.learning_rate * s for s in steps])
    early, late, *lost = list(way)
    closed = gaussian(Blocks(GRAM, CROSS), None, NUMBERS, [early.time, late.time], dynamics=dynamics, start="zero")
    for at in (early, late):
        mean = closed.train_at(at.time)
        size = float(mean.mean.abs().max())
        assert size > 1.5**at.steps / 100
        bound = at.error_bound + float(mean.mean_bound)
        torch.testing.assert_close(at.train, mean.mean, rtol=0, atol=bound)
        assert bound < 1e-8 * size
    for at in lost:
        assert at.test is not None
        assert bool(torch.cat([at.train, at.test]).isposinf().all())
        assert {at.cost, at.error_bound, at.decrease, at.cost_bound, at.decrease_bound} == {math.inf}


@pytest.mark.parametrize("bound", [1e200, math.inf])
def test_bounds_beyond_all_numbers_are_infinite(bound: float) -> None:
    """Where nothing can be said of f, a cost with a slope is known as far as f is, and its decrease not at all."""
    cost, y = COSTS["logistic"]
    at = Here(cost, y, torch.tensor(1.0), 1.0).at(0.0, torch.zeros_like(y), None, bound, 0)
    assert at.error_bound == bound
    assert at.cost_bound == pytest.approx(cost.slope(2) * bound)
    assert at.decrease_bound == math.inf


def test_duplicates() -> None:
    """Of a singular kernel: rows that are told the same have one value, and others stay between what they are told."""
    x = torch.cat([X[:3], X[:3]])
    y = torch.tensor([[1.0], [-1.0], [1.0], [1.0], [-1.0], [-1.0]]).double()
    gram, cross = infinite.kernel(ARCH, x).ntk, infinite.kernel(ARCH, OTHER, x).ntk
    *_, at = descend(gram, cross, y, Logistic(), GradientDescent(10.0), [20000.0])
    torch.testing.assert_close(at.train[:3], at.train[3:], rtol=0, atol=2 * at.error_bound)
    assert at.error_bound < 1e-7
    # Those that are fitted pull as long as they move: as 1/t.
    assert abs(float(at.train[2])) < 1e-4
    assert float((at.train * y)[:2].min()) > 5


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
def test_errors_do_not_grow_below_the_edge(momentum: float) -> None:
    """Of any matrices 0 ≤ M ≤ h, one after another: the norm that is claimed, and what it says of e."""
    r, mu, h = 4, momentum, edge(momentum)
    for part in (0.3, 1.0):
        e, w = torch.randn(2, r, generator=GENERATOR, dtype=torch.float64)
        before = math.inf
        for _ in range(200):
            basis, _ = torch.linalg.qr(torch.randn(r, r, generator=GENERATOR, dtype=torch.float64))
            m = basis * (h * part * torch.rand(r, generator=GENERATOR).round()) @ basis.mT
            norm = math.hypot(float((e + mu / (1 - mu) * w).norm()), mu**0.5 / (1 - mu) * float(w.norm()))
            assert norm <= before * (1 + 1e-12)
            assert float(e.norm()) <= Contraction(h, 1.0, mu, 1.0, moved=norm).reach * (1 + 1e-12)
            before = norm
            w = mu * w - m @ e
            e = e + w


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
def test_the_edge_is_where_the_norm_and_every_other_one_ends(momentum: float) -> None:
    """The circle criterion: 1/h + Re z/((z − 1)(z − μ)) > 0 on the circle, for 0 ≤ M ≤ h that change."""
    mu, h = momentum, edge(momentum)
    for part in (0.999, 1.001, 3.0):
        step = torch.tensor([[1 - part * h, mu], [-part * h, mu]], dtype=torch.float64)
        largest = abs(1 - part * h)
        if mu:
            to = torch.tensor([[1, mu / (1 - mu)], [0, mu**0.5 / (1 - mu)]], dtype=torch.float64)
            largest = float(torch.linalg.matrix_norm(to @ step @ torch.linalg.inv(to), 2))
        assert (largest > 1 + 1e-9) == (part > 1)
    angles = torch.logspace(-4, math.log10(math.pi), 4000, dtype=torch.float64)
    z = torch.polar(torch.ones_like(angles), angles)
    least = float((z / ((z - 1) * (z - mu))).real.min())
    # At the least angle, (angle/(1 − μ))² of it is missing.
    assert h * least == pytest.approx(-1.0, abs=2 * (1e-4 / (1 - mu)) ** 2 + 1e-7)


def maps(cost: Cost, f: torch.Tensor, y: torch.Tensor, rate: float, momentum: float) -> torch.Tensor:
    """A step of (Δw, ΔI), as one matrix."""
    k = f.shape[1]
    h = torch.block_diag(*cost.curvature(f, y)) @ torch.kron(GRAM / N, torch.eye(k, dtype=torch.float64))
    one = torch.eye(N * k, dtype=torch.float64)
    return torch.cat([torch.cat([momentum * one, -h], 1), torch.cat([rate * momentum * one, one - rate * h], 1)])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", COSTS)
def test_probes_are_no_less_than_what_they_stand_for(name: str, momentum: float) -> None:
    """√s ‖(ν_i r_i)_i‖ from all the maps; above it by what eight normal numbers can be, in units of their least."""
    cost, y = COSTS[name]
    k = cost.outputs(y.shape[1])
    rate, steps = 1.5 / TOP, 25
    found = Probes(Blocks(GRAM, CROSS), cost, rate, momentum, k)
    rows = torch.kron(torch.cat([GRAM, CROSS]) / N, torch.eye(k, dtype=torch.float64))
    covariance = torch.zeros(2 * N * k, 2 * N * k, dtype=torch.float64)
    for number in range(steps):
        f = torch.randn(N, k, generator=GENERATOR, dtype=torch.float64)
        wrong = 1.0 + number % 3
        new = torch.cat([torch.eye(N * k), rate * torch.eye(N * k)]).double() * wrong
        step = maps(cost, f, y, rate, momentum)
        covariance = step @ covariance @ step.mT + new @ new.mT
        found.after(Step(f, y, 1.0, wrong))
        exact = (rows @ covariance[N * k :, N * k :] @ rows.mT).diagonal().amax().sqrt() * (number + 1) ** 0.5
        assert float(exact) <= found.furthest()
        # Σ v² of eight is below 80 deviations² but for a chance of 10⁻¹³; of some hundred values.
        assert found.furthest() <= float(exact) * (80 / probes._LEAST) ** 0.5


def test_bounds_hold_where_steps_make_errors_grow() -> None:
    """Momentum and η beyond what is stable for least squares: errors grow, and the bound with them, no faster."""
    momentum, rate = 0.5, 3.3 / TOP
    times = [rate * s for s in (20, 100)]
    closed = gaussian(Blocks(GRAM, CROSS), None, NUMBERS, times, dynamics=GradientDescent(rate, momentum), start="zero")
    way = descend(GRAM, CROSS, NUMBERS, LeastSquares(), GradientDescent(rate, momentum), times)
    for at, (train, _) in zip(way, closed, strict=True):
        size = float(train.mean.abs().max())
        torch.testing.assert_close(at.train, train.mean, rtol=0, atol=at.error_bound + float(train.mean_bound))
        assert at.error_bound < 1e-9 * size


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_device(device: str, momentum: float) -> None:
    cost, y = COSTS["cross-entropy"]
    dynamics = GradientDescent(0.5, momentum)
    (at,) = descend(GRAM.to(device), CROSS.to(device), y.to(device), cost, dynamics, [50.0])
    (here,) = descend(GRAM, CROSS, y, cost, dynamics, [50.0])
    assert at.train.device.type == device
    torch.testing.assert_close(at.train.cpu(), here.train, rtol=0, atol=2 * here.error_bound)
    assert at.error_bound < 100 * here.error_bound


@pytest.mark.parametrize(
    ("times", "y", "said"),
    [
        ([0.3], NUMBERS, "no whole number of steps"),
        ([math.inf], NUMBERS, "finite"),
        ([1.0, 0.5], NUMBERS, "rise"),
        ([1.0], NUMBERS[1:], "row of finite numbers"),
        ([1.0], NUMBERS * math.nan, "row of finite numbers"),
    ],
)
def test_what_is_refused(times: list[float], y: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        descend(GRAM, CROSS, y, LeastSquares(), GradientDescent(0.5), times)
