"""Recording a formula: it is called once with symbols, and each operation on them becomes a line of C++."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Recorder:
    """The lines written so far; an operation that was recorded before is not written again."""

    def __init__(self, number: str = "double") -> None:
        """number: C++'s word for what is written in place of double."""
        self.number = number
        self.lines: list[str] = []
        self._known: dict[str, Symbol] = {}

    def name(self, name: str, kind: str = "double") -> Symbol:
        """A variable that is there before."""
        return Symbol(self, name, kind)

    def symbol(self, expression: str, kind: str = "double") -> Symbol:
        """The variable that holds the expression."""
        if expression not in self._known:
            name = f"t{len(self.lines)}"
            self.lines.append(f"const {self.number if kind == 'double' else kind} {name} = {expression};")
            self._known[expression] = self.name(name, kind)
        return self._known[expression]

    def text(self, value: Any) -> str:
        """A variable's name, or a number: in hexadecimal it is the same, digit by digit."""
        if isinstance(value, Symbol):
            return value.name
        return float(value).hex() if self.number == "double" else f"{self.number}({float(value).hex()})"


class Symbol:
    """A number that a formula works on; it has the arithmetic and the methods of a tensor that formulas use."""

    def __init__(self, recorder: Recorder, name: str, kind: str = "double") -> None:
        self.recorder = recorder
        self.name = name
        self.kind = kind

    def _binary(self, operator: str, left: Any, right: Any) -> Symbol:
        text = self.recorder.text
        return self.recorder.symbol(f"{text(left)} {operator} {text(right)}")

    def _compare(self, operator: str, other: Any) -> Symbol:
        return self.recorder.symbol(f"{self.name} {operator} {self.recorder.text(other)}", "bool")

    def _call(self, function: str, *others: Any) -> Symbol:
        arguments = ", ".join(map(self.recorder.text, (self, *others)))
        return self.recorder.symbol(f"{function}({arguments})")

    def __add__(self, other: Any) -> Symbol:
        return self._binary("+", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self._binary("+", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self._binary("-", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._binary("-", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self._binary("*", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._binary("*", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self._binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._binary("/", other, self)

    def __neg__(self) -> Symbol:
        return self.recorder.symbol(f"-{self.name}")

    def __lt__(self, other: Any) -> Symbol:
        return self._compare("<", other)

    def __gt__(self, other: Any) -> Symbol:
        return self._compare(">", other)

    def __abs__(self) -> Symbol:
        return self._call("magnitude")

    def where(self, condition: Symbol, other: Any) -> Symbol:
        return self.recorder.symbol(f"{condition.name} ? {self.name} : {self.recorder.text(other)}")

    def arc_rest(self) -> Symbol:
        return self._call("arc_rest")

    def sqrt(self) -> Symbol:
        return self._call("root")

    def exp(self) -> Symbol:
        return self._call("exponential")

    def expm1(self) -> Symbol:
        return self._call("exponential_less_one")

    def atan2(self, cosine: Symbol) -> Symbol:
        return self._call("angle", cosine)


def record(
    formula: Callable[..., Sequence[Any]], *arguments: Any, results: Sequence[str], number: str = "double"
) -> list[str]:
    """The C++ lines that assign the formula's results to the named variables, all of the type `number`.

    arguments: names of variables (str), or lists of such names, as the formula takes them.
    """
    recorder = Recorder(number)
    symbols = [
        [recorder.name(name) for name in argument] if isinstance(argument, list) else recorder.name(argument)
        for argument in arguments
    ]
    values = formula(*symbols)
    return [*recorder.lines, *(f"{name} = {recorder.text(v)};" for name, v in zip(results, values, strict=True))]
