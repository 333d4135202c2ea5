"""Gradient descent by the compiled loop: see descent.cpp, of whose structures those below are the layout."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import partial
from math import inf
from threading import Barrier, BrokenBarrierError, Thread
from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine.compiled import library
from ntk_engine.compiled.source import descent_source
from ntk_engine.compiled.stages import NUMBERS, Long, Pointer, pointers
from ntk_engine.folding import MANY_INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from ntk_engine.compiled.points import PointFormula

__all__ = ["Descents", "Link", "Made", "Stretch"]

Number = ctypes.c_double
# Networks whose steps have fewer multiplications forward have a thread each: what the threads of one network wait for
# one another would take longer than its rows.
_LARGE = 2**22
# Vectors in a row of a strip: see many.cpp.
_STRIP = 12
# Fewer steps are over before keeping them has gained anything.
_SHORT = 4


class _Layer(ctypes.Structure):
    _fields_ = [("weights", Pointer), ("velocity", Pointer), *((name, Long) for name in ("rows", "columns", "pitch"))]
    _fields_ += [("pointwise", Pointer), ("constants", Pointer), ("gain", Number), ("shift", Number)]
    _fields_ += [(name, Pointer) for name in ("after", "slope", "leaving")]
    _fields_ += [("every", Long), *((name, Pointer) for name in ("left", "right", "mixed"))]


class _Descent(ctypes.Structure):
    _fields_ = [("layers", Pointer), ("depth", Long), ("inputs", Long), ("entering", Pointer)]
    _fields_ += [("targets", Pointer), ("shift", Pointer)]
    _fields_ += [("cost", Pointer), ("constants", Pointer), ("room", Pointer)]
    _fields_ += [("strips", Pointer), ("strip", Long)]
    _fields_ += [(name, Number) for name in ("rate", "momentum", "decay", "limit", "tolerance")]
    _fields_ += [("steps", Long), ("begun", Long), ("costs", Pointer)]
    _fields_ += [(name, Long) for name in ("made", "ended", "waiting", "turn")]


class Link(NamedTuple):
    """What follows a dense layer: functions of its neurons, and what the next dense layer multiplies them with."""

    formula: PointFormula
    gain: float
    shift: float
    """The factor of the next layer's bias."""


class Stretch(NamedTuple):
    """Steps to make."""

    y: Tensor
    """Targets, N×k."""
    shift: Tensor | None
    """What is taken from f: S×N×k."""
    steps: int
    """At most so many."""
    tolerance: float | None
    """The cost at which a network ends."""
    learning_rate: float
    momentum: float
    weight_decay: float
    kept: tuple[int, ...]
    """Steps of each dense layer that are kept until they are folded into its weights; 0: they are changed at once.

    0 with momentum and weight decay. None are kept where fewer than four are made.
    """


class Made(NamedTuple):
    """What a network has come to."""

    steps: int
    """That were made."""
    costs: Tensor
    """C before each and after the last: steps + 1."""


@dataclass(frozen=True)
class _Task:
    """One network's arguments; `holds` keeps what these point to."""

    arguments: _Descent
    costs: Tensor
    holds: tuple[object, ...]


@dataclass(frozen=True)
class _Network:
    """One network's layers with room for their neurons; `holds` as above."""

    layers: ctypes.Array[_Layer]
    holds: tuple[object, ...]


