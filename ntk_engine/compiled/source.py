"""The C++ to compile: templates, with recorded formulas where they have room for them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ntk_engine.compiled.recording import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # (parameters, rows of a, rows of b, ρ, gap, τ) → the three after the layer.
    LayerFormula = Callable[[Any, Any, Any, Any, Any, Any], tuple[Any, Any, Any]]
    SeriesFormula = Callable[[Any, Any, Any, Any, Any, Any, Any], tuple[Any, Any, Any]]
    TableFormula = Callable[[Any, Any, Any, Any, Any, Any, Any, Any], tuple[Any, Any, Any]]

_STATE = ("rho_", "gap_", "tau_")


def layers_source(
    formula: LayerFormula, nonnegative: LayerFormula, parameters: int, width: int, *, single: bool = False
) -> str:
    """The text to compile for layers of this formula; `nonnegative` is the one for pairs with ρ ≥ 0.

    parameters, width: how many numbers the formula takes of the network and of each row. single: whether it may be
    evaluated in float32, too.
    """
    names = (_names("p[{}]", parameters), _names("a[{}]", width), _names("b[{} * stride]", width))
    lines, other = (_lines(item, *names, number="Real") for item in (formula, nonnegative))
    flags = {"ONE_FORMULA": lines == other, "SINGLE": single}
    said = {name: "true" if flag else "false" for name, flag in flags.items()}
    return _filled("layers.cpp", WIDTH=str(width), LAYER=lines, LAYER_NONNEGATIVE=other, **said)


def series_source(formula: SeriesFormula, width: int) -> str:
    """The text to compile for a layer whose activation is a series.

    formula: (even sums, odd sums, rows of a, rows of b, ρ, gap, τ) → the three after the layer; width: how many numbers
    it takes of each row.
    """
    sums = (_names("e[{}]", 5), _names("o[{}]", 5))
    rows = (_names("a[{}]", width), _names("b[{} * stride]", width))
    return _filled("series.cpp", MIX=str(width), LAYER=_lines(formula, *sums, *rows))


def table_source(formula: TableFormula, fixed: int, width: int) -> str:
    """The text to compile for a layer whose activation is tabulated.

    formula: (what was found, rows of a, what they bring to the bias, the same of b, ρ, gap, τ) → the three after the
    layer; fixed, width: how many numbers it takes of each row, and to the bias.
    """
    return _found("table.cpp", formula, fixed, width)


def kinks_source(formula: TableFormula, fixed: int, width: int) -> str:
    """The text to compile for a layer whose activation is piecewise linear; see `table_source`."""
    return _found("kinks.cpp", formula, fixed, width)


def _found(template: str, formula: TableFormula, fixed: int, width: int) -> str:
    rows = (
        _names("a[{}]", fixed),
        _names("p[{}]", width),
        _names("b[{} * stride]", fixed),
        _names("q[{} * stride]", width),
    )
    return _filled(template, FIXED=str(fixed), MIX=str(width), LAYER=_lines(formula, _names("f[{}]", 4), *rows))


def rows_source(lines: Sequence[str], constants: int, width: int) -> str:
    """The text to compile for what layers make of rows, each of which brings `width` numbers to pairs."""
    # Read before the loop: the vectoriser does not move what a branch may skip.
    names = "\n    ".join(f"const double c{k} = constants[{k}];" for k in range(constants))
    text = _text("rows.cpp").replace("@PANEL@", _text("panel.cpp") + _text("elementary.cpp"))
    return (
        text.replace("@CONSTANTS@", names).replace("@WIDTH@", str(width)).replace("@LAYER@", "\n        ".join(lines))
    )


def points_source(template: str, lines: str, constants: int, number: str) -> str:
    """The text to compile for a function of neurons, or a cost."""
    names = "\n    ".join(f"const double c{k} = constants[{k}];" for k in range(constants))
    text = "".join(map(_text, ("panel.cpp", "elementary.cpp", "special.cpp", template)))
    return text.replace("@NUMBER@", number).replace("@CONSTANTS@", names).replace("@FORMULA@", lines)


@cache
def descent_source(number: str) -> str:
    """The text to compile for gradient descent; number: C++'s word for the weights' dtype."""
    return _vectors(number) + _text("matrices.cpp") + _text("descent.cpp").replace("@MANY@", _text("many.cpp"))


@cache
def pairs_source(number: str) -> str:
    """The text to compile for kernels of finite networks; number: C++'s word for their dtype."""
    return _vectors(number) + _text("pairs.cpp")


def _vectors(number: str) -> str:
    integer = {"double": "long", "float": "int"}[number]
    return _text("vectors.cpp").replace("@NUMBER@", number).replace("@INTEGER@", integer)


@cache
def profile_source() -> str:
    """The text to compile for tabulated functions."""
    return _text("panel.cpp") + _text("profile.cpp")


@cache
def passes_source(number: str) -> str:
    """The text to compile for what every tile needs; number: C++'s word for the dtype of inputs and kernels."""
    return _text("panel.cpp") + _text("passes.cpp").replace("@NUMBER@", number)


def _names(pattern: str, count: int) -> list[str]:
    return [pattern.format(k) for k in range(count)]


def _lines(formula: Callable[..., tuple[Any, Any, Any]], *names: list[str], number: str = "double") -> str:
    return "\n    ".join(record(formula, *names, "rho", "gap", "tau", results=_STATE, number=number))


def _filled(template: str, **values: str) -> str:
    text = _text(template)
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return _text("panel.cpp") + _text("elementary.cpp") + text


@cache
def _text(name: str) -> str:
    return files("ntk_engine.compiled").joinpath(name).read_text()
