"""The Accept header (RFC 9110, 12.5.1)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class _Range:
    """A media range such as `application/*`, how specific it is, and its quality."""

    kind: str
    subtype: str
    quality: float

    @property
    def specificity(self) -> int:
        return (self.kind != "*") + (self.subtype != "*")

    def covers(self, media_type: str) -> bool:
        kind, _, subtype = media_type.partition("/")
        return self.kind in ("*", kind) and self.subtype in ("*", subtype)


class Accept:
    """What a client accepts: everything when it does not say. Parameters other than q are passed over."""

    def __init__(self, header: str | None) -> None:
        parsed = [_parse(part) for part in (header or "*/*").split(",")]
        self._ranges = [found for found in parsed if found is not None]

    def quality(self, media_type: str) -> float:
        """Between 0 (not acceptable) and 1, by the most specific range that covers the media type."""
        covering = [range_ for range_ in self._ranges if range_.covers(media_type)]
        return max(covering, key=lambda range_: range_.specificity).quality if covering else 0.0


def _parse(part: str) -> _Range | None:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    kind, slash, subtype = media_range.partition("/")
    weight = next((value for value in parameters if value.startswith("q=")), "q=1")
    try:
        quality = float(weight.removeprefix("q="))
    except ValueError:
        return None
    return _Range(kind, subtype, min(max(quality, 0.0), 1.0)) if slash else None
