"""Layers in float32: against the same in float64, and against a bound on every rounding of theirs."""

import math

import pytest
import torch
from torch import Tensor

from ntk_engine import infinite
from ntk_engine.activations import parse
from ntk_engine.activations.base import ClosedForm
from ntk_engine.architecture import mlp
from ntk_engine.architecture import parse as network
from ntk_engine.infinite import codes, recursion, roots
from ntk_engine.infinite.recursion import Pairs
from ntk_engine.infinite.tiles import Tile
from tests.ntk_engine.infinite.roundings import U, layer

FAMILIES: tuple[object, ...] = (
    "relu",
    "abs",
    *({"type": "leaky_relu", "negative_slope": slope} for slope in (-0.1, 0.01, 0.3, 0.9, 1.0)),
)
UNBIASED = {"type": "dense", "beta": 0.0}
# What an entry may be off by: relative to itself or, where its terms cancel, in units of √(K(x,x) K(x',x')).
RELATIVE, SCALE = 1e-5, 5.4e-6
# Roots of rows: nearly equal, and very different.
ROOTS = (1e-3, 0.3, 1.0, 1.0 + 1e-6, 1.1, 1e3)
# What the product of the inputs takes from ρ, unless the angle is computed anew: see `infinite/angles.py`.
PRODUCT, NEAR = 8 * U, 2.0**-6
# Compiled or not, float64 differs by this.
DOUBLE = 1e-12


@pytest.fixture(autouse=True)
def evaluation() -> str:
    """What is not compiled is in float64."""
    return "compiled"


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    codes.prepare([parse("relu"), parse("abs")], [torch.float32])


class Grid:
    """Pairs of all rows and columns, these being the rows again and again, at many angles."""

    def __init__(self, dual: ClosedForm, beta: float, sigma_w: float, layers: int) -> None:
        small = 10.0 ** torch.arange(-17.0, -3.0, dtype=torch.float64)
        gap = torch.cat([small.new_zeros(1), small, torch.linspace(2e-3, 1.0, 31, dtype=torch.float64)])
        cosines = torch.cat([1.0 - gap, gap - 1.0])
        root = torch.tensor(ROOTS, dtype=torch.float64)
        before, biased = roots.through_dense(sigma_w, beta, torch.stack([root, root * 0.0]))
        brought, _ = roots.through_layers(dual, sigma_w, beta, layers, before)
        first, self.a = torch.stack(biased)[:, :, None], brought
        others, self.b = (item.repeat_interleave(len(cosines), dim=-1) for item in (torch.stack(biased), brought))
        rho, gap = (item.repeat(len(ROOTS)).expand(len(ROOTS), -1) for item in (cosines, torch.cat([gap, gap])))
        self.before = recursion.dense(first.unbind(), others[:, None].unbind(), Pairs(rho, gap, rho * 0.0))
        self.inputs = torch.where(gap < NEAR, 0.0, PRODUCT) * first[0] * others[0]
        self.dual, self.signs = dual, [True] + [not dual.nonnegative] * (layers - 1)

    def compiled(self, *, single: bool) -> Pairs:
        """After all layers."""
        tile = Tile(Pairs(*map(torch.clone, self.before)))
        tile.single = single
        assert codes.stack(self.dual, tile, self.a, self.b, self.signs)
        return tile.pairs

    def bounded(self, inputs: Tensor | float) -> tuple[Pairs, Pairs]:
        """The same, and what roundings come to with errors of ρ before that are `inputs`."""
        shape = self.before.rho.shape
        pairs = Pairs(*(item.reshape(-1) for item in self.before))
        errors = Pairs(*(item.abs() * U + torch.as_tensor(inputs).expand(shape).reshape(-1) for item in pairs))
        for a, b, signed in zip(self.a, self.b, self.signs, strict=True):
            rows = ([row.expand(shape).reshape(-1) for row in side] for side in (a[:, :, None], b[:, None]))
            pairs, errors = layer(self.dual, *rows, pairs, errors, signed=signed)
        return Pairs(*(item.view(shape) for item in pairs)), Pairs(*(item.view(shape) for item in errors))

    def scale(self) -> Tensor:
        """√(τ(x,x) τ(x',x'))."""
        own = []
        for side in (self.a, self.b):
            theta = torch.ones(side.shape[2], dtype=torch.float64)
            for rows in side:
                theta = rows[-4].square() * theta + 1.0
            own.append(theta.sqrt())
        return own[0][:, None] * own[1]


@pytest.mark.parametrize("sigma_w", [0.5, math.sqrt(2.0)])
@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_roundings_are_below_their_bound_and_that_below_what_is_allowed(
    family: object, beta: float, sigma_w: float
) -> None:
    for layers in (1, 2, codes.SINGLE):
        grid = Grid(parse(family), beta, sigma_w, layers)
        exact, found = grid.compiled(single=False), grid.compiled(single=True)
        (pairs, roundings), (_, errors) = grid.bounded(0.0), grid.bounded(grid.inputs)
        assert not torch.equal(found.tau, exact.tau)
        scales = {"rho": torch.ones_like(exact.rho), "gap": exact.gap, "tau": grid.scale()}
        for name, scale in scales.items():
            value, single, twin, rounding, error = (
                getattr(of, name) for of in (exact, found, pairs, roundings, errors)
            )
            assert bool(((twin - value).abs() <= DOUBLE * scale).all())
            assert bool(((single - value).abs() <= rounding + DOUBLE * scale).all())
            assert name == "gap" or bool((error <= torch.maximum(RELATIVE * value.abs(), SCALE * scale)).all())


