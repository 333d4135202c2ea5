"""Programs: operations one after another, each on the results of earlier ones; the first result is z itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ntk_engine.activations.expression.operations import Table


class Step(NamedTuple):
    """One operation: a function of the table, of earlier results and, for "number" and "^", of a number."""

    function: str
    arguments: tuple[int, ...] = ()
    parameter: float | None = None


class Steps:
    """A growing list of steps; one that is there already is not added again."""

    def __init__(self) -> None:
        self.list = [Step("z")]
        self._known = {self.list[0]: 0}

    def add(self, function: str, *arguments: int, parameter: float | None = None) -> int:
        """The index of this operation's result."""
        step = Step(function, arguments, parameter)
        index = self._known.setdefault(step, len(self.list))
        if index == len(self.list):
            self.list.append(step)
        return index

    def number(self, value: float) -> int:
        """The index of a constant."""
        return self.add("number", 0, parameter=value)

    def program(self, result: int) -> Program:
        """What it takes to compute one result, and when each intermediate one is needed for the last time."""
        needed = {0, result}
        last: dict[int, int] = {}
        for index in range(result, 0, -1):
            if index in needed:
                for argument in self.list[index].arguments:
                    needed.add(argument)
                    last.setdefault(argument, index)
        order = sorted(needed)
        place = {index: at for at, index in enumerate(order)}
        drops: list[list[int]] = [[] for _ in order]
        for argument, index in last.items():
            drops[place[index]].append(place[argument])
        steps = (self.list[index] for index in order)
        moved = tuple(step._replace(arguments=tuple(place[a] for a in step.arguments)) for step in steps)
        return Program(moved, tuple(map(tuple, drops)), place[result])


@dataclass(frozen=True, slots=True)
class Program:
    """The steps to one result."""

    steps: tuple[Step, ...]
    drops: tuple[tuple[int, ...], ...]
    """After each step, the results that no later one needs."""
    result: int

    def run(self, z: Any, table: Table) -> Any:
        """The result for a tensor or an array z, of its shape."""
        results: list[Any] = [z]
        for step, drop in zip(self.steps[1:], self.drops[1:], strict=True):
            results.append(apply(step, results, table))
            for index in drop:
                results[index] = None
        result = results[self.result]
        return result if result.shape == z.shape else result + z * 0.0


def apply(step: Step, results: list[Any], table: Table) -> Any:
    """The result of one step from the earlier ones."""
    arguments = [results[index] for index in step.arguments]
    return table[step.function](*arguments, *(() if step.parameter is None else (step.parameter,)))
