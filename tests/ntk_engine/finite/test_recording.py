"""What is recorded while networks are trained, against what it means."""

import torch
from torch import Tensor

from ntk_engine.architecture import mlp
from ntk_engine.costs import LeastSquares
from ntk_engine.finite import Descent, Ending, Parameters, Recording, Rule, apply, follow, kernel, recording, weights
from ntk_engine.finite.parameters import parameters

GENERATOR = torch.Generator().manual_seed(2)
X = torch.randn(6, 3, dtype=torch.float64, generator=GENERATOR)
Y = torch.randn(6, 2, dtype=torch.float64, generator=GENERATOR)
ARCH = mlp(3, "identity", width=9)
SEEDS = (5, 8, 2)


def drawn() -> list[Tensor]:
    return weights(ARCH, 3, 2, SEEDS)


def one(params: Parameters, network: int) -> Parameters:
    return tuple(type(some)(some.weight[network], some.bias[network]) for some in params)


def trained(
    rate: float, steps: int, *measures: Recording, shift: Tensor | None = None
) -> tuple[Descent, dict[str, Tensor]]:
    descent = Descent(ARCH, drawn(), X, Y, LeastSquares(), Rule(learning_rate=rate), SEEDS, shift=shift)
    run = follow(descent, steps, measures)
    return descent, {item.name: run.stacked(item.name) for item in measures}


def test_drift_and_movement() -> None:
    first = parameters(drawn())
    descent, found = trained(
        0.2,
        4,
        Recording("kernel", (0, 4), recording.kernel_drift(ARCH, X, first)),
        Recording("weights", (4,), recording.parameter_drift(first)),
        Recording("neurons", (4,), recording.movement(ARCH, X, first)),
        Recording("numbers", (4,), recording.numbers),
    )
    assert found["kernel"].shape == (3, 2)
    assert torch.equal(found["kernel"][:, 0], torch.zeros(3, dtype=torch.float64))
    for network in range(3):
        before, after = one(first, network), one(descent.parameters, network)
        thetas = [kernel(ARCH, params, X, kernels=["ntk"], outputs="trace").ntk for params in (before, after)]
        near(found["kernel"][network, 1], (thetas[1] - thetas[0]).norm() / thetas[0].norm())
        for layer in range(3):
            then, now = before[layer].weight, after[layer].weight
            near(found["weights"][network, 0, layer], (now - then).norm() / then.norm())
        f = [apply(ARCH, params, X) for params in (before, after)]
        near(found["neurons"][network, 0, 2], (f[1] - f[0]).norm() / f[0].norm())
        flat = [torch.cat([some.weight, some.bias[:, None]], dim=1).flatten() for some in after]
        assert torch.equal(found["numbers"][network, 0], torch.cat(flat))


def near(found: Tensor, wanted: Tensor) -> None:
    """To the rounding of sums of a hundred squares, of differences of a tenth of what they are of."""
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0.0)


def test_projections_are_inner_products_over_the_inputs() -> None:
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=GENERATOR)).Q[:, :2] * 6**0.5
    descent, found = trained(0.2, 3, Recording("projections", (3,), recording.projections(ARCH, X, basis)))
    for network in range(3):
        f = apply(ARCH, one(descent.parameters, network), X)
        expected = torch.stack([(basis[:, m, None] * f).mean(0) for m in range(2)])
        torch.testing.assert_close(found["projections"][network, 0], expected, rtol=1e-12, atol=1e-14)


def test_networks_that_go_on_keep_their_own_beginning() -> None:
    """One of three diverges first; the others' drift is still from where each of them began."""
    first = parameters(drawn())
    shift = apply(ARCH, first, X)
    measures = (
        Recording("drift", range(60), recording.parameter_drift(first)),
        Recording("outputs", range(60), recording.outputs(ARCH, X, first)),
    )
    rates = [
        2.0 * 6 / torch.linalg.eigvalsh(kernel(ARCH, one(first, n), X, kernels=["ntk"], outputs="trace").ntk)[-1]
        for n in range(3)
    ]
    rate = 1.5 * float(torch.stack(rates).max())
    descent = Descent(ARCH, drawn(), X, Y, LeastSquares(), Rule(learning_rate=rate), SEEDS, shift=shift)
    run = follow(descent, 59, measures)
    assert Ending.DIVERGED in run.endings
    assert len(set(run.steps)) > 1
    for network, made in enumerate(run.steps):
        alone = Descent(
            ARCH,
            weights(ARCH, 3, 2, [SEEDS[network]]),
            X,
            Y,
            LeastSquares(),
            Rule(learning_rate=rate),
            [SEEDS[network]],
            shift=shift[network : network + 1],
        )
        mine = one(first, network)
        again = follow(alone, made - 1, [Recording("outputs", (made - 1,), recording.outputs(ARCH, X, batch(mine)))])
        got = run.recorded["outputs"][made - 1][network]
        torch.testing.assert_close(
            got, again.recorded["outputs"][made - 1][0], rtol=1e-9, atol=1e-9 * float(got.abs().max())
        )


def batch(params: Parameters) -> Parameters:
    return tuple(type(some)(some.weight[None], some.bias[None]) for some in params)


def test_a_centred_function_begins_at_zero() -> None:
    shift = apply(ARCH, parameters(drawn()), X)
    descent = Descent(ARCH, drawn(), X, Y, LeastSquares(), Rule(learning_rate=0.2), SEEDS, shift=shift)
    near(descent.look(), (0.5 * Y.square().sum(1)).mean().expand(3))
    relative = Descent(ARCH, drawn(), X, Y + shift[1], LeastSquares(), Rule(learning_rate=0.2), SEEDS)
    for _ in range(3):
        descent.look()
        descent.advance()
        relative.look()
        relative.advance()
    torch.testing.assert_close(descent.weights[0][1], relative.weights[0][1], rtol=1e-12, atol=1e-13)


def test_batches_of_a_centred_function_take_their_own_share() -> None:
    shift = apply(ARCH, parameters(drawn()), X)
    rule = Rule(learning_rate=0.2, batch_size=4)
    centred = Descent(ARCH, drawn(), X, Y, LeastSquares(), rule, SEEDS, shift=shift)
    found = centred.look()
    near(found, torch.stack([0.5 * Y[some].square().sum(1).mean() for some in centred._order[:, :4]]))