class Descents:
    """Networks of one shape that follow a cost on the same inputs, compiled; on the CPU."""

    def __init__(self, entering: Tensor, links: Sequence[Link], cost: PointFormula) -> None:
        """entering: A of the first dense layer, N×(n_0 + 1), whose dtype is that of all; links: of every dense layer.

        Waits for the compiler, so that equal descents are equal to the last bit. Raises CompilerError without one.
        """
        self._dtype, self._links, self._cost = entering.dtype, tuple(links), cost
        texts = [descent_source(NUMBERS[entering.dtype]), cost.text, *(link.formula.text for link in links)]
        library.prepare(dict.fromkeys(texts))
        loop, outer, *pointwise = (library.build(text).result() for text in texts)
        self._loop, self._outer = loop.descend, ctypes.cast(outer["cost"], Pointer)
        self._pointwise = [ctypes.cast(code["pointwise"], Pointer) for code in pointwise]
        self._constants = [_numbers(item.constants) for item in (cost, *(link.formula for link in links))]
        self._lanes = 64 // entering.itemsize
        self._inputs = len(entering)
        padded = entering.new_zeros(self._inputs, self._padded(entering.shape[1]))
        padded[:, : entering.shape[1]] = entering
        self._entering = padded.view(self._inputs, -1, self._lanes).transpose(0, 1).contiguous()
        self._seen: tuple[int, ...] = ()
        self._folded = False
        self._networks: list[_Network] = []
        self._strips = torch.empty(0, 0, dtype=entering.dtype)

    def run(
        self, weights: Sequence[Tensor], velocity: Sequence[Tensor], limits: Sequence[float], stretch: Stretch
    ) -> list[Made]:
        """Steps of S networks, each until its cost is above its limit, no number, or low enough.

        weights, velocity: S×n_{ℓ+1}×(n_ℓ + 1) each, `apart`, changed in place, and by nobody else between two runs.
        Nothing is kept of them at the end.
        """
        # More threads need more strips.
        places = torch.get_num_threads(), *pointers(*weights, *velocity)
        known, self._seen = places == self._seen, ()
        if not known:
            some = [([w[i] for w in weights], [u[i] for u in velocity]) for i in range(len(limits))]
            self._networks = [self._network(*one, stretch.kept) for one in some]
            self._strips = self._room(max(self._inputs, *(size for w in weights for size in w.shape[1:])))
        keeps = any(stretch.kept) and stretch.steps >= _SHORT
        # Weights that were folded are rounded, and neurons still those from before.
        begun, self._folded = known and not self._folded, keeps
        for network in self._networks:
            for layer, steps in zip(network.layers, stretch.kept, strict=True):
                layer.every = steps if keeps else 0
        stretch = stretch._replace(
            y=stretch.y.to(torch.float64).contiguous(),
            shift=None if stretch.shift is None else stretch.shift.to(torch.float64).contiguous(),
            tolerance=None if stretch.tolerance is None else _rounded(stretch.tolerance, self._dtype),
        )
        tasks = [self._task(i, limit, stretch, begun=begun) for i, limit in enumerate(limits)]
        self._all(tasks, sum(w[0].numel() for w in weights) * self._inputs)
        self._seen = places
        return [Made(task.arguments.made, task.costs[: task.arguments.made + 1]) for task in tasks]

    def apart(self, weights: Tensor) -> bool:
        """Whether rows of V lie as the loop takes them: a whole number of 64 bytes apart, in memory of their own."""
        pitch = weights.stride(-2)
        return (
            weights.stride(-1) == 1
            and pitch % self._lanes == 0
            and pitch >= weights.shape[-1]
            and weights.stride(0) >= weights.shape[-2] * pitch
            and weights.untyped_storage().nbytes() // weights.itemsize
            >= weights.storage_offset() + (len(weights) - 1) * weights.stride(0) + weights.shape[-2] * pitch
        )

    def _padded(self, columns: int) -> int:
        return -(-columns // self._lanes) * self._lanes

    def _task(self, number: int, limit: float, stretch: Stretch, *, begun: bool) -> _Task:
        network = self._networks[number]
        costs = torch.empty(stretch.steps + 1, dtype=self._dtype)
        room = torch.empty((2 + self._cost.arrays) * stretch.y.shape[1], dtype=torch.float64)
        arguments = _Descent(
            ctypes.addressof(network.layers),
            len(network.layers),
            self._inputs,
            *pointers(self._entering, stretch.y),
            None if stretch.shift is None else stretch.shift[number].data_ptr(),
            self._outer,
            ctypes.addressof(self._constants[0]),
            room.data_ptr(),
            self._strips.data_ptr() if len(self._strips) else None,
            self._strips.shape[1],
            stretch.learning_rate,
            stretch.momentum,
            stretch.weight_decay,
            limit,
            -inf if stretch.tolerance is None else stretch.tolerance,
            stretch.steps,
            begun,
            costs.data_ptr(),
        )
        return _Task(arguments, costs, (stretch, room))

    def _network(self, weights: Sequence[Tensor], velocity: Sequence[Tensor], kept: Sequence[int]) -> _Network:
        layers, neurons = (_Layer * len(weights))(), []
        for number, (w, link) in enumerate(zip(weights, self._links, strict=True)):
            neurons.append(torch.empty(3, self._inputs * self._padded(len(w) + 1), dtype=self._dtype))
            moving = velocity[number].data_ptr() if velocity else None
            shape = len(w), w.shape[1] - 1, w.stride(0)
            code = self._pointwise[number], ctypes.addressof(self._constants[number + 1])
            some = pointers(*neurons[-1])
            factors = self._factors(w, kept[number] * self._inputs)
            neurons += factors
            told = kept[number], *pointers(*factors)
            layers[number] = _Layer(w.data_ptr(), moving, *shape, *code, link.gain, link.shift, *some, *told)
        return _Network(layers, (weights, velocity, neurons))

    def _room(self, longest: int) -> Tensor:
        """For strips of so many rows, one a thread; none where inputs are few."""
        threads = torch.get_num_threads() if self._inputs >= MANY_INPUTS else 0
        return torch.empty(threads, self._padded(longest) * _STRIP * self._lanes, dtype=self._dtype)

    def _factors(self, weights: Tensor, ranks: int) -> list[Tensor]:
        """Room for factors of V, and for their products with neurons."""
        rows, columns = weights.shape
        sizes = ranks * self._padded(rows + 1), ranks * self._padded(columns), self._padded(ranks) * self._inputs
        return [torch.empty(size, dtype=self._dtype) for size in sizes]

    def _all(self, tasks: Sequence[_Task], size: int) -> None:
        """Networks side by side, or rows of one network, whichever keeps threads busy; size: of one network's step."""
        threads = torch.get_num_threads()
        if len(tasks) >= threads or size < _LARGE:
            some = [tasks[first::threads] for first in range(min(threads, len(tasks)))]
            for rank, mine in enumerate(some):
                self._lend(rank, mine)
            _together([partial(self._one_by_one, mine) for mine in some])
            return
        for task in tasks:
            _together([partial(self._descend, task, rank, threads) for rank in range(threads)])

    def _lend(self, rank: int, tasks: Iterable[_Task]) -> None:
        """Of the threads' strips, one's to networks that it alone works on."""
        for task in tasks:
            if len(self._strips):
                task.arguments.strips = self._strips[rank].data_ptr()

    def _one_by_one(self, tasks: Iterable[_Task]) -> None:
        for task in tasks:
            self._descend(task, 0, 1)

    def _descend(self, task: _Task, rank: int, threads: int) -> None:
        self._loop(ctypes.byref(task.arguments), Long(rank), Long(threads))


def _rounded(number: float, dtype: torch.dtype) -> float:
    return torch.tensor(number, dtype=dtype).item()


def _numbers(constants: Sequence[float]) -> ctypes.Array[ctypes.c_double]:
    return (Number * max(len(constants), 1))(*constants)


def _together(calls: Sequence[Callable[[], None]]) -> None:
    """At once, each in a thread, the first in this one; none where not all can be, as they wait for one another."""
    start = Barrier(len(calls))
    others = [Thread(target=_after, args=(start, call)) for call in calls[1:]]
    try:
        for thread in others:
            thread.start()
        start.wait()
    except BaseException:
        start.abort()
        raise
    calls[0]()
    for thread in others:
        thread.join()


def _after(start: Barrier, call: Callable[[], None]) -> None:
    try:
        start.wait()
    except BrokenBarrierError:
        return
    call()
