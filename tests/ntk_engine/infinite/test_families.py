"""Whole networks of every activation against the printed recursion, on the pairs that lose digits first."""

from dataclasses import dataclass, fields
from math import inf, prod, sqrt

import pytest
import torch

from ntk_engine import infinite
from ntk_engine.activations import ACTIVATIONS, AnyActivation, Relu
from ntk_engine.activations.abrelu import ABRelu, Abs, LeakyRelu
from ntk_engine.activations.base import ClosedForm
from ntk_engine.activations.erf import Erf
from ntk_engine.activations.exponential import Exp
from ntk_engine.activations.gaussian import Gaussian
from ntk_engine.activations.gelu import Gelu
from ntk_engine.activations.polynomial import Hermite, Identity, Monomial, Polynomial
from ntk_engine.activations.rbf import Rbf
from ntk_engine.activations.rectified_power import RectifiedPower
from ntk_engine.activations.sine import Cos, Sin
from ntk_engine.activations.step import Sign, Step
from ntk_engine.architecture import mlp
from ntk_engine.infinite import codes
from tests.ntk_engine.infinite import textbook
from tests.ntk_engine.infinite.pairs import Pair, at_norm, excess, mixed, stacked

DEPTHS = (1, 2, 3, 5, 10, 20)
NORMS = (1e-6, 1e-3, 1e3, 1e6)
RELATIVE, ROUNDING = 1e-12, 1e-14


@dataclass(frozen=True)
class Case:
    """A family's parameters, a gain that keeps rows of norm 1 alive, a chaotic gain, and where kernels are finite."""

    activation: AnyActivation
    calm: float
    chaotic: float
    deepest: int = 20
    norms: tuple[float, ...] = NORMS
    betas: tuple[float, ...] = (0.0, 0.1, 1.0)

    def __str__(self) -> str:
        parameters = [getattr(self.activation, f.name) for f in fields(self.activation) if f.name != "type"]
        return f"{self.activation.type}{parameters or ''}"


def _power(power: int, deepest: int, norms: tuple[float, ...]) -> Case:
    # E[σ²] = (2p − 1)!!/2 for variance 1. The norm is raised to the power p by every layer.
    return Case(RectifiedPower(power), sqrt(2 / prod(range(1, 2 * power, 2))), 1.0, deepest, norms)


CASES = [
    Case(Relu(), sqrt(2), 3.0),
    Case(LeakyRelu(0.1), sqrt(2 / 1.01), 3.0),
    Case(ABRelu(-0.5, 2.0), sqrt(2 / 4.25), 3.0),
    Case(Abs(), 1.0, 3.0),
    Case(Step(), 1.0, 5.0),
    Case(Sign(), 1.0, 5.0),
    _power(0, 20, NORMS),
    _power(1, 20, NORMS),
    _power(2, 9, NORMS),
    _power(3, 6, (1e-6, 1e-3, 1e3)),
    _power(4, 5, (1e-3, 10.0)),
    _power(5, 4, (1e-3, 10.0)),
    Case(Erf(), 1.0, 4.0),
    Case(Erf(2.0, 0.5, 0.3), 1.0, 4.0),
    Case(Gelu(), 1.5, 4.0),
    Case(Sin(1.0, 1.0, 0.4), 1.0, 4.0),
    Case(Sin(), 1.0, 4.0),
    Case(Cos(), 1.0, 4.0),
    Case(Rbf(), 1.0, 4.0),
    Case(Gaussian(), 1.0, 4.0),
    # q ↦ σ_w² e^{2q} has a fixed point for σ_w² < 1/2e alone, and where it has one it is not chaotic.
    Case(Exp(), 0.1, 0.4, norms=(1e-6, 1e-3, 0.3), betas=(0.0, 0.1)),
    Case(Exp(-2.0, 0.5), 0.1, 0.2, norms=(1e-6, 1e-3, 0.3)),
    Case(Polynomial((0.5, -1.0, 0.0, 0.3)), 0.3, 0.6, betas=(0.0, 0.1)),
    Case(Monomial(3), 1.0, 2.0, 5, (1e-3, 1.0, 1e3)),
    Case(Hermite(4), 1.0, 1.5, 4),
    Case(Identity(), 1.0, 1.5),
]
JUMPS = (Step(), Sign(), RectifiedPower(0))
# Beyond these √(K(x,x) K(x',x')) of a kernel, doubles have fewer digits or none.
LEAST, MOST = 1e-290, 1e290


