"""Safetensors: the length of a header, a header of JSON, and the tensors' bytes without a hole. Nothing is believed."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple

from contracts.parameters import pointer, shown
from datasets.uploads.refusals import unreadable

LENGTH = 8
MAX_HEADER = 2**22
ITEM = {"F64": 8, "F32": 4}
METADATA = "__metadata__"


class Tensor(NamedTuple):
    """Where a tensor lies in the file, from its beginning on."""

    shape: tuple[int, ...]
    dtype: str
    begin: int


class Header(NamedTuple):
    """What a file says of itself."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_header(file: BinaryIO, size: int) -> Header:
    """The header of a file of `size` bytes, read from its beginning; raises ProblemError where it is not sound."""
    file.seek(0)
    start = file.read(LENGTH)
    length = int.from_bytes(start, "little")
    if len(start) < LENGTH or not length:
        raise unreadable("the file does not begin like one of safetensors")
    if length > MAX_HEADER:
        raise unreadable(f"the file declares a header of {length:,} bytes; {MAX_HEADER:,} are the most")
    if length > size - LENGTH:
        raise unreadable(f"the file declares a header of {length:,} bytes, and {size - LENGTH:,} follow")
    found = _json(file.read(length))
    metadata = _metadata(found.pop(METADATA, {}))
    begin = LENGTH + length
    spans = {name: _span(name, entry) for name, entry in found.items()}
    _check_without_holes(spans, size - begin)
    return Header({name: Tensor(shape, dtype, begin + at) for name, (shape, dtype, at, _) in spans.items()}, metadata)


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise unreadable("the header is not JSON that can be read") from error
    if not isinstance(found, dict):
        raise unreadable("the header is not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise unreadable(f"the header has {shown(twice)} more than once", pointer(twice))
    return made


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
        raise unreadable(f"{METADATA} must be an object of strings", pointer(METADATA))
    return dict(value)


def _span(name: str, entry: Any) -> tuple[tuple[int, ...], str, int, int]:
    """Shape, type, and the bytes [begin, end) of a tensor among those behind the header."""
    if not isinstance(entry, Mapping) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise unreadable(f"{shown(name)} needs a dtype, a shape and data_offsets, and nothing else", pointer(name))
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM:
        detail = f"{shown(name)} has the dtype {shown(str(dtype))}; F64 and F32 are taken"
        raise unreadable(detail, pointer(name))
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        raise unreadable(f"shape and data_offsets of {shown(name)} must be lists of integers from 0 on", pointer(name))
    if prod(shape) * ITEM[dtype] != offsets[1] - offsets[0]:
        detail = (
            f"{shown(name)} has {prod(shape):,} numbers of {ITEM[dtype]} bytes in {offsets[1] - offsets[0]:,} bytes"
        )
        raise unreadable(detail, pointer(name))
    return tuple(shape), dtype, offsets[0], offsets[1]


def _counts(value: Any) -> bool:
    """Whether it is a short list of sizes that a file may have."""
    return (
        isinstance(value, list) and len(value) <= 8 and all(type(item) is int and 0 <= item < 2**48 for item in value)
    )


def _check_without_holes(spans: Mapping[str, tuple[tuple[int, ...], str, int, int]], size: int) -> None:
    end = 0
    for name, (_, _, begin, after) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if begin != end:
            what = "overlaps the tensor before it" if begin < end else "leaves a hole before it"
            raise unreadable(f"{shown(name)} {what}: it begins at {begin:,}, not {end:,}", pointer(name))
        end = after
    if end != size:
        raise unreadable(f"the header declares {end:,} bytes of tensors, and {size:,} follow it")
