"""Taylor expansions while they are trained: the first order against its kernel, the second against plain autograd."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares
from ntk_engine.finite import Around, Descent, Rule, apply, follow, kernel, recording, weights
from ntk_engine.finite.parameters import parameters

GENERATOR = torch.Generator().manual_seed(2)
X = torch.randn(6, 3, dtype=torch.float64, generator=GENERATOR)
Y = torch.randn(6, 1, dtype=torch.float64, generator=GENERATOR)
PROBES = torch.randn(4, 3, dtype=torch.float64, generator=GENERATOR)
ARCH = mlp(3, "erf", width=9)
SEEDS = (5, 8)
RATE, STEPS = 0.4, 25


def trained(order: int) -> tuple[Descent, dict[str, Tensor]]:
    start = weights(ARCH, 3, 1, SEEDS)
    around = Around(order, start)
    rule = Rule(learning_rate=RATE)
    copies = [item.clone() for item in start]
    descent = Descent(ARCH, copies, X, Y, LeastSquares(), rule, SEEDS, around=around)
    item = recording.Recording("outputs", (0, STEPS), recording.outputs(ARCH, PROBES, around=around))
    run = follow(descent, STEPS, [item])
    return descent, {"cost": run.cost, "outputs": run.stacked("outputs")}


def test_the_first_order_follows_the_kernel_at_the_start() -> None:
    """f_{t+1} = f_t − (η/N) Θ_0 (f_t − y), on the inputs and beside them."""
    _, found = trained(1)
    for network, seed in enumerate(SEEDS):
        theta_0 = tuple(type(some)(some.weight[0], some.bias[0]) for some in parameters(weights(ARCH, 3, 1, [seed])))
        gram = kernel(ARCH, theta_0, X, outputs="trace").ntk
        cross = kernel(ARCH, theta_0, PROBES, X, outputs="trace").ntk
        f, g = apply(ARCH, theta_0, X), apply(ARCH, theta_0, PROBES)
        costs = [0.5 * (f - Y).square().mean()]
        for _ in range(STEPS):
            g = g - RATE / 6 * cross @ (f - Y)
            f = f - RATE / 6 * gram @ (f - Y)
            costs.append(0.5 * (f - Y).square().mean())
        # Twenty-five steps, each a sum of some hundred products of numbers of order one.
        torch.testing.assert_close(found["cost"][network], torch.stack(costs), rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(found["outputs"][network, 1], g, rtol=1e-11, atol=1e-12)


def test_the_second_order_is_its_own_gradient_descent() -> None:
    """Against autograd through f_0 + J δ + ½ δᵀHδ, with J and H as full matrices."""
    descent, _ = trained(2)
    start = weights(ARCH, 3, 1, SEEDS[:1])
    shapes, sizes = [item.shape for item in start], [item.numel() for item in start]
    theta_0 = torch.cat([item.flatten() for item in start])

    def function(theta: Tensor) -> Tensor:
        parts = [part.view(shape) for part, shape in zip(theta.split(sizes), shapes, strict=True)]
        return apply(ARCH, parameters(parts), X)[0]

    f_0, jacobian = function(theta_0), torch.func.jacrev(function)(theta_0)
    hessian = torch.func.jacrev(torch.func.jacrev(function))(theta_0)
    theta = theta_0.clone()
    for _ in range(STEPS):
        change = theta - theta_0
        f = f_0 + jacobian @ change + 0.5 * torch.einsum("nkpq,p,q->nk", hessian, change, change)
        slope = jacobian + torch.einsum("nkpq,q->nkp", hessian, change)
        theta = theta - RATE * torch.einsum("nk,nkp->p", (f - Y) / 6, slope)
    made = torch.cat([item[0].flatten() for item in descent.weights])
    torch.testing.assert_close(made, theta, rtol=0, atol=1e-11)


@pytest.mark.parametrize("order", [1, 2])
def test_it_begins_where_the_network_does(order: int) -> None:
    _, found = trained(order)
    start = parameters(weights(ARCH, 3, 1, SEEDS))
    torch.testing.assert_close(found["outputs"][:, 0], apply(ARCH, start, PROBES), rtol=0, atol=1e-14)


def test_a_wide_network_stays_near_its_first_order() -> None:
    """Closer by 1/√n at least (Lee et al., 2019), by 1/n typically (Huang, Yau, 2020): for 16 times the width."""
    apart = []
    for width in (32, 512):
        arch = mlp(3, "erf", width=width)
        start = weights(arch, 3, 1, SEEDS)
        rule = Rule(learning_rate=RATE)
        both = [
            follow(Descent(arch, [w.clone() for w in start], X, Y, LeastSquares(), rule, SEEDS, around=around), STEPS)
            for around in (None, Around(1, start))
        ]
        f, expanded = (run.weights for run in both)
        outputs = apply(arch, parameters(f), X), Around(1, start).value(arch, expanded, X)
        apart.append((outputs[0] - outputs[1]).norm().item())
    assert 4 < apart[0] / apart[1] < 64


FIRST = """
import sys, torch
from ntk_engine.architecture import parse
from ntk_engine.costs import LeastSquares
from ntk_engine.finite import Around, Descent, Rule, follow, recording, weights

dropout, scale = {"type": "dropout", "rate": 0.5}, {"type": "scale", "factor": 2.0}
x, arch = torch.ones(4, 3), parse(["dense", "layer_norm", "tanh", dropout, scale, "dense"])
start = weights(arch, 3, 1, [0], width=5, dtype=x.dtype)
around = Around(1, start)
made = Descent(arch, [w + 1 for w in start], x, x[:, :1], LeastSquares(), Rule(learning_rate=0.1), [0], around=around)
follow(made, 2, [recording.Recording("outputs", (1,), recording.outputs(arch, x, around=around))])
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_the_first_order_loads_no_compiler_of_torchs() -> None:
    """Which takes seconds, and which nothing here needs."""
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
