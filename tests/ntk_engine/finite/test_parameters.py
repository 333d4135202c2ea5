"""Parameters as drawn: reproducible, independent, of the right deviations."""

import pytest
import torch

from ntk_engine import finite
from ntk_engine.architecture import mlp, parse
from ntk_engine.finite import init, parameters
from ntk_engine.finite.parameters import generators
from tests.ntk_engine.finite.cases import standard


def test_equal_seeds_are_equal_networks(device: str) -> None:
    one, again, other = (finite.init(mlp(3, width=5), 2, 4, seed=seed, device=device) for seed in (3, 3, 4))
    assert [tuple(some.weight.shape) for some in one] == [(5, 2), (5, 5), (4, 5)]
    assert [tuple(some.bias.shape) for some in one] == [(5,), (5,), (4,)]
    for some, same, others in zip(one, again, other, strict=True):
        assert torch.equal(some.weight, same.weight)
        assert torch.equal(some.bias, same.bias)
        assert not torch.equal(some.weight, others.weight)


def test_layers_are_drawn_from_streams_of_their_own() -> None:
    """A further layer leaves those before it as they are, and no two are alike."""
    short, long = (finite.init(mlp(depth, width=5), 5, 5, seed=3) for depth in (2, 30))
    assert torch.equal(short[1].weight, long[1].weight)
    assert len({some.weight[0, 0].item() for some in long}) == 30


def test_any_seed_will_do() -> None:
    for seed in (0, 2**31, 2**64 + 1, 10**40):
        assert len({stream.initial_seed() for stream in generators(seed, 3)}) == 3


def test_standard_parameters_have_the_deviations() -> None:
    arch = parse([standard(400, beta=0.5, sigma_w=2.0), "relu", standard(400, beta=0.0)])
    first, last = finite.init(arch, 100, 400, seed=1)
    # The deviation of a deviation over n numbers is 1/√(2n) of it; five of them, one in two million.
    for found, expected in ((first.weight, 0.2), (first.bias, 0.5), (last.weight, 0.05)):
        assert abs(found.std().item() / expected - 1) < 5 / (2 * found.numel()) ** 0.5
    assert not last.bias.any()


def test_large_layers_are_drawn_in_pieces_that_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = mlp(3, width=67)
    whole = init(arch, 5, 3, 1)
    monkeypatch.setattr(parameters, "_DRAWN", 67 * 16)
    for one, other in zip(init(arch, 5, 3, 1), whole, strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.bias, other.bias)


def test_weights_go_to_a_row_of_numbers_and_back() -> None:
    arch = mlp(3, width=7)
    drawn = parameters.weights(arch, 5, 2, [3, 4], dtype=torch.float32)
    flat = parameters.flattened(drawn)
    assert flat.shape == (2, 6 * 7 + 8 * 7 + 8 * 2)
    again = parameters.unflattened(flat, parameters.empty(arch, 5, 2, 2, dtype=torch.float32))
    assert all(map(torch.equal, again, drawn))
    assert torch.equal(drawn[1][1, :, :-1], init(arch, 5, 2, 4)[1].weight.float())