def test_networks_eight_times_as_deep_may_be_off_by_more() -> None:
    grid = Grid(parse("relu"), 0.1, math.sqrt(2.0), 8 * codes.SINGLE)
    value, errors = grid.bounded(grid.inputs)
    assert bool((errors.tau > torch.maximum(RELATIVE * value.tau.abs(), SCALE * grid.scale())).any())


def extreme() -> Tensor:
    """Rows of all norms that float32 holds: nearly equal, opposite, nearly opposite ones among them, and zeros."""
    x = torch.tensor([[0.3, -1.1, 0.7], [1.3, 0.2, -0.4]], dtype=torch.float64)
    units = [x[0], -x[0], x[1], x[0] + 1e-7 * x[1], -x[0] - 1e-7 * x[1]]
    units += [torch.tensor(row, dtype=torch.float64) for row in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1e-25, 1.0, 0.0])]
    units += [torch.tensor([-1.0, angle, 0.0], dtype=torch.float64) for angle in (1e-8, 1e-12, 1e-18)]
    rows = [norm * unit for norm in (1e-37, 1e-18, 1.0, 1e18, 1e37) for unit in units]
    return torch.stack([*rows, 0.0 * x[0]]).float()


@pytest.mark.parametrize("beta", [0.0, 1e-30, 0.1, 1e30])
@pytest.mark.parametrize("depth", [2, 3, 8])
@pytest.mark.parametrize(
    ("a", "b"), [(0.0, 1.0), (1e-15, 1.0), (1e-30, 1.0), (1.0, 1.0 + 1e-12), (-1.0, 1.0 + 1e-10), (1.0, 1.0)]
)
def test_what_float32_does_not_hold_is_right(a: float, b: float, depth: int, beta: float) -> None:
    """Numbers far below 1 whose products are entries: as of inputs nearly opposite, and of large ones with a bias."""
    sigma, x = parse({"type": "abrelu", "a": a, "b": b}), extreme()
    arch = mlp(depth, "relu" if (a, b) == (0.0, 1.0) else sigma, beta)
    assert codes.single(arch, torch.float32)
    found, exact, own = infinite.kernel(arch, x), infinite.kernel(arch, x.double()), infinite.diagonal(arch, x.double())
    for name, array in exact.arrays.items():
        scale = own.arrays[name].sqrt()
        cancelling = SCALE * scale[:, None] * scale
        if name == "nngp" and depth == 2 and a <= 0.0:
            cancelling = cancelling * 1e-50  # no term is negative; exactly opposite rows are left an angle of 1e-24
        allowed = torch.maximum(RELATIVE * array.abs(), cancelling).clamp_min(torch.finfo(torch.float32).tiny)
        error = (found.arrays[name].double() - array).abs()
        assert bool((error <= allowed).masked_fill(array.float().isinf(), True).all())
        assert torch.equal(found.arrays[name].isinf(), array.float().isinf())


@pytest.mark.parametrize(
    "layers",
    [
        [UNBIASED, "relu", {"type": "dense", "beta": 0.1}],
        [UNBIASED, {"type": "abrelu", "a": 1e-44, "b": 1.0}, UNBIASED],
    ],
    ids=str,
)
def test_of_opposite_inputs_a_small_number_of_the_layers_is_all_that_is_left(layers: list[object]) -> None:
    """β² and −ab/2 q, of which γγ' and ab are far below what float32 holds."""
    arch, x = network(layers), torch.tensor([[1e37, 0.0], [-1e37, 0.0]])
    assert codes.single(arch, torch.float32)
    found, exact = (infinite.kernel(arch, x.to(dtype)).nngp[0, 1].item() for dtype in (torch.float32, torch.float64))
    assert found == pytest.approx(exact, rel=RELATIVE, abs=0.0)


@pytest.mark.parametrize(
    ("layers", "allowed"),
    [
        (["dense", "relu", "dense", {"type": "leaky_relu"}, "dense", "abs", "dense"], True),
        (["dense", {"type": "layer_norm"}, "relu", "dense"], True),
        (["dense", "relu", "dense", "tanh", "dense"], False),
        (["dense", "relu", "dense", "erf", "dense"], False),
        (["dense", {"type": "residual", "layers": ["relu", "dense"]}, "relu", "dense"], False),
        (["dense", *["relu", "dense"] * (codes.SINGLE + 1)], False),
    ],
    ids=str,
)
def test_networks_of_few_rectifiers_may_be_in_float32(layers: list[object], allowed: bool) -> None:
    arch = network(layers)
    assert codes.single(arch, torch.float32) == allowed
    assert not codes.single(arch, torch.float64)


def test_what_is_deeper_is_in_float64() -> None:
    """At 10⁴ layers float32 would be far off; Arora et al.'s limit of the cosine is 1/4."""
    x = torch.eye(2)
    found, exact = (infinite.kernel(mlp(10_000, "relu", 0.0, math.sqrt(2.0)), item).ntk for item in (x, x.double()))
    torch.testing.assert_close(found, exact.float(), rtol=2 * U, atol=0.0)
