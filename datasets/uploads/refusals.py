"""The two ways an upload is refused, and the bytes it may still unpack to."""

from contracts.problems import PAYLOAD_TOO_LARGE, UNREADABLE_UPLOAD, ProblemError

FILE = "/file"


def unreadable(detail: str, pointer: str = FILE) -> ProblemError:
    """The file, or the member of it at `pointer`, is not what it should be."""
    return UNREADABLE_UPLOAD.error(detail, pointer)


class Budget:
    """Bytes that the arrays of one upload may take as stored, together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit

    def take(self, size: int, pointer: str = FILE) -> None:
        """Count `size` bytes; raises ProblemError (PAYLOAD_TOO_LARGE) when they exceed what is left."""
        if size > self._left:
            detail = f"unpacked, the file would take more than the {self.limit:,} bytes that this service takes"
            raise PAYLOAD_TOO_LARGE.error(detail, pointer)
        self._left -= size
