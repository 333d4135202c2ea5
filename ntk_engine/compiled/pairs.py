"""The kernel of a finite network, of all pairs of inputs: see pairs.cpp, whose structures those below lay out."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from itertools import accumulate
from math import prod
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ntk_engine.compiled import library
from ntk_engine.compiled.source import pairs_source
from ntk_engine.compiled.stages import NUMBERS, Long, Pointer
from ntk_engine.pages import large

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = ["Factors", "pairs"]

# Rows and vectors of columns of a block: at most, and at least where there are threads to share them.
_HEIGHT, _BREADTH, _LEAST = 256, 24, 6
# Bytes of packed rows: beyond, layers are packed and added one after another.
_PACKED = 2**28
# With fewer products a second thread would take longer to start than it saves.
_FEW = 2**22


class _Rows(ctypes.Structure):
    _fields_ = [("numbers", Pointer), ("pitch", Long), ("apart", Long)]


class _Packing(ctypes.Structure):
    _fields_ = [("from", _Rows), ("to", _Rows), *((name, Long) for name in ("readouts", "rows", "length"))]


class _Product(ctypes.Structure):
    _fields_ = [("a", _Rows), ("b", _Rows), ("length", Long), ("parts", Long)]


class _Term(ctypes.Structure):
    _fields_ = [("weight", _Product), ("back", _Product), ("same", Pointer)]
    _fields_ += [("gain", ctypes.c_double), ("shift", ctypes.c_double)]


class _Pairs(ctypes.Structure):
    _fields_ = [
        ("terms", Pointer),
        *((name, Long) for name in ("depth", "rows", "columns", "gram", "readouts", "more")),
    ]
    _fields_ += [("out", Pointer), *((name, Long) for name in ("readout", "row", "other", "height", "breadth"))]


class Factors(NamedTuple):
    """What a dense layer brings: Σ (gain·αα' + shift) δ_v·δ_v'."""

    alphas: tuple[Tensor, Tensor]
    """S×N1×n and S×N2×n,"""
    deltas: tuple[Tensor, Tensor]
    """and S×r×N1×m and S×r×N2×m, or S×r×1×m each where they are those of every input."""
    gain: float
    shift: float

    @property
    def same(self) -> bool:
        """Whether δ are those of every input."""
        return all(delta.shape[-2] == 1 for delta in self.deltas)


def pairs(layers: Sequence[Factors], out: Tensor, *, gram: bool) -> bool:
    """Write the sum over layers of every pair of inputs, if it can be done here: on processors with 512-bit vectors.

    out: S×r×N1×r×N2, of every two readouts, or S×N1×N2, the sum over readouts; numbers of a row adjoin. gram: whether
    both sides are the same, which makes halves of the same bits. Waits for the compiler, so that equal kernels have the
    same bits.
    """
    if out.device.type != "cpu" or not library.wide() or out.stride(-1) != 1 or not out.numel():
        return False
    try:
        code = library.build(pairs_source(NUMBERS[out.dtype])).result()
    except (KeyError, library.CompilerError):
        return False
    size = out.numel() * sum(item.deltas[0].shape[-1] for item in layers)
    _Work(code, out, torch.get_num_threads() if size > _FEW else 1, gram=gram).run(layers)
    return True


class _Work:
    """A kernel to be written."""

    def __init__(self, code: ctypes.CDLL, out: Tensor, threads: int, *, gram: bool) -> None:
        self._code, self._out, self._threads, self._gram = code, out, threads, gram
        self._full = out.dim() > 3
        self._lanes = 64 // out.itemsize
        self._holds: list[object] = []
        self._packed: Iterator[_Rows] = iter(())

    def run(self, layers: Sequence[Factors]) -> None:
        """Add layer to layer, as many at a time as there is room for."""
        first = 0
        while first < len(layers):
            last, size = first, 0
            while last < len(layers) and (last == first or size + self._size(layers[last]) <= _PACKED):
                last, size = last + 1, size + self._size(layers[last])
            self._add(layers[first:last], more=first > 0)
            first = last

    def _size(self, layer: Factors) -> int:
        """Bytes of what is packed, about."""
        deltas = () if layer.same else layer.deltas
        return sum(
            some.numel() * some.itemsize for both in (layer.alphas, deltas) for some in both[: 1 + (not self._gram)]
        )

    def _add(self, layers: Sequence[Factors], *, more: bool) -> None:
        # What was packed of the layers before has been added.
        self._holds = []
        networks = [[_of(layer, number) for layer in layers] for number in range(len(self._out))]
        self._pack([some for network in networks for layer in network for some in self._sides(layer)])
        found = [self._pairs(network, out, more=more) for network, out in zip(networks, self._out, strict=True)]
        self._all(self._code.pairs, (_Pairs * len(found))(*found))

    def _sides(self, layer: Factors) -> Iterator[Tensor]:
        """What is to be packed, r×N×n each."""
        for both in (layer.alphas, *(() if layer.same else (layer.deltas,))):
            yield from both[:1] if self._gram else both

    def _pack(self, sides: Sequence[Tensor]) -> None:
        """Rows in blocks as wide as a vector, in the order in which they are then asked for."""
        sides = [some if some.stride(-1) == 1 else some.contiguous() for some in sides]
        shapes = [self._shape(*some.shape) for some in sides]
        room = large(self._out, sum(map(prod, shapes)))
        self._holds += [sides, room]
        packings, places = (_Packing * len(sides))(), accumulate(map(prod, shapes), initial=0)
        for number, (some, (_, blocks, pitch), place) in enumerate(zip(sides, shapes, places, strict=False)):
            to = _Rows(room[place:].data_ptr(), pitch, blocks * pitch)
            packings[number] = _Packing(_Rows(some.data_ptr(), some.stride(1), some.stride(0)), to, *some.shape)
        self._all(self._code.packs, packings)
        self._packed = iter([packing.to for packing in packings])

    def _shape(self, readouts: int, rows: int, length: int) -> tuple[int, int, int]:
        # An odd number of vectors apart: a power of two would meet in the same places of caches.
        return readouts, -(-rows // self._lanes), (length | 1) * self._lanes

    def _all(self, function: Any, arguments: Any) -> None:
        """In all threads."""
        taken = Long(0)
        given = ctypes.byref(arguments), Long(len(arguments)), ctypes.byref(taken)
        others = [Thread(target=function, args=given) for _ in range(self._threads - 1)]
        started = []
        # Whoever is there takes what is left: a thread that cannot be started is missed by nobody.
        with suppress(RuntimeError):
            for thread in others:
                thread.start()
                started.append(thread)
        function(*given)
        for thread in started:
            thread.join()

    def _pairs(self, layers: Sequence[Factors], out: Tensor, *, more: bool) -> _Pairs:
        terms = (_Term * len(layers))(*map(self._term, layers))
        self._holds.append(terms)
        readouts, strides = (len(out), out.stride()[:3]) if self._full else (1, (0, out.stride(0), 0))
        rows, columns = out.shape[1 if self._full else 0], out.shape[-1]
        sizes = len(terms), rows, columns, self._gram, readouts, more
        return _Pairs(ctypes.addressof(terms), *sizes, out.data_ptr(), *strides, *self._block(rows, columns))

    def _term(self, layer: Factors) -> _Term:
        weight = _Product(*self._both(), layer.alphas[0].shape[-1], 1)
        a, b = layer.deltas
        if not layer.same:
            return _Term(weight, _Product(*self._both(), a.shape[-1], 1 if self._full else len(a)), None, *layer[2:])
        same = a.squeeze(-2) @ b.squeeze(-2).mT if self._full else (a * b).sum()
        self._holds.append(same)
        return _Term(weight, _Product(), same.data_ptr(), *layer[2:])

    def _both(self) -> tuple[_Rows, _Rows]:
        one = next(self._packed)
        return one, one if self._gram else next(self._packed)

    def _block(self, rows: int, columns: int) -> tuple[int, int]:
        """How many rows and columns a block has: large ones, but some for every thread."""
        height, most = min(self._whole(rows), _HEIGHT), _BREADTH * self._lanes
        least = most if self._threads == 1 else _LEAST * self._lanes
        while most > least and -(-rows // height) * -(-columns // most) < 4 * self._threads:
            most //= 2
        # All strips equally wide.
        return height, self._whole(-(-columns // -(-columns // most)))

    def _whole(self, count: int) -> int:
        """In whole vectors."""
        return -(-count // self._lanes) * self._lanes


def _of(layer: Factors, number: int) -> Factors:
    """A network's: 1×N×n, and r×N×m."""
    (a, b), (c, d) = layer.alphas, layer.deltas
    return layer._replace(alphas=(a[number, None], b[number, None]), deltas=(c[number], d[number]))
