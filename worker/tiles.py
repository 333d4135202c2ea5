"""Results as the tiles that they are stored in."""

from collections.abc import Iterator

from torch import Tensor

from storage.arrays import TileData


def tiles(
    name: str, values: Tensor, shape: tuple[int, int], first: int = 0, *, gaps: bool = False, latest: bool = False
) -> Iterator[TileData]:
    """Rows of the array called `name`, n×…, in tiles of `shape`, of which `first` is the first in the grid's rows.

    gaps, latest: as `TileData` has them.
    """
    rows = values.reshape(len(values), -1).cpu().numpy()
    height, width = shape
    for row in range(0, len(rows), height):
        for col in range(0, rows.shape[1], width):
            entries = rows[row : row + height, col : col + width]
            yield TileData(name, first + row // height, col // width, entries, latest, gaps)
