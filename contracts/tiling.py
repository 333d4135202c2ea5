"""How a kernel matrix is cut: storage tiles, and parts that are square blocks of tiles."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from contracts.plan import ITEM_BYTES
from contracts.problems import TOO_LARGE
from ntk_engine.architecture import Architecture, Evaluation, Mlp, evaluations, steps

# A part is well under a quarter of a lease, and long enough that its two transactions do not show.
PART_SECONDS = 1.0
# One core's, measured: a product and a sum of a matrix product; an entry's way through a dense layer and an activation
# in closed form; and what one without takes beside. Tables are made anew for every part. Rows of one norm take less.
SECONDS_PER_PRODUCT = 2 / 50e9
SECONDS_PER_ENTRY_AND_LAYER = 10e-9
SECONDS_PER_EXPECTATION = {
    Evaluation.CLOSED: 0.0,
    Evaluation.TABLES: 100e-9,
    Evaluation.PIECES: 1e-6,
    Evaluation.QUADRATURE: 10e-3,
}
SECONDS_PER_TABLE = 0.3
# Of a part that makes tables, at least about a quarter of the time, and no longer than this.
LONGEST_PART_SECONDS = 5.0
LARGEST_TILE, SMALLEST_TILE, LARGEST_PART = 512, 32, 2048
# Above this many points a smaller tile keeps a streamed row panel at 32 MiB.
WIDE = 16_384


@dataclass(frozen=True)
class Block:
    """Rows [row, row_end) × columns [col, col_end) of a matrix."""

    row: int
    row_end: int
    col: int
    col_end: int

    @property
    def entries(self) -> int:
        return (self.row_end - self.row) * (self.col_end - self.col)

    def cut(self, size: int, *, upper: bool) -> Iterator["Block"]:
        """Square pieces of `size`, row by row; `upper`: only those on and above the matrix's diagonal."""
        for row in range(self.row, self.row_end, size):
            for col in range(max(self.col, row) if upper else self.col, self.col_end, size):
                yield Block(row, min(row + size, self.row_end), col, min(col + size, self.col_end))


@dataclass(frozen=True)
class Matrix:
    """A kernel matrix that is asked for, as far as its cut depends on it."""

    architecture: Architecture
    points: int
    """The longer side."""
    dimension: int
    """n_0."""
    kernels: int
    """How many are computed at once."""
    dtype: str
    gram: bool = True


@dataclass(frozen=True)
class Tiling:
    """Side of a storage tile and of a part, in entries; the part's is a multiple of the tile's.

    The seconds that an entry takes add to those of every row that a part reads, every tile and every part.
    """

    tile: int
    part: int
    entry_seconds: float
    part_bytes: int
    row_seconds: float = 0.0
    tile_seconds: float = 0.0
    part_seconds: float = 0.0


def layers(architecture: Architecture) -> int:
    """What a network costs, in dense layers with their activations: L for an mlp."""
    return (steps(architecture) + 1) // 2


def check_layers(architecture: Architecture, most: int) -> None:
    """Raise ProblemError for more layers than that; compared, as they may be too many for a float."""
    found = layers(architecture)
    if found > most:
        name = "depth" if isinstance(architecture, Mlp) else "layers"
        said = f"So many layers take longer than a job may; {name} must be at most {most:,}."
        pointer = "/architecture/depth" if name == "depth" else "/architecture"
        raise TOO_LARGE.error(said, pointer, {name: found, "limits": {name: most}})


def layer_seconds(architecture: Architecture) -> float:
    """What the layers take for an entry."""
    closed = layers(architecture) * SECONDS_PER_ENTRY_AND_LAYER
    return closed + sum(SECONDS_PER_EXPECTATION[how] * count for how, count in evaluations(architecture).items())


def table_seconds(architecture: Architecture, points: int) -> float:
    """What a part takes to make its tables; for few pairs there are none."""
    pair_by_pair = points * points * SECONDS_PER_EXPECTATION[Evaluation.QUADRATURE]
    return evaluations(architecture)[Evaluation.TABLES] * min(SECONDS_PER_TABLE, pair_by_pair)


def pairs_seconds(architecture: Architecture, pairs: float, dimension: int, kernels: int) -> float:
    """Of so many entries of each of `kernels` matrices that are computed at once, by one worker."""
    entry = dimension * SECONDS_PER_PRODUCT + kernels * layer_seconds(architecture)
    return pairs * entry + table_seconds(architecture, isqrt(int(pairs)))


def tiling(
    points: int,
    dimension: int,
    of_layers: float,
    kernels: int,
    dtype: str,
    memory_bytes: int,
    part_seconds: float = 0.0,
) -> Tiling:
    """The largest tiles and parts that keep to the time of a part and to a quarter of the worker's memory.

    points: the longer side of the matrix; dimension: n_0; of_layers: seconds of an entry; kernels: matrices computed at
    once; part_seconds: those of every part beside its entries.
    """
    entry_seconds = dimension * SECONDS_PER_PRODUCT + of_layers
    budget = min(PART_SECONDS + 3 * part_seconds, LONGEST_PART_SECONDS)
    item = ITEM_BYTES[dtype]

    def bytes_at(side: int) -> int:
        # Two row panels as read and as scaled; the results; a dozen temporaries of one tile.
        return item * (4 * side * dimension + kernels * side * side + 12 * min(side, LARGEST_TILE) ** 2)

    def fits(side: int) -> bool:
        return side * side * entry_seconds <= budget and bytes_at(side) <= memory_bytes // 4

    tile = LARGEST_TILE if points <= WIDE else LARGEST_TILE // 2
    while tile > SMALLEST_TILE and not fits(tile):
        tile //= 2
    part = tile
    while 2 * part <= LARGEST_PART and part < points and fits(2 * part):
        part *= 2
    return Tiling(tile, part, entry_seconds, bytes_at(part), part_seconds=part_seconds)
