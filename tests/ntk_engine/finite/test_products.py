"""Kernels from what passed networks: compiled, and block by block, against the formula of Section 4 written out."""

import sys
from collections.abc import Iterator
from threading import Thread

import pytest
import torch
from torch import Tensor

from ntk_engine.compiled import library
from ntk_engine.finite.products import tangent
from ntk_engine.finite.reverse import Passed, Term

# Rows and columns of both sides (none: a Gram matrix), readouts, and neurons before and after each of the layers.
SHAPES = {
    "one input": (1, None, 1, [(3, 5)]),
    "one on one side": (1, 9, 2, [(3, 5), (5, 2)]),
    "less than a vector": (5, 3, 3, [(7, 1)]),
    "a piece and one more": (17, 40, 1, [(129, 257), (128, 1)]),
    "a square of several blocks": (530, None, 1, [(9, 6), (6, 300)]),
    "more columns than a block has": (33, 700, 2, [(5, 4)]),
    "readouts in one block": (40, None, 7, [(6, 33), (33, 10)]),
    "readouts in several blocks": (130, None, 5, [(4, 9)]),
}


@pytest.fixture(params=["compiled", "blocks"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "blocks":
        monkeypatch.setattr(library, "wide", lambda: False)
    elif not library.wide():
        pytest.skip("this processor has no 512-bit vectors")
    yield request.param


def passed(rows: int, readouts: int, sizes: list[tuple[int, int]], networks: int | None, dtype: torch.dtype) -> Passed:
    """Random neurons; the last layer's δ are those of every input, and the first α those of every network."""
    front, generator = () if networks is None else (networks,), torch.Generator().manual_seed(rows)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    terms = []
    for number, (before, after) in enumerate(sizes):
        alpha = draw(rows, before) if number == 0 else draw(*front, rows, before)
        # Every other number of a wider matrix: numbers of a row need not adjoin.
        delta = draw(*front, readouts, 1 if number + 1 == len(sizes) > 1 else rows, 2 * after)[..., ::2]
        terms.append(Term(0.3 + number, 0.7, alpha, delta))
    return Passed(draw(*front, rows, 1), draw(*front, readouts, 1), terms)


def written_out(a: Passed, b: Passed) -> Tensor:
    """Σ_ℓ [gain² αα' + shift²] δ_v·δ_v', …×r×N1×r×N2, in float64."""
    total = torch.zeros((), dtype=torch.float64)
    for one, other in zip(a.terms, b.terms, strict=True):
        weight = one.gain * other.gain * (one.alpha.double() @ other.alpha.double().mT) + one.bias * other.bias
        both = (side.delta.double().expand(*side.delta.shape[:-2], side.alpha.shape[-2], -1) for side in (one, other))
        back = torch.einsum("...pin,...qjn->...piqj", *both)
        total = total + weight[..., None, :, None, :] * back
    return total


def scale(a: Passed, b: Passed) -> float:
    """What roundings are in proportion to: lengths of rows, and of sums of n products √n roundings add up."""
    total = 0.0
    for one, other in zip(a.terms, b.terms, strict=True):
        alphas, deltas = (
            float(x.norm(dim=-1).max() * y.norm(dim=-1).max())
            for x, y in ((one.alpha, other.alpha), (one.delta, other.delta))
        )
        both = one.alpha.shape[-1] ** 0.5 + one.delta.shape[-1] ** 0.5
        total += (one.gain * other.gain * alphas + one.bias * other.bias) * deltas * (both + len(a.terms))
    return total


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("networks", [None, 3])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.usefixtures("way")
def test_the_formula(name: str, networks: int | None, dtype: torch.dtype) -> None:
    rows, cols, readouts, sizes = SHAPES[name]
    a = passed(rows, readouts, sizes, networks, dtype)
    b = a if cols is None else passed(cols, readouts, sizes, networks, dtype)
    expected, front = written_out(a, b), () if networks is None else (networks,)
    bound = torch.finfo(dtype).eps * scale(a, b)
    full = torch.full((*front, readouts, rows, readouts, cols or rows), torch.nan, dtype=dtype)
    tangent(a, b, full, full=True)
    torch.testing.assert_close(full.double(), expected, rtol=0, atol=bound)
    traces = torch.full((*front, rows, cols or rows), torch.nan, dtype=dtype)
    tangent(a, b, traces, full=False)
    wanted = expected.diagonal(dim1=-4, dim2=-2).sum(-1)
    torch.testing.assert_close(traces.double(), wanted, rtol=0, atol=readouts * bound)
    if cols is None:
        assert torch.equal(traces, traces.mT)
        assert torch.equal(full, full.movedim((-4, -3), (-2, -1)))


@pytest.mark.skipif(not library.wide(), reason="this processor has no 512-bit vectors")
@pytest.mark.parametrize("full", [True, False])
def test_layers_one_after_another_are_the_same_bits(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    a = passed(90, 3, [(5, 70), (70, 20), (20, 9)], 2, torch.float64)
    found = []
    for room in (2**28, 1):
        monkeypatch.setattr(sys.modules["ntk_engine.compiled.pairs"], "_PACKED", room)
        found.append(torch.empty((2, 3, 90, 3, 90) if full else (2, 90, 90), dtype=torch.float64))
        tangent(a, a, found[-1], full=full)
    assert torch.equal(*found)


@pytest.mark.usefixtures("way")
def test_a_kernel_may_be_part_of_a_matrix() -> None:
    a, b = (passed(rows, 2, [(4, 6), (6, 3)], None, torch.float64) for rows in (20, 31))
    room = torch.full((2, 50, 2, 60), torch.nan, dtype=torch.float64)
    tangent(a, b, room[:, 7:27, :, 11:42], full=True)
    alone = torch.empty(2, 20, 2, 31, dtype=torch.float64)
    tangent(a, b, alone, full=True)
    assert torch.equal(room[:, 7:27, :, 11:42], alone)
    assert torch.isnan(room).sum() == room.numel() - alone.numel()


@pytest.mark.parametrize("readouts", [1, 3])
def test_threads_change_no_bit(readouts: int) -> None:
    a = passed(300, readouts, [(50, 70), (70, 9)], 2, torch.float32)
    found = []
    for threads in (1, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            found.append(torch.empty(2, readouts, 300, readouts, 300))
            tangent(a, a, found[-1], full=True)
        finally:
            torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.skipif(not library.wide(), reason="this processor has no 512-bit vectors")
def test_a_thread_that_cannot_be_started_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    a = passed(600, 1, [(50, 70), (70, 9)], None, torch.float64)
    expected, found = (torch.empty(600, 600, dtype=torch.float64) for _ in range(2))
    tangent(a, a, expected, full=False)

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(Thread, "start", refuse)
        tangent(a, a, found, full=False)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, expected)
