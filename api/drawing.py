"""A network as a picture: boxes from the inputs down to the outputs, branches side by side, what repeats drawn once."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Layer = dict[str, Any]

GAP, ROW, RADIUS = 16.0, 16.0, 11.0
LONGEST_PERIOD, LONGEST_TEXT = 8, 40
# Pixels a character of the two sizes of text, at the most.
LARGE, SMALL = 7.8, 6.2
TINTS = {"dense": "#dce9f8", "activation": "#fdeccb"}
SIGNS = {"sum": "+", "product": "×", "concatenate": "‖"}
NAMES = {"sigma_w": "σ_w", "beta": "β"}
STYLE = (
    "text{font:13px system-ui,sans-serif;text-anchor:middle;fill:#1b2430}"
    ".small{font-size:11px;fill:#5b6570}"
    ".line{fill:none;stroke:#5b6570}"
    ".box{stroke:#5b6570;fill:#eef0f2}"
    ".group{fill:none;stroke:#9aa4af;stroke-dasharray:4 3}"
)


@dataclass(frozen=True)
class _Piece:
    """Something drawn between (0, 0) and (width, height), entered and left in the middle of its top and bottom."""

    width: float
    height: float
    marks: str
    open: bool = False
    """Whether a line goes on where it is entered."""

    def at(self, x: float, y: float) -> str:
        return f'<g transform="translate({x:g} {y:g})">{self.marks}</g>'


def draw(layers: Sequence[Layer]) -> str:
    """An SVG of a network's layers, as `describe` has them."""
    body = _chain([_caption("inputs"), *_pieces(layers), _caption("outputs")])
    width, height = f"{body.width + 2 * GAP:g}", f"{body.height + 2 * GAP:g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>A network</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="white"/>{body.at(GAP, GAP)}</svg>\n'
    )


def runs(layers: Sequence[Layer]) -> list[tuple[int, Sequence[Layer]]]:
    """The layers as blocks and how often each is repeated, the longest repetition first tried."""
    found: list[tuple[int, Sequence[Layer]]] = []
    start = 0
    while start < len(layers):
        counts = {period: _repeats(layers, start, period) for period in range(1, LONGEST_PERIOD + 1)}
        period = max(counts, key=lambda p: (p * counts[p] if counts[p] > 1 else 0, -p))
        found.append((counts[period], layers[start : start + period]))
        start += period * counts[period]
    return found


def _repeats(layers: Sequence[Layer], start: int, period: int) -> int:
    block, count = layers[start : start + period], 1
    while layers[start + count * period : start + (count + 1) * period] == block:
        count += 1
    return count


def _pieces(layers: Sequence[Layer]) -> list[_Piece]:
    return [
        piece
        for count, block in runs(layers)
        for piece in ([_group(count, block)] if count > 1 else map(_layer, block))
    ]


def _layer(layer: Layer) -> _Piece:
    return _branches(layer) if "branches" in layer else _box(layer)


def _box(layer: Layer) -> _Piece:
    title, small = _words(layer)
    width = max(64.0, LARGE * len(title) + 20, SMALL * len(small) + 20)
    height = 44.0 if small else 28.0
    tint = TINTS.get(layer["type"])
    fill = f' style="fill:{tint}"' if tint else ""
    marks = f'<rect class="box" width="{width:g}" height="{height:g}" rx="6"{fill}/>{_text(title, width / 2, 19)}'
    return _Piece(width, height, marks + (_text(small, width / 2, 35, "small") if small else ""))


def _words(layer: Layer) -> tuple[str, str]:
    """What a box says: the kind, and its fields."""
    shown = layer["activation"] if layer["type"] == "activation" else layer
    fields = {name: value for name, value in shown.items() if name != "type" and value not in (None, "ntk", [])}
    names = {shown["type"]: ""} | NAMES  # what an expression is, is what its box is called
    said = " · ".join(f"{names.get(name, name)} {_short(value)}".strip() for name, value in fields.items())
    return str(shown["type"]).replace("_", " "), _cut(said)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _chain(pieces: Sequence[_Piece]) -> _Piece:
    """Pieces one below the other, with arrows between them."""
    width = max((piece.width for piece in pieces), default=0.0)
    marks, y = [], 0.0
    for number, piece in enumerate(pieces):
        if number > 0:
            marks.append((_straight if piece.open else _arrow)(width / 2, y, y + GAP))
            y += GAP
        marks.append(piece.at((width - piece.width) / 2, y))
        y += piece.height
    return _Piece(width, y, "".join(marks))


def _group(count: int, block: Sequence[Layer]) -> _Piece:
    """A block that is repeated, drawn once in a frame that says how often."""
    inner = _chain(_pieces(block))
    label = f"× {count:,}"
    side = SMALL * len(label) + 14
    width, height = inner.width + 2 * side, inner.height + 2 * GAP
    marks = [
        f'<rect class="group" width="{width:g}" height="{height:g}" rx="8"/>',
        (_straight if "branches" in block[0] else _arrow)(width / 2, 0, GAP),
        _straight(width / 2, height - GAP, height),
        inner.at(side, GAP),
        _text(label, width - side / 2, height / 2 + 4, "small"),
    ]
    return _Piece(width, height, "".join(marks), open=True)


def _branches(layer: Layer) -> _Piece:
    """Branches side by side between a line that forks and a sign for what becomes of them."""
    columns = [_chain(_pieces(branch)) for branch in layer["branches"]]
    widths = [max(column.width, 2 * GAP) for column in columns]
    width, tallest = sum(widths) + GAP * (len(columns) - 1), max(column.height for column in columns)
    top, bottom = 2 * GAP, 2 * GAP + tallest
    axes = [sum(widths[:number]) + GAP * number + widths[number] / 2 for number in range(len(columns))]
    middle, end = width / 2, bottom + 2 * GAP + 2 * RADIUS
    marks = [_line(f"M{middle:g} 0v{GAP:g}M{axes[0]:g} {GAP:g}H{axes[-1]:g}")]
    for number, (column, axis) in enumerate(zip(columns, axes, strict=True)):
        marks.append((_arrow if column.height else _straight)(axis, GAP, top))
        marks.append(_straight(axis, top + column.height, bottom + GAP))
        marks.append(column.at(axis - column.width / 2, top))
        if layer["weights"]:
            marks.append(_text(f"{layer['weights'][number]:,}", axis + 12, bottom + GAP - 5, "small"))
    marks.append(_line(f"M{axes[0]:g} {bottom + GAP:g}H{axes[-1]:g}M{middle:g} {bottom + GAP:g}v{GAP:g}"))
    marks.append(f'<circle class="box" cx="{middle:g}" cy="{end - RADIUS:g}" r="{RADIUS:g}"/>')
    marks.append(_text(SIGNS[layer["combine"]], middle, end - RADIUS + 5))
    return _Piece(width, end, "".join(marks), open=True)


def _caption(word: str) -> _Piece:
    return _Piece(LARGE * len(word), ROW, _text(word, LARGE * len(word) / 2, 12, "small"))


def _text(text: str, x: float, y: float, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{style}>{escape(text)}</text>'


def _line(path: str) -> str:
    return f'<path class="line" d="{path}"/>'


def _straight(x: float, start: float, end: float) -> str:
    return _line(f"M{x:g} {start:g}V{end:g}")


def _arrow(x: float, start: float, end: float) -> str:
    return _line(f"M{x:g} {start:g}V{end:g}M{x - 3.5:g} {end - 5:g}L{x:g} {end:g}L{x + 3.5:g} {end - 5:g}")
