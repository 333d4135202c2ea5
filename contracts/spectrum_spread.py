"""The top of a spectrum as work for many: every pass over the matrix in bands of rows, and between passes one part.

A chain: "advance" 0 draws the first block; the bands of pass p multiply with it; "advance" p takes their sum and gives
the next block, or what is found, with which the job ends however many passes were planned.
"""

from collections.abc import Iterator
from math import ceil, sqrt
from typing import TYPE_CHECKING

from contracts.plan import SECONDS_PER_STORED_BYTE, ArrayPlan, PartPlan

if TYPE_CHECKING:
    from contracts.spectrum_sizes import Sizes

# Passes that are planned; some twenty are expected.
MOST_PASSES = 60
# A band takes about so long, and there are no more of them; below two it is not worth the exchange.
BAND_SECONDS, MOST_BANDS = 1.5, 16
# The exchange is at most this share of a pass.
EXCHANGE_SHARE = 0.25
# Rows and entries of a tile of what is handed on.
ROWS, ENTRIES = 4096, 2**18
BLOCK, VECTORS, IMAGES, SUMS, NUMBERS = (
    f"iteration_{name}" for name in ("block", "vectors", "images", "sums", "numbers")
)
SCRATCH = (BLOCK, VECTORS, IMAGES, SUMS, NUMBERS)


def bands(points: int, width: int, columns: int, pass_seconds: float) -> int:
    """How many bands; 1: none, as a worker by itself is as quick. columns: of a basis, for blocks of that width."""
    count = min(MOST_BANDS, int(pass_seconds / BAND_SECONDS))
    exchange = 8.0 * points * (width * (2 * count + 1) + 4 * columns) * SECONDS_PER_STORED_BYTE
    return count if count > 1 and exchange <= EXCHANGE_SHARE * pass_seconds else 1


def arrays(points: int, width: int, columns: int, count: int) -> Iterator[ArrayPlan]:
    """What parts hand on; it goes with the last of them. Sums have a column more, of the products with 1."""
    yield ArrayPlan(BLOCK, (points, width), "float64", ROWS, width)
    yield ArrayPlan(VECTORS, (points, columns), "float64", ROWS, columns)
    yield ArrayPlan(IMAGES, (points, columns), "float64", ROWS, columns)
    yield ArrayPlan(SUMS, (count, points, width + 1), "float64", 1, min(points * (width + 1), ENTRIES))
    yield ArrayPlan(NUMBERS, (9,), "float64", 9, 1)


def parts(sizes: "Sizes", count: int, tile: int) -> Iterator[PartPlan]:
    """tile: rows of a stored tile, which bands are whole numbers of."""
    edges = _edges(sizes.points, count, tile)
    yield PartPlan({"advance": 0, "alone": True}, 0)
    last = 0
    for number in range(1, MOST_PASSES + 1):
        for band in range(count):
            asked = {"multiply": number, "band": band, "rows": [edges[band], edges[band + 1]]}
            yield PartPlan(asked, 1, (last,))
        products = tuple(range(last + 1, last + 1 + count))
        yield PartPlan({"advance": number, "alone": True}, 0, products)
        last += count + 1


def _edges(points: int, count: int, tile: int) -> list[int]:
    """Bands of the upper triangle of about equal area, in whole tiles."""
    tiles = ceil(points / tile)
    cuts = [round(tiles * (1 - sqrt(1 - band / count))) for band in range(count + 1)]
    return [min(points, tile * cut) for cut in cuts]
