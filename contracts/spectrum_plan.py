"""What a spectrum stores and costs: a decomposition of the whole matrix, or products with it for the top."""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from contracts import spectrum_spread
from contracts.plan import (
    SECONDS_PER_FLOP,
    SECONDS_PER_STORED_BYTE,
    SECONDS_PER_TILE_AND_LAYER,
    ArrayPlan,
    PartPlan,
    Plan,
    check_limits,
)
from contracts.settings import MIB, Settings
from contracts.spectrum_sizes import Sizes
from contracts.tiling import check_layers, pairs_seconds

if TYPE_CHECKING:
    from contracts.spectra import SpectrumSpec

TILE = 512
# Products with the matrix that a block Krylov iteration is expected to take, with those that probe what is beneath.
EXPECTED_PASSES = 23
# Columns that it multiplies at once and those of its basis, as functions of `top`; see ntk_engine.spectrum.top.
LEAST_BLOCK, LEAST_BASIS, BASIS_BLOCKS = 16, 128, 3
# Peaks measured at N = 2,048 and 3,072, above what the worker holds before: matrices for all eigenvalues (2.9), for
# the eigenvectors too (6.3, with LAPACK's workspace of two), and for the top the basis' columns (9.2: two bases, each
# beside its successor, and the blocks' temporaries) and panels of the stored matrix (4.8: as sent, as read, as used).
MATRICES, MATRICES_WITH_VECTORS, BASES, PANELS = 3, 7, 10, 5
# Matrices beside these where the features are centred, or the kernel is computed.
CENTRED, COMPUTED = 2, 1
# Bytes of tiles that are computed, multiplied and thrown away; what the matrix itself may take of a worker's memory.
TILES_BYTES, HELD_SHARE = 256 * MIB, 0.5
# Copies of a cross matrix, and of functions that are projected.
CROSSES, FUNCTIONS = 3, 3
# Reading a stored matrix once costs about this much, beside which the products do not show.
SECONDS_PER_READ_BYTE = 1 / 250e6


class Method(NamedTuple):
    """How a spectrum is found, in one core's seconds and bytes.

    "dense": all of the matrix is decomposed; "held": it is in memory, and multiplied; "streamed": so are its panels or
    tiles, which are read or computed for every product.
    """

    name: str
    seconds: float
    memory: int


def plan(spec: "SpectrumSpec", sizes: Sizes, limits: Settings) -> Plan:
    """Arrays, the one part, and cost; raises ProblemError for what no worker, or no array, holds."""
    if spec.architecture is not None:
        check_layers(spec.architecture, int(limits.max_job_seconds / SECONDS_PER_TILE_AND_LAYER))
    arrays = tuple(_arrays(spec, sizes))
    method = _method(spec, sizes, limits)
    stored = sum(array.stored_bytes for array in arrays) * SECONDS_PER_STORED_BYTE
    seconds, memory = stored + method.seconds, method.memory
    if sizes.new:
        memory += 8 * CROSSES * sizes.new * sizes.points
        seconds += _kernel_seconds(spec, sizes, sizes.new * sizes.points)
    memory += 8 * FUNCTIONS * max((prod(shape) for shape in sizes.projected.values()), default=0)
    memory += sum(array.stored_bytes for array in arrays if array.name.startswith(("projections_", "outside_")))
    pointer, count = "/kernel" if spec.dataset is None else "/dataset", _bands(spec, sizes, method)
    if spec.top is not None and count > 1:
        width, columns = _width(spec.top), _basis(spec.top)
        scratch = tuple(spectrum_spread.arrays(sizes.points, width, columns, count))
        parts = tuple(spectrum_spread.parts(sizes, count, TILE if sizes.matrix is None else sizes.matrix.tile_rows))
        memory += 8 * sizes.points * width
        return check_limits(Plan(arrays + scratch, parts, "products", seconds, memory), limits, pointer)
    part = PartPlan({"method": method.name}, spec.top or sizes.points)
    return check_limits(Plan(arrays, (part,), "eigenvalues", seconds, memory), limits, pointer)


def needs_vectors(spec: "SpectrumSpec") -> bool:
    """Whether eigenvectors are found: they are for the top, whose eigenvalues are known by their residuals."""
    return spec.vectors or spec.components is not None or spec.top is not None


