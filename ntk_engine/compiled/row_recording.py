"""Recording what a layer makes of a row's root, in one word and in two.

Rows are formulas of tensors and, where two words count, of NumPy's arrays: a symbol has what these use of both. Numbers
become entries of a list beside the text, so that one text serves every activation of a family.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ntk_engine.compiled.recording import Recorder, Symbol
from ntk_engine.compiled.source import rows_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class RowRecorder(Recorder):
    """A recorder that keeps numbers apart."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: list[float] = []
        self._places: dict[int, int] = {}

    def name(self, name: str, kind: str = "double") -> Symbol:
        """A variable that is there before."""
        return RowSymbol(self, name, kind)

    def text(self, value: Any) -> str:
        """A variable's name, or the place of a number."""
        if isinstance(value, Symbol):
            return value.name
        # By what it is and not by how large it is: a parameter may happen to be 1. The list keeps it, and its identity.
        if id(value) not in self._places:
            self._places[id(value)] = len(self.constants)
            self.constants.append(value)
        return f"c{self._places[id(value)]}"


class RowSymbol(Symbol):
    """A number of every row; a formula that asks it for anything else raises AttributeError or TypeError."""

    shape, dtype, requires_grad = (), None, False

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any) -> Any:
        """One of NumPy's functions of numbers."""
        if method != "__call__":
            raise TypeError(f"{function.__name__}.{method} is not recorded")
        first, *others = (item if isinstance(item, Symbol) else self.new_tensor(item) for item in inputs)
        return getattr(first, function.__name__)(*others)

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any) -> Any:
        """None of torch's functions, but methods alone."""
        raise TypeError(f"{function} is not recorded")

    def __array_function__(self, function: Any, types: Any, inputs: Any, named: Any) -> Any:
        """`numpy.where`."""
        if function.__name__ != "where" or named:
            raise TypeError(f"{function.__name__} is not recorded")
        condition, yes, no = inputs
        return self.new_tensor(yes).where(condition, no)

    def __bool__(self) -> bool:
        raise TypeError("what is compiled cannot depend on a row")

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._compare("==", other)

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: Any) -> Symbol:
        return self._compare("<=", other)

    def __ge__(self, other: Any) -> Symbol:
        return self._compare(">=", other)

    def __and__(self, other: Any) -> Symbol:
        return self._compare("&", other)

    def __pow__(self, power: float) -> Symbol:
        return self.sqrt() if power == 0.5 else self.pow(power)

    def pow(self, power: float) -> Any:
        if power != int(power) or power < 0:
            raise TypeError(f"the power {power} is not recorded")
        product: Any = self * 0.0 + 1.0 if power == 0 else self
        for _ in range(int(power) - 1):
            product = product * self
        return product

    def product_rest(self, other: Any, rounded: Symbol) -> Symbol:
        """What rounding took from self · other: exact where products and sums are fused."""
        return self._call("product_rest", other, rounded)

    def new_tensor(self, value: Any) -> Any:
        return value if isinstance(value, Symbol) else self.recorder.symbol(self.recorder.text(value))

    def new_full(self, shape: Sequence[int], value: float) -> Any:  # noqa: ARG002
        return self.new_tensor(value)

    def new_ones(self, shape: Sequence[int]) -> Any:
        return self.new_full(shape, 1.0)

    def detach(self) -> Symbol:
        return self

    cpu = numpy = detach

    def to(self, dtype: None) -> Any:
        """The number that a condition is; a number is one already."""
        if dtype is not self.dtype:
            raise TypeError(f"{dtype} is not recorded")
        return self.new_tensor(1.0).where(self, 0.0) if self.kind == "bool" else self

    def astype(self, kind: type) -> Symbol:
        if kind is not int:
            raise TypeError(f"{kind} is not recorded")
        return self.recorder.symbol(f"static_cast<long>({self.name})", "long")

    def masked_fill(self, condition: Symbol, value: Any) -> Any:
        return self.new_tensor(value).where(condition, self)

    def clip(self, least: float, most: float) -> Any:
        return self.clamp_min(least).clamp_max(most)

    def clamp_min(self, least: Any) -> Any:
        return self.masked_fill(self < least, least)

    def clamp_max(self, most: Any) -> Any:
        return self.masked_fill(self > most, most)

    def maximum(self, other: Any) -> Any:
        return self.clamp_min(self.new_tensor(other))

    def isinf(self) -> Symbol:
        return self._call("magnitude")._compare("==", inf)

    def isfinite(self) -> Symbol:
        return abs(self) < inf

    def reciprocal(self) -> Symbol:
        return 1.0 / self

    def hypot(self, other: Any) -> Symbol:
        return self._call("hypotenuse", other)

    def rint(self) -> Symbol:
        return self._call("nearest")

    def ldexp(self, power: Any) -> Symbol:
        return self._call("times_power_of_two", power)

    def frexp(self) -> tuple[Symbol, Symbol]:
        power = self.recorder.symbol(f"exponent({self.name})", "long")
        return self.ldexp(-power), power


class RowFormula(NamedTuple):
    """A recorded formula of rows."""

    text: str
    """To be compiled."""
    constants: list[float]
    width: int
    """How many numbers a row brings to its pairs."""


def record_rows(formula: Callable[[Any, Any, Any, Any], tuple[Sequence[Any], tuple[Any, Any]]]) -> RowFormula:
    """Record (σ_w, β, √q in two words) → what rows bring, √q after the layer in two words.

    Raises AttributeError or TypeError where the formula asks for what is not recorded.
    """
    recorder = RowRecorder()
    brings, after = formula(*map(recorder.name, ("sigma_w", "beta", "before", "rest")))
    results = [*(f"out[{k}][i]" for k in range(len(brings))), "high[i]", "low[i]"]
    assignments = [f"{name} = {recorder.text(value)};" for name, value in zip(results, (*brings, *after), strict=True)]
    text = rows_source([*recorder.lines, *assignments], len(recorder.constants), len(brings))
    return RowFormula(text, [float(constant) for constant in recorder.constants], len(brings))
