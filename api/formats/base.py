"""What every array format is, and what it makes of a view."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import ClassVar, final

from api.views import View

Chunk = bytes | memoryview


class Body(ABC):
    """A view in some format: its length in bytes, known before anything is read, and the bytes."""

    length: int
    ranges: ClassVar[bool] = False

    @abstractmethod
    def chunks(self, start: int, stop: int) -> Generator[Chunk]:
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


def headed(head: bytes, values: Iterator[Chunk]) -> Iterator[Chunk]:
    """`head`, then `values`; the first of these is read before, as its failure can still be said in the status."""
    first = next(values, b"")
    if head:
        yield head
    yield first
    del first
    yield from values


@final
class RawBody(Body):
    """A header and the view's values in C order, little-endian: any bytes of it can be had without the others."""

    ranges = True

    def __init__(self, head: bytes, view: View) -> None:
        self._head, self._view = head, view
        self.length = len(head) + view.nbytes

    def chunks(self, start: int, stop: int) -> Generator[Chunk]:
        """The part of the header, then the numbers that the range touches, cut at its ends."""
        size = len(self._head)
        yield from headed(self._head[start:stop], self._values(max(start - size, 0), stop - size))

    def _values(self, start: int, stop: int) -> Iterator[memoryview]:
        if start >= stop:
            return
        item = self._view.dtype.itemsize
        first = start // item
        position = first * item
        for some in self._view.numbers(first, -(-stop // item)):
            data = some.data.cast("B")
            yield data[max(start - position, 0) : stop - position]
            position += len(data)
            del some, data  # before the next ones are read


@final
class TextBody(Body):
    """A body that has been written already; for small views."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self.length = len(self._bytes)

    def chunks(self, start: int, stop: int) -> Generator[Chunk]:
        yield self._bytes[start:stop]
