"""Spectra and principal components through the service, against numpy on the matrices themselves."""

from typing import Any

import numpy as np
import pytest

from client import SpectrumResult
from ntkd import Client, JobFailed, ProblemError

EPS = np.finfo(float).eps
RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 3))
NEW = RNG.normal(size=(7, 3))
F = RNG.normal(size=(60, 2))
NETWORK: dict[str, Any] = {"depth": 3, "activation": "relu", "beta": 0.1}


def centring(n: int) -> np.ndarray:
    return np.eye(n) - np.full((n, n), 1 / n)


@pytest.fixture
def k(client: Client) -> np.ndarray:
    return client.kernel(X, **NETWORK).ntk


def with_components(client: Client, asked: dict[str, Any], options: dict[str, Any], *, stored: bool) -> SpectrumResult:
    """On new points too, of a stored kernel or of none."""
    if stored:
        asked["cross"] = client.kernel(NEW, X, **NETWORK).id
        return client.spectrum(client.kernel(X, **NETWORK), components=asked, **options)
    asked["at"] = client.dataset(NEW).id
    return client.spectrum_of(X, components=asked, **options, **NETWORK)


def sames(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    """Equal but for the sign of each column."""
    np.testing.assert_allclose(a * np.sign((a * b).sum(axis=0)), b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("top", [None, 5])
@pytest.mark.parametrize("stored", [False, True])
def test_components(client: Client, k: np.ndarray, centred: bool, top: int | None, stored: bool) -> None:
    """On the points, on new ones by Nyström, and of functions in terms of them; of a stored kernel and of none."""
    n, h = len(X), centring(len(X))
    functions = client.dataset(X, F)
    asked: dict[str, Any] = {"count": 3, "project": {"f": {"dataset": functions.id}, "x": {"dataset": functions.id}}}
    asked["project"]["x"]["array"] = "x"
    options: dict[str, Any] = {"top": top, "vectors": True, "centred": centred}
    found = with_components(client, asked, options, stored=stored)
    cross = client.kernel(NEW, X, **NETWORK).ntk
    matrix = h @ k @ h if centred else k
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(matrix / n))
    bound = found.error_bound("eigenvalues")
    assert bound is not None
    assert bound < 1e-11 * values[0]
    np.testing.assert_allclose(found.eigenvalues, values[:top], rtol=0, atol=bound + n * EPS * values[0])
    assert found.residuals.max() <= bound
    # Eigenvectors err by the residual over the gap, which for the first three of these is above a thousandth of λ_1.
    off = 1e3 * bound / values[0] * n**0.5
    f = vectors[:, :3] * n**0.5
    sames(found.array("components"), f, off)
    if centred:
        cross = (cross - k.mean(axis=0)) @ h
    sames(found.array("components_at"), cross @ f / n / values[:3], off * values[0] / values[2])
    own = found.array("components")
    for name, functions_ in (("f", F), ("x", X)):
        projected = own.T @ functions_ / n
        np.testing.assert_allclose(found.array(f"projections_{name}"), projected, atol=n * EPS)
        rest = ((functions_ - own @ projected) ** 2).mean(axis=0)
        np.testing.assert_allclose(found.array(f"outside_{name}"), rest, atol=n * EPS)


# Labels have no error, and bounds no bounds.
UNSTATED = {"clusters", *(f"{name}_bound" for name in ("eigenvectors", "components", "components_at", "decay",
                                                       "effective_dimension"))}  # fmt: skip


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("top", [None, 5])
@pytest.mark.parametrize("stored", [False, True])
def test_every_figure_states_its_error(
    client: Client, k: np.ndarray, centred: bool, top: int | None, stored: bool
) -> None:
    """And what numpy finds is within it, but for what numpy errs by."""
    n, h = len(X), centring(len(X))
    functions = client.dataset(X, F)
    asked: dict[str, Any] = {"count": 3, "project": {"f": {"dataset": functions.id}}}
    options: dict[str, Any] = {"top": top, "vectors": True, "centred": centred, "decay": (1, 4)}
    options |= {} if top else {"ridges": [1e-3, 1.0]}
    found = with_components(client, asked, options, stored=stored)
    bounds = {array.name: array.error_bound for array in found.job.arrays}
    # Of a centred matrix the least eigenvalue is 0, and the condition number has no bound.
    unknown = {"condition_number"} if centred and top is None else set()
    assert {name for name, bound in bounds.items() if bound is None} == (UNSTATED | unknown) & set(bounds)
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh((h @ k @ h if centred else k) / n))
    own = n * EPS * values[0]
    f = vectors[:, :3] * n**0.5
    off = found.array("components_bound")
    # numpy's residuals are about N eps over the least gap.
    slack = own / -np.diff(values[:4]).max()
    apart = found.array("components") - f * np.sign((f * found.array("components")).sum(axis=0))
    assert (np.sqrt((apart**2).mean(axis=0)) <= off + slack).all()
    assert np.abs(apart).max() <= bounds["components"] + slack * n**0.5
    assert off.max() <= 1e-9
    assert bounds["components_at"] <= 1e-8
    assert bounds["outside_f"] <= bounds["projections_f"] * 10 <= 1e-8
    assert found.array("effective_dimension_bound" if top is None else "decay_bound").max() <= 1e-9


