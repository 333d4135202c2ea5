"""What the fields of a network's dataclasses take: rules that check a value, and put it into its one form.

A rule stands in `Annotated[…]`. It speaks pydantic's protocol by method names alone, so nothing of that is imported.
"""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

Schema = dict[str, Any]
LONGEST_SHOWN = 60
MOST_FAULTS = 100


class ArchitectureError(ValueError):
    """An architecture that does not exist; `faults` holds (field, sentence) for every fault at once, up to a hundred.

    A field inside others is a path such as `layers/3/beta`, escaped like a JSON pointer; "" is the whole.
    """

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        # What was given may hold half of a surrogate pair, and who reads the message may need text of UTF-8.
        text = "; ".join(sentence for _, sentence in faults)
        super().__init__(text.encode(errors="backslashreplace").decode())
        self.faults = faults


class Faults:
    """Gathers faults and where they are; `at` is the same collection, seen from a field inside."""

    def __init__(self, path: str = "", found: list[tuple[str, str]] | None = None) -> None:
        self.path = path
        self.found: list[tuple[str, str]] = [] if found is None else found

    def at(self, step: str | int) -> "Faults":
        escaped = str(step).replace("~", "~0").replace("/", "~1")
        return Faults(f"{self.path}/{escaped}" if self.path else escaped, self.found)

    def add(self, sentence: str, path: str = "") -> None:
        """A fault here, or in a field inside."""
        if len(self.found) < MOST_FAULTS:
            self.found.append(("/".join(filter(None, (self.path, path))), sentence))

    def extend(self, error: ArchitectureError) -> None:
        """The faults of something that stands here."""
        for path, sentence in error.faults:
            self.add(sentence, path)

    def settle(self) -> None:
        """Raise ArchitectureError where there is any fault."""
        if self.found:
            raise ArchitectureError(tuple(self.found))


class Rule(ABC):
    """What one field takes."""

    @abstractmethod
    def take(self, name: str, value: Any, faults: Faults) -> Any:
        """The value in its one form; what is wrong with it goes to `faults`."""

    def schema(self) -> Schema:
        """What the rule adds to the JSON Schema of the field's type."""
        return {}

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Schema]) -> Schema:
        """No "3" for 3, no true for 1."""
        core = handler(source)
        if core["type"] == "nullable":
            return {**core, "schema": {**core["schema"], "strict": True}}
        return {**core, "strict": True}

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Schema]) -> Schema:
        return handler(core) | self.schema()


@dataclass(frozen=True)
class Number(Rule):
    """A finite number within bounds, as a float; `role` is the middle of "beta scales the biases and must be"."""

    role: str
    least: float | None = None
    above: float | None = None
    below: float | None = None
    nonzero: bool = False

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if self._holds(value):
            return float(value) + 0.0  # −0 becomes 0
        faults.add(f"{name} {self.role} and must be a finite number{self._bounds()}{instead(value)}")
        return value

    def schema(self) -> Schema:
        bounds = {"minimum": self.least, "exclusiveMinimum": self.above, "exclusiveMaximum": self.below}
        said: Schema = {key: bound for key, bound in bounds.items() if bound is not None}
        return said | ({"not": {"const": 0}} if self.nonzero else {})

    def _holds(self, value: Any) -> bool:
        # Compared and not converted: an integer may be too large for a float.
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
            return False
        low = (self.least is None or value >= self.least) and (self.above is None or value > self.above)
        return low and (self.below is None or value < self.below) and not (self.nonzero and value == 0)

    def _bounds(self) -> str:
        words = {" of at least": self.least, " above": self.above, " below": self.below}
        said = [f"{word} {bound:g}" for word, bound in words.items() if bound is not None]
        return " and".join(said) + (" other than 0" if self.nonzero else "")


@dataclass(frozen=True)
class Count(Rule):
    """An integer of at least 1; None too where it may be left out."""

    role: str
    optional: bool = False

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if not (is_count(value) or (value is None and self.optional)):
            may = ", or left out" if self.optional else ""
            faults.add(f"{name} {self.role} and must be an integer of at least 1{may}{instead(value)}")
        return value

    def schema(self) -> Schema:
        return {"minimum": 1}


@dataclass(frozen=True)
class OneOf(Rule):
    """One of some words: the rule of a field whose type is a Literal."""

    words: tuple[str, ...]

    def take(self, name: str, value: Any, faults: Faults) -> Any:
        if value not in self.words:
            faults.add(f"{name} must be {' or '.join(map(json.dumps, self.words))}{instead(value)}")
        return value


def rules(family: Any) -> dict[str, Rule]:
    """The rule of every field of a dataclass whose fields all have one."""
    return _rules(family)


@cache
def _rules(family: Any) -> dict[str, Rule]:
    hints = get_type_hints(family, include_extras=True)
    return {field.name: _rule(hints[field.name]) for field in fields(family)}


def _rule(hint: Any) -> Rule:
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    return next(mark for mark in hint.__metadata__ if isinstance(mark, Rule))


def check(value: Any) -> None:
    """Put every field of a frozen dataclass into its one form. Raises ArchitectureError with all that is wrong."""
    faults = Faults()
    for name, rule in rules(type(value)).items():
        object.__setattr__(value, name, rule.take(name, getattr(value, name), faults.at(name)))
    faults.settle()


def plain(value: Any) -> Any:
    """A dataclass and all that is in it as JSON values, every field explicit."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_count(value: object) -> bool:
    """Whether it is an integer of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def instead(value: object) -> str:
    """The end of a sentence: what was given, where that is short."""
    if isinstance(value, list | tuple | dict):
        return f", not {'an object' if isinstance(value, dict) else 'a list'}"
    if not isinstance(value, str | int | float | None) or (
        isinstance(value, int) and value.bit_length() > LONGEST_SHOWN
    ):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f", not {text}" if len(text) <= LONGEST_SHOWN else ""
