"""Recording functions of a neuron, and costs of an input's outputs: what training asks for at every step.

They are formulas of tensors' methods. Numbers become entries of a list beside the text, so that one text serves every
activation of a family, and a cost whatever its numbers are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ntk_engine.compiled.row_recording import RowRecorder, RowSymbol
from ntk_engine.compiled.source import points_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntk_engine.compiled.recording import Symbol

__all__ = ["PointFormula", "record_cost", "record_pointwise"]

_METHODS = {
    "sigmoid": "sigmoid",
    "tanh": "hyperbolic_tangent",
    "log": "logarithm",
    "log1p": "logarithm_beside_one",
    "erf": "error_function",
    "erfc": "error_rest",
    "sin": "sine",
    "cos": "cosine",
    "atan": "arc_tangent",
    "abs": "magnitude",
}


class PointFormula(NamedTuple):
    """A recorded function."""

    text: str
    """To be compiled."""
    constants: tuple[float, ...]
    arrays: int = 0
    """For how many numbers an output a cost needs room."""


class _Recorder(RowRecorder):
    def name(self, name: str, kind: str = "double") -> Symbol:
        """A variable that is there before."""
        return _Symbol(self, name, kind)


class _OutputsRecorder(_Recorder):
    """What has an index j is an array over outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays = 0

    def symbol(self, expression: str, kind: str = "double") -> Symbol:
        """The variable, or array, that holds the expression."""
        if "[j]" not in expression:
            return super().symbol(expression, kind)
        if expression not in self._known:
            name = f"a{self.arrays}"
            self.lines.append(f"double* {name} = room + {self.arrays} * k;")
            self.lines.append(f"for (long j = 0; j < k; ++j) {name}[j] = {expression};")
            self._known[expression] = self.name(f"{name}[j]", kind)
            self.arrays += 1
        return self._known[expression]


class _Symbol(RowSymbol):
    """A neuron, or an output; a formula that asks it for anything else raises AttributeError or TypeError."""

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(f"{name} is not recorded")
        return lambda: self._call(_METHODS[name])

    def __invert__(self) -> Symbol:
        return self.recorder.symbol(f"!{self.name}", "bool")

    def square(self) -> Any:
        return self * self

    def relu(self) -> Any:
        return self.clamp_min(0.0)

    def clamp(self, least: Any, most: Any) -> Any:
        return self.clamp_min(least).clamp_max(most)

    def minimum(self, other: Any) -> Any:
        return self.clamp_max(self.new_tensor(other))

    def sign(self) -> Any:
        return self.new_tensor(1.0).where(self > 0.0, 0.0) - self.new_tensor(1.0).where(self < 0.0, 0.0)

    def new_zeros(self, shape: Any) -> Any:
        return self.new_full(shape, 0.0)

    def logaddexp(self, other: Any) -> Any:
        return self.maximum(other) + (-(self - other).abs()).exp().log1p()

    def expand_as(self, other: Any) -> Any:  # noqa: ARG002
        return self

    def sum(self, axis: int, *, keepdim: bool = False) -> Any:  # noqa: ARG002
        """Over outputs."""
        return self.recorder.symbol(f"total({self._array}, k)")

    def softmax(self, axis: int) -> Any:
        powers: Any = (self - self._largest).exp()
        return powers / powers.sum(axis)

    def logsumexp(self, axis: int) -> Any:
        powers: Any = (self - self._largest).exp()
        return powers.sum(axis).log() + self._largest

    @property
    def _largest(self) -> Symbol:
        return self.recorder.symbol(f"largest({self._array}, k)")

    @property
    def _array(self) -> str:
        if not self.name.endswith("[j]"):
            raise TypeError("what is summed over outputs must depend on them")
        return self.name.removesuffix("[j]")


def record_pointwise(formula: Callable[[Any], tuple[Any, Any]], number: str) -> PointFormula:
    """Record z → (σ(z), σ'(z)); number: C++'s word for the neurons' dtype.

    Raises AttributeError or TypeError where the formula asks for what is not recorded.
    """
    recorder = _Recorder()
    value, slope = formula(recorder.name("z"))
    lines = [*recorder.lines, f"value = {recorder.text(value)};", f"slope = {recorder.text(slope)};"]
    return _filled("pointwise.cpp", recorder, lines, "\n        ", number)


def record_cost(value: Callable[[Any, Any], Any], direction: Callable[[Any, Any], Any]) -> PointFormula:
    """Record c(f, y) and its derivative d by f. Raises as `record_pointwise` does."""
    recorder = _OutputsRecorder()
    f, y = map(recorder.name, ("f[j]", "y[j]"))
    found, outer = recorder.text(value(f, y)), recorder.text(direction(f, y))
    lines = [*recorder.lines, f"for (long j = 0; j < k; ++j) direction[j] = {outer};", f"const double value = {found};"]
    return _filled("cost.cpp", recorder, lines, "\n    ")._replace(arrays=recorder.arrays)


def _filled(template: str, recorder: RowRecorder, lines: list[str], indent: str, number: str = "") -> PointFormula:
    constants = tuple(float(constant) for constant in recorder.constants)
    return PointFormula(points_source(template, indent.join(lines), len(constants), number), constants)
