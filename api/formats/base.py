"""What every array format is, and what it makes of a view."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, final

from api.views import View

Chunk = bytes | memoryview


class Body(ABC):
    """A view in some format: its length in bytes, known before anything is read, and the bytes."""

    length: int
    ranges: ClassVar[bool] = False

    @abstractmethod
    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Bytes [start, stop), a row panel at a time; without `ranges` that is always all of them."""


class Format(ABC):
    """A way to write arrays. A new one is a file beside this one and an entry in `api.formats.FORMATS`."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    media_types: ClassVar[tuple[str, ...]]
    """The first is the one that is sent where the client accepts several."""

    def refuses(self, view: View) -> str | None:  # noqa: ARG002
        """Why the view cannot be had in this format, as a sentence."""
        return None

    @abstractmethod
    def body(self, view: View) -> Body: ...


@final
class RawBody(Body):
    """A header and the view's values in C order, little-endian: any bytes of it can be had without the others."""

    ranges = True

    def __init__(self, head: bytes, view: View) -> None:
        self._head, self._view = head, view
        self.length = len(head) + view.nbytes

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """The part of the header, then the rows that the range touches, cut at its ends."""
        if start < len(self._head):
            yield self._head[start:stop]
        start, stop = max(start - len(self._head), 0), stop - len(self._head)
        if start < stop:
            yield from self._values(start, stop)

    def _values(self, start: int, stop: int) -> Iterator[memoryview]:
        width = self._view.row_bytes
        first, last = start // width, -(-stop // width)
        position = first * width
        for panel in self._view.panels(first, last):
            data = panel.data.cast("B")
            yield data[max(start - position, 0) : stop - position]
            position += len(data)


@final
class TextBody(Body):
    """A body that has been written already; for small views."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self.length = len(self._bytes)

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        yield self._bytes[start:stop]