def deviations(
    case: Case, pairs: list[Pair], beta: float, sigma_w: float, depths: tuple[int, ...]
) -> list[tuple[float, str]]:
    """By how much entries miss, in units of what is allowed, and which entries.

    Allowed is 1e-12 of a value or, where terms cancel, 1e-14 of their scale.
    """
    left, right = stacked(pairs, torch.float64, "cpu")
    exact = [
        textbook.layers(case.activation, max(depths), beta, sigma_w, x, y)
        for x, y in zip(left.tolist(), right.tolist(), strict=True)
    ]
    found = []
    for depth in depths:
        k = infinite.kernel(mlp(depth, case.activation, beta, sigma_w), left, right)
        for pair, layers, nngp, ntk in zip(pairs, exact, k.nngp.diagonal(), k.ntk.diagonal(), strict=True):
            sigma, theta, sigma_scale, theta_scale = layers[depth - 1]
            for name, value, true, scale in (("nngp", nngp, sigma, sigma_scale), ("ntk", ntk, theta, theta_scale)):
                over = excess(value.item(), true, scale, RELATIVE, ROUNDING)
                if scale != 0 and not LEAST < scale < MOST:
                    continue
                where = f"{name} of {pair[0]} at depth {depth}, β = {beta}, σ_w = {sigma_w}"
                found.append((over, f"{where}: {value.item()!r}, not {true}"))
    return found


def assert_exact(case: Case, pairs: list[Pair], beta: float, sigma_w: float, depths: tuple[int, ...]) -> None:
    worst, what = max(deviations(case, pairs, beta, sigma_w, depths))
    assert worst <= 1, f"{what}: {worst:.3g} bounds"


def of_near_angles_and_other_norms(pair: Pair) -> bool:
    return pair[0].startswith("angle") and not pair[0].endswith("one norm")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_of_pair_at_every_depth(case: Case) -> None:
    depths = tuple(depth for depth in DEPTHS if depth <= case.deepest)
    for beta in case.betas:
        for sigma_w in (case.calm, case.chaotic):
            assert_exact(case, list(at_norm(1.0)), beta, sigma_w, depths)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_norms_do_not_matter(case: Case) -> None:
    depths = tuple(depth for depth in (1, 2, 3, 5) if depth <= min(case.deepest, 5))
    for norm in case.norms:
        for beta in (0.0, 0.1):
            assert_exact(case, list(at_norm(norm)), beta, case.calm, depths)
    for beta in (0.0, 0.1):
        assert_exact(case, list(mixed(min(case.norms), 1.0)), beta, case.calm, depths[:3])


@pytest.mark.parametrize("norm", [1e-12, 1e-6, 1e6])
@pytest.mark.parametrize("activation", JUMPS, ids=str)
def test_jumps_of_near_duplicates_of_other_norms(activation: AnyActivation, norm: float) -> None:
    """A jump turns an angle φ into √φ, and a rounding of the difference of two norms into its half, relative to it."""
    pairs = [pair for pair in at_norm(norm) if of_near_angles_and_other_norms(pair)]
    worst, what = max(deviations(Case(activation, 1.0, 5.0), pairs, 0.1, 1.0, (2, 3, 5, 20)))
    assert worst <= 1, f"{what}: {worst:.3g} bounds"


@pytest.mark.parametrize(
    "activation",
    [Sin(), Sin(1.0, 1.0, 0.4), Cos(), Rbf(), Gaussian(), Erf(), Erf(2.0, 0.5, 0.3)],
    ids=str,
)
@pytest.mark.parametrize("narrowed", [False, True])
@pytest.mark.parametrize("norm", [1e-3, 1.0, 1e6])
def test_chaos_of_near_duplicates_of_other_norms(
    activation: ClosedForm, norm: float, narrowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer magnifies the difference of two norms, and would magnify what rounding had done to it."""
    if narrowed and not activation.narrows:
        return
    monkeypatch.setattr(codes, "NARROWED", 0 if narrowed else inf)
    pairs = [pair for pair in at_norm(norm) if of_near_angles_and_other_norms(pair)]
    for sigma_w in (4.0, 30.0):
        worst, what = max(deviations(Case(activation, 1.0, 4.0), pairs, 0.1, sigma_w, (3, 10, 20)))
        assert worst <= 1, f"{what}: {worst:.3g} bounds"


def test_every_closed_form_is_tested() -> None:
    closed = {name for name, family in ACTIVATIONS.items() if family.facts.closed_form}
    assert closed == {case.activation.type for case in CASES}
