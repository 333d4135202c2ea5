"""Real digits, against what other software found for them, and what it can't do: duplicated rows."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ntk_engine import function_space, infinite
from ntk_engine.architecture import mlp
from ntk_engine.function_space import Blocks

NETWORK = mlp(4, "relu", beta=0.1)
TIMES = [0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, float("inf")]


def blocks(x: torch.Tensor, test: torch.Tensor) -> tuple[Blocks, Blocks]:
    """Θ and Σ of the paper's ReLU network of four layers."""
    train, cross, own = (infinite.kernel(NETWORK, *pair) for pair in ((x,), (test, x), (test,)))
    return Blocks(train.ntk, cross.ntk, own.ntk), Blocks(train.nngp, cross.nngp, own.nngp)


@pytest.fixture(scope="module")
def labels(reference_data: Path) -> torch.Tensor:
    digits = torch.from_numpy(np.load(reference_data / "mnist_train10k.npz")["y"][:100])
    return torch.where(digits >= 5, 1.0, -1.0).double()


@pytest.fixture(scope="module")
def expected(reference_data: Path) -> dict[str, np.ndarray]:
    return dict(np.load(reference_data / "reference" / "nt_mnist_dynamics.npz"))


def what_a_diagonal_off_by(part: float, ntk: Blocks, y: torch.Tensor) -> float:
    """How far κK⁻¹y moves, to first order, with a diagonal of K that is off by this part of itself.

    That of the reference is, by 1.5e-8: it takes angles from cosines. It shows in means at late times alone.
    """
    assert ntk.cross is not None
    weights = torch.linalg.solve(ntk.train, ntk.cross.mT).abs()
    return float((weights.mT @ (part * ntk.train.diagonal() * torch.linalg.solve(ntk.train, y).abs())).max())


def test_the_reference_at_every_time(
    digits: dict[str, torch.Tensor], labels: torch.Tensor, expected: dict[str, np.ndarray], device: str
) -> None:
    ntk, nngp = blocks(digits["train"][:100].to(device), digits["test"][:30].to(device))
    g = function_space.gaussian(ntk, nngp, labels.to(device), expected["times"].tolist())
    late = what_a_diagonal_off_by(2e-8, ntk, labels.to(device))
    assert list(expected["times"]) == TIMES
    for i, (train, test) in enumerate(g):
        assert test is not None
        assert test.covariance is not None
        assert test.covariance_bound is not None
        np.testing.assert_allclose(
            test.mean[:, 0].cpu(), expected[f"mean_{i}"], rtol=0, atol=1e-9 if TIMES[i] <= 100 else late
        )
        np.testing.assert_allclose(test.covariance.cpu(), expected[f"cov_{i}"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(train.mean[:, 0].cpu(), expected[f"train_mean_{i}"], rtol=0, atol=late)
        assert max(float(train.mean_bound), float(test.mean_bound)) < 1e-9


def test_the_reference_at_every_time_on_its_own_diagonal(
    digits: dict[str, torch.Tensor], labels: torch.Tensor, expected: dict[str, np.ndarray]
) -> None:
    """Errors of its 100 diagonal entries are read off its means on training points, at times 10 to 10⁴: 400 numbers.

    With them its means on test points, which were not used, are the same to rounding, at every time.
    """
    ntk, nngp = blocks(digits["train"][:100], digits["test"][:30])

    def means(k: torch.Tensor) -> torch.Tensor:
        return function_space.gaussian(Blocks(k), None, labels, TIMES[2:6], covariance="none").train.mean.flatten()

    columns, part, exact = [], 1e-5, means(ntk.train)
    for i in range(100):
        k = ntk.train.clone()
        k[i, i] *= 1 + part
        columns.append((means(k) - exact) / part)
    theirs = torch.from_numpy(np.concatenate([expected[f"train_mean_{i}"] for i in range(2, 6)]))
    errors = torch.linalg.lstsq(torch.stack(columns, dim=1), (theirs - exact)[:, None]).solution[:, 0]
    assert float(errors.abs().max()) < 5e-8
    train = ntk.train * (1 + torch.diag(errors))
    g = function_space.gaussian(ntk._replace(train=train), nngp, labels, TIMES)
    for i, (train_part, test_part) in enumerate(g):
        assert test_part is not None
        np.testing.assert_allclose(test_part.mean[:, 0], expected[f"mean_{i}"], rtol=0, atol=1e-11)
        np.testing.assert_allclose(train_part.mean[:, 0], expected[f"train_mean_{i}"], rtol=0, atol=1e-11)


def test_the_posterior_of_the_nngp(
    digits: dict[str, torch.Tensor], labels: torch.Tensor, expected: dict[str, np.ndarray], device: str
) -> None:
    _, nngp = blocks(digits["train"][:100].to(device), digits["test"][:30].to(device))
    y = labels.to(device)
    last_layer = function_space.gaussian(nngp, nngp, y, [float("inf")]).test_at(float("inf"))
    for found in (last_layer, function_space.posterior(nngp, y)):
        assert found.covariance is not None
        np.testing.assert_allclose(found.mean[:, 0].cpu(), expected["nngp_mean_inf"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.covariance.cpu(), expected["nngp_cov_inf"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("t", [*TIMES, 1e12])
def test_duplicated_rows_are_one_row_with_the_mean_of_their_targets(
    digits: dict[str, torch.Tensor], labels: torch.Tensor, t: float
) -> None:
    """Each row twice, with targets y and 3y, is each row once with 2y: K/N has the same eigenvalues, and zeros."""
    x, test = digits["train"][:40], digits["test"][:10]
    y = labels[:40]
    once = function_space.gaussian(*blocks(x, test), 2 * y, [t]).test_at(t)
    twice = function_space.gaussian(*blocks(torch.cat([x, x]), test), torch.cat([y, 3 * y]), [t]).test_at(t)
    assert once.covariance is not None
    assert twice.covariance is not None
    torch.testing.assert_close(twice.mean, once.mean, rtol=0, atol=1e-11)
    torch.testing.assert_close(twice.covariance, once.covariance, rtol=0, atol=1e-11)
