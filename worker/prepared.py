"""Inputs prepared for kernels, kept from part to part: the parts of a job share most of theirs."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace

from ntk_engine.infinite.rows import Kept, Rows


class PreparedRows:
    """Rows by their key, as many as a number of bytes holds; those that were not used for longest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Rows] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Rows], limit: int) -> Rows:
        """The rows of a key, made where they are not kept; limit: the bytes to keep in all. Raises what `make` does."""
        found = self._kept.pop(key, None) or make()
        self._kept[key] = found
        while sum(map(_bytes, self._kept.values())) > limit:
            self._kept.popitem(last=False)
        # What a network makes of the rows ends with the part.
        return replace(found, kept=Kept(), profiles={}, errors={})

    def clear(self) -> None:
        """Give the memory back."""
        self._kept.clear()


def _bytes(rows: Rows) -> int:
    return sum(item.nbytes for item in (rows.scaled, rows.inverse, rows.root, rows.rest) if item is not None)