@pytest.mark.parametrize("top", [None, 3])
def test_of_a_kernel_whose_errors_nobody_knows_nothing_is_claimed(client: Client, top: int | None) -> None:
    """A jump after an approximation: all is found, and only what was counted from vectors themselves has a bound."""
    network = ["dense", "tanh", "dense", "step", "dense"]
    asked = {"count": 2, "at": client.dataset(NEW).id, "project": {"f": {"dataset": client.dataset(X, F).id}}}
    options: dict[str, Any] = {"top": top, "vectors": True, "decay": (1, 3)} | ({} if top else {"ridges": [1.0]})
    found = client.spectrum_of(X, architecture=network, array="nngp", components=asked, **options)
    assert [array.name for array in found.job.arrays if array.error_bound is not None] == ["orthogonality"]
    assert np.isinf(found.array("components_at_bound")).all()


def test_numbers_of_a_spectrum(client: Client, k: np.ndarray) -> None:
    n, ridges = len(X), [1e-6, 1e-3, 10.0]
    found = client.spectrum(client.kernel(X, **NETWORK), vectors=True, ridges=ridges, decay=(3, 40))
    values = np.linalg.eigvalsh(k / n)[::-1]
    bound = n * EPS * values[0]
    assert found.value("largest_learning_rate") == pytest.approx(2 / values[0], rel=n * EPS)
    least, error = found.value("least_eigenvalue"), found.error_bound("least_eigenvalue")
    assert least == pytest.approx(values[-1], abs=bound)
    assert least > error > 0  # positive definite, and known to be
    assert (found.value("rank"), found.value("negative")) == (n, 0)
    # The least eigenvalue's own error is what the condition number errs by.
    assert found.value("condition_number") == pytest.approx(values[0] / values[-1], rel=2 * bound / values[-1])
    assert found.value("participation_ratio") == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=n * EPS)
    expected = [(values / (values + r)).sum() for r in ridges]
    # Each of n terms moves by at most the error of λ over the ridge.
    np.testing.assert_allclose(found.array("effective_dimension"), expected, rtol=0, atol=n * bound / 1e-6)
    i = np.arange(3, 41)
    slope = np.polyfit(np.log(i), np.log(values[2:40]), 1)[0]
    exponent, standard_error = found.array("decay")
    assert exponent == pytest.approx(-slope, rel=1e-9)
    assert 0 < standard_error < 1
    assert found.value("orthogonality") <= n * EPS
    assert found.value("eigenvalues") is None


def test_duplicates_are_singular_and_said_to_be(client: Client) -> None:
    found = client.spectrum_of(np.concatenate([X[:20], X[:20]]), **NETWORK)
    least, error = found.value("least_eigenvalue"), found.error_bound("least_eigenvalue")
    assert least is not None
    assert error is not None
    assert abs(least) <= error
    assert found.value("condition_number") == float("inf")
    assert found.value("rank") == 20


def test_a_circles_eigenspaces_are_spaces(client: Client) -> None:
    """Eigenvalues of the circle are double but for the constant's: clusters say so."""
    circle = client.dataset_from({"type": "circle", "points": 64})
    found = client.spectrum_of(circle, top=5, depth=2, beta=0.0)
    np.testing.assert_array_equal(found.array("clusters"), [0, 1, 1, 2, 2])


