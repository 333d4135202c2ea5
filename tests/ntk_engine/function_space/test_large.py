"""The end of training by conjugate gradients, against the dense solution."""

import pytest
import torch
from torch import Tensor

from ntk_engine import infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space.conjugate import NoSolutionError, solve
from ntk_engine.function_space.held import Held
from ntk_engine.function_space.large import ended
from ntk_engine.function_space.pivoted import pivoted
from ntk_engine.function_space.two_words import product

GENERATOR = torch.Generator().manual_seed(5)
# More than a panel that is held, and than a tile that is not.
X, OTHER = (torch.randn(n, 6, generator=GENERATOR, dtype=torch.float64) for n in (1100, 9))
Y = torch.sin(X[:, :3])
ARCH = mlp(3, beta=0.1)


@pytest.fixture(scope="module")
def gram() -> Tensor:
    return infinite.kernel(ARCH, X).ntk


def test_a_held_kernel_multiplies(gram: Tensor) -> None:
    v = torch.randn(len(X), 4, generator=GENERATOR, dtype=torch.float64) * 1e-30
    found = Held(ARCH, X, "ntk")(v)
    assert found.dtype == torch.float64
    # Entries and numbers of v are rounded to float32, and as many as N products are added up.
    scale = float(gram.abs().max() * v.abs().max()) * len(X)
    torch.testing.assert_close(found, gram @ v, rtol=0, atol=2.0**-23 * scale)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_columns_find_most_of_a_kernel(gram: Tensor, shift: float) -> None:
    """With all columns the preconditioner is the inverse; with few it narrows the spectrum."""
    whole = gram[:150, :150]
    all_of_it = pivoted(whole.diagonal(), lambda some: whole[:, some], 150, shift)
    some = pivoted(whole.diagonal(), lambda picked: whole[:, picked], 40, shift)
    assert some.basis.shape[1] <= 40
    shifted = whole + shift * torch.eye(150, dtype=torch.float64)
    image = torch.stack([some.apply(column[:, None])[:, 0] for column in shifted.mT], dim=1)
    eigenvalues = torch.linalg.eigvals(image).real
    before = torch.linalg.cond(shifted)
    assert float(eigenvalues.max() / eigenvalues.min()) < 0.2 * float(before)
    if shift:
        torch.testing.assert_close(all_of_it.apply(shifted @ Y[:150]), Y[:150], rtol=0, atol=1e-2)


@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_residuals_are_known_to_their_bound(gram: Tensor, ridge: float) -> None:
    """Against products in two words, which err by far less; where residuals are all but rounding, too."""
    shifted = gram + len(X) * ridge * torch.eye(len(X), dtype=torch.float64)
    for tolerance in (1e-6, 1e-12):
        fitted = ended(ARCH, X, Y, ridge=ridge, tolerance=tolerance, rank=200)
        image = product(shifted, fitted.weights)
        exact = ((Y - image.high) - image.low).norm(dim=0) / Y.norm(dim=0)
        missed = float((fitted.residuals - exact).abs().max())
        # 4√N eps of tr K ‖w‖ over the targets' norm, and their own rounding: what K w would be, if nothing cancelled.
        relative = 4 * len(X) ** 0.5 * 2.0**-52
        most = gram.trace() * fitted.weights.norm(dim=0) / Y.norm(dim=0) + 2
        assert missed <= fitted.residuals_bound <= relative * float(most.max())


@pytest.mark.parametrize(("kernel", "ridge"), [("ntk", 0.0), ("ntk", 1e-3), ("nngp", 0.01)])
def test_the_dense_solution(kernel: str, ridge: float) -> None:
    k = infinite.kernel(ARCH, X, kernels=[kernel]).arrays[kernel]
    cross = infinite.kernel(ARCH, OTHER, X, kernels=[kernel]).arrays[kernel]
    k.diagonal().add_(len(X) * ridge)
    expected = cross @ torch.linalg.solve(k, Y)
    for tolerance in (1e-4, 1e-11):
        fitted = ended(ARCH, X, Y, kernel=kernel, ridge=ridge, tolerance=tolerance, rank=200)
        assert float(fitted.residuals.max()) <= tolerance
        rest = (Y - k @ fitted.weights).norm(dim=0) / Y.norm(dim=0)
        # By whole matrices: other sums of the same products.
        torch.testing.assert_close(fitted.residuals, rest, rtol=1e-3, atol=1e-13)
        whole = k @ fitted.weights - len(X) * ridge * fitted.weights
        # Two products with w, of N terms each.
        rounding = 2 * len(X) * 2.0**-52 * float(k.abs().max() * fitted.weights.abs().max())
        torch.testing.assert_close(fitted.trained, whole, rtol=0, atol=rounding)
        found = fitted.at(OTHER)
        missed = float((found.mean - expected).abs().max())
        # The dense solution errs too, by some 1e-13.
        assert missed <= found.error_bound + 1e-12
        assert found.error_bound < 100 * tolerance


def test_a_singular_kernel_that_is_told_two_things_has_no_solution() -> None:
    x = torch.cat([X[:50], X[:50]])
    y = torch.cat([Y[:50], -Y[:50]])
    with pytest.raises(NoSolutionError, match="singular"):
        ended(ARCH, x, y, rank=30)
    # With a ridge there is one: the mean of what they are told.
    fitted = ended(ARCH, x, y + 1.0, ridge=1e-3, rank=30)
    once = ended(ARCH, X[:50], torch.ones(50, 3, dtype=torch.float64), ridge=1e-3, rank=30)
    torch.testing.assert_close(fitted.at(OTHER).mean, once.at(OTHER).mean, rtol=0, atol=1e-8)


def test_nothing_to_learn() -> None:
    found = solve(lambda v: v, lambda v: v, lambda v: v, torch.zeros(4, 2, dtype=torch.float64), 1e-12)
    assert torch.equal(found.weights, torch.zeros(4, 2, dtype=torch.float64))
    assert (found.iterations, found.rounds) == (0, 0)