def _arrays(spec: "SpectrumSpec", sizes: Sizes) -> Iterator[ArrayPlan]:
    n, count = sizes.points, spec.top or sizes.points
    yield _vector("eigenvalues", count)
    yield _vector("clusters", count)
    yield _vector("largest_learning_rate", 1)
    if needs_vectors(spec):
        yield _vector("residuals", count)
        yield _vector("orthogonality", 1)
    if spec.vectors:
        yield ArrayPlan("eigenvectors", (n, count), "float64", TILE, TILE)
        yield _vector("eigenvectors_bound", count)
    if spec.top is None:
        for name in ("least_eigenvalue", "negative", "rank", "condition_number", "participation_ratio"):
            yield _vector(name, 1)
    if spec.ridges:
        yield _vector("effective_dimension", len(spec.ridges))
        yield _vector("effective_dimension_bound", len(spec.ridges))
    if spec.decay is not None:
        yield _vector("decay", 2)
        yield _vector("decay_bound", 2)
    if spec.components is not None:
        m = spec.components.count
        yield ArrayPlan("components", (n, m), "float64", TILE, TILE)
        yield _vector("components_bound", m)
        if sizes.new:
            yield ArrayPlan("components_at", (sizes.new, m), "float64", TILE, TILE)
            yield _vector("components_at_bound", m)
        for name, (*before, _, k) in sizes.projected.items():
            for of, shape in (("projections", (*before, m, k)), ("outside", (*before, k))):
                yield ArrayPlan(f"{of}_{name}", shape, "float64", *tile_of(shape))


def tile_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tile of functions' projections: as many rows as a tile has room for, and at least one."""
    cols = min(prod(shape[1:]), TILE * TILE)
    return TILE * TILE // cols, cols


def _vector(name: str, count: int) -> ArrayPlan:
    return ArrayPlan(name, (count,), "float64", TILE * TILE, 1)


def _method(spec: "SpectrumSpec", sizes: Sizes, limits: Settings) -> Method:
    """Products for the top, unless their bases take more than the whole matrix."""
    n = sizes.points
    computed = _kernel_seconds(spec, sizes, n * (n + 1) / 2)
    dense = _dense(spec, sizes, computed)
    if spec.top is None:
        return dense
    streamed, held = _streamed(sizes, spec.top, computed), _held(spec, sizes, spec.top, computed)
    if sizes.matrix is None and 8 * n * n <= HELD_SHARE * limits.memory_bytes and held.memory <= limits.memory_bytes:
        return held
    return dense if dense.memory <= streamed.memory else streamed


def _dense(spec: "SpectrumSpec", sizes: Sizes, computed: float) -> Method:
    """LAPACK's divide and conquer: 4/3 n³ flops to tridiagonal form at half speed, 4 n³ more for the vectors.

    The bounds on the eigenvalues take a product, 2 n³, beside them.
    """
    n, vectors = sizes.points, needs_vectors(spec)
    flops = (8 / 3 + (6 if vectors else 0)) * n**3
    matrices = MATRICES_WITH_VECTORS if vectors else MATRICES
    matrices += (CENTRED if spec.centred else 0) + (COMPUTED if sizes.matrix is None else 0)
    return Method("dense", computed + flops * SECONDS_PER_FLOP, 8 * n * n * matrices)


def _held(spec: "SpectrumSpec", sizes: Sizes, top: int, computed: float) -> Method:
    n = sizes.points
    flops = EXPECTED_PASSES * 2.0 * n * n * _width(top)
    matrices = 1 + COMPUTED + (CENTRED if spec.centred else 0)
    return Method("held", computed + flops * SECONDS_PER_FLOP, 8 * n * (n * matrices + _columns(n, top)))


def _streamed(sizes: Sizes, top: int, computed: float) -> Method:
    """Passes over the stored matrix, or over one that is computed anew in each."""
    n, flops = sizes.points, 2.0 * sizes.points**2 * _width(top)
    memory = 8 * n * (_columns(n, top) + sizes.dimension * 2)
    if sizes.matrix is None:
        seconds, memory = computed, memory + TILES_BYTES
    else:
        seconds = sizes.matrix.stored_bytes * SECONDS_PER_READ_BYTE
        memory += 8 * n * PANELS * sizes.matrix.tile_rows
    return Method("streamed", EXPECTED_PASSES * (seconds + flops * SECONDS_PER_FLOP), memory)


def _bands(spec: "SpectrumSpec", sizes: Sizes, method: Method) -> int:
    """Over how many parts a product is spread."""
    if method.name != "streamed" or spec.top is None:
        return 1
    width = _width(spec.top)
    return spectrum_spread.bands(sizes.points, width, _basis(spec.top), method.seconds / EXPECTED_PASSES)


def _basis(top: int) -> int:
    return max(LEAST_BASIS, BASIS_BLOCKS * _width(top))


def _width(top: int) -> int:
    return max(LEAST_BLOCK, top + top // 4)


def _columns(n: int, top: int) -> int:
    return BASES * min(n, _basis(top))


def _kernel_seconds(spec: "SpectrumSpec", sizes: Sizes, pairs: float) -> float:
    """Of computing so many entries, where no job has done it."""
    return 0.0 if spec.architecture is None else pairs_seconds(spec.architecture, pairs, sizes.dimension, 1)