def test_a_trajectory_in_terms_of_components(client: Client) -> None:
    """What a trained network has learned of each component: g of the paper's Figure 3."""
    data = client.dataset(X, F)
    run = client.training(data, depth=3, width=16, learning_rate=0.1, steps=20, record={"outputs": {"every": 10}})
    asked = {"count": 2, "project": {"f": {"job": run.id, "array": "outputs"}}}
    found = client.spectrum_of(data, top=2, components=asked, **NETWORK)
    f = found.array("components")
    np.testing.assert_allclose(
        found.array("projections_f"), np.einsum("nm,stnk->stmk", f, run.outputs) / len(X), atol=len(X) * EPS
    )
    assert found.array("outside_f").shape == (1, 3, 2)


def test_components_that_rounding_made_are_none(client: Client) -> None:
    with pytest.raises(JobFailed, match="2 eigenvalues are above"):
        client.spectrum_of(np.concatenate([X[:2]] * 3), components={"count": 3}, **NETWORK)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"top": 61}, "/top"),
        ({"top": 0}, "/top"),
        ({"top": 3, "ridges": [1.0]}, "/ridges"),
        ({"ridges": [0.0]}, "/ridges/0"),
        ({"decay": [0, 9]}, "/decay"),
        ({"decay": [1, 2]}, "/decay"),
        ({"decay": [10, 61]}, "/decay"),
        ({"top": 9, "decay": [1, 10]}, "/decay"),
        ({"components": {"count": 0}}, "/components/count"),
        ({"components": {"count": 61}}, "/components/count"),
        ({"top": 2, "components": {"count": 3}}, "/components/count"),
        ({"centred": True, "components": {"count": 60}}, "/components/count"),
        ({"components": {"count": 3, "at": "0" * 32}}, "/components/at"),
        ({"components": {"count": 3, "cross": "00000000-0000-4000-8000-000000000000"}}, "/components/cross"),
        ({"components": {"count": 3, "project": {"f": {}}}}, "/components/project/f"),
        ({"components": {"count": 3, "project": {"F!": {"dataset": "0" * 32}}}}, "/components/project/F!"),
        ({"array": "cost"}, "/array"),
    ],
)
def test_what_does_not_fit_is_named(client: Client, options: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as refused:
        client.spectrum_of(X, **options, **NETWORK)
    assert [fault.pointer for fault in refused.value.problem.errors] == [pointer]


def test_new_points_and_functions_that_do_not_fit_are_named(client: Client) -> None:
    kernel, short = client.kernel(X, **NETWORK), client.dataset(X[:9], F[:9]).id
    for components, pointer in (
        ({"at": client.dataset(NEW[:, :2]).id}, "/components/at"),
        ({"project": {"f": {"dataset": short}}}, "/components/project/f"),
        ({"project": {"f": {"dataset": short, "array": "z"}}}, "/components/project/f/array"),
        ({"project": {"f": {"job": kernel.id, "array": "nothing"}}}, "/components/project/f/array"),
    ):
        with pytest.raises(ProblemError) as refused:
            client.spectrum_of(X, components={"count": 1, **components}, **NETWORK)
        assert [fault.pointer for fault in refused.value.problem.errors] == [pointer]
    with pytest.raises(ProblemError) as refused:
        client.spectrum(kernel, components={"count": 1, "at": short})
    assert [fault.pointer for fault in refused.value.problem.errors] == ["/components/at"]
    with pytest.raises(ProblemError) as refused:
        client.spectrum(client.spectrum(kernel, top=2))
    assert [fault.pointer for fault in refused.value.problem.errors] == ["/kernel"]
    for cross in (kernel.id, client.kernel(NEW, X[:9], **NETWORK).id):
        asked = {"count": 1, "cross": cross}
        if cross == kernel.id:
            assert client.spectrum(kernel, components=asked).array("components_at").shape == (60, 1)
            continue
        with pytest.raises(ProblemError) as refused:
            client.spectrum(kernel, components=asked)
        assert [fault.pointer for fault in refused.value.problem.errors] == ["/components/cross"]
