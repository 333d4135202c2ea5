"""θ out of files of named tensors: the one row that they are, however they lie there; and what is no such file."""

import io
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from contracts.parameters import DenseLayer
from contracts.problems import Problem, ProblemError
from datasets.content import content_id, digest
from datasets.rows import ArrayRows
from datasets.uploads import parameters
from datasets.uploads.parameters import read_parameters
from datasets.uploads.safetensors import MAX_HEADER, read_header

ROOT = Path(__file__).parents[2]
LAYERS = (DenseLayer("a", 3, 2, 0), DenseLayer("b", 1, 3, 9), DenseLayer("c", 4, 1, 13))


def tensors(dtype: str = "float64") -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = [item for layer in LAYERS for item in layer.shapes.items()]
    return {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes}


def theta(some: dict[str, np.ndarray]) -> np.ndarray:
    """Number by number, by what the order is said to be."""
    found = []
    for layer in LAYERS:
        for weights, bias in zip(some[f"{layer.name}.weight"], some[f"{layer.name}.bias"], strict=True):
            found += [*weights, bias]
    return np.array(found)


def file_of(entries: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A header, as JSON unless it is text already, and what follows it."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def in_order(names: tuple[str, ...], some: dict[str, np.ndarray]) -> bytes:
    """A file whose tensors lie in the order of `names`."""
    entries, data = {}, b""
    for name in names:
        after = data + some[name].tobytes()
        entries[name] = {"dtype": "F64", "shape": some[name].shape, "data_offsets": [len(data), len(after)]}
        data = after
    return file_of(entries, data)


@pytest.mark.parametrize("together", [1, 2, 3, 5, 2**19])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_file_of_the_library(dtype: str, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "TOGETHER", together)
    some = tensors(dtype)
    data = safetensors.numpy.save(some, metadata={"format": "pt"})
    header = read_header(io.BytesIO(data), len(data))
    assert header.metadata == {"format": "pt"}
    with read_parameters(io.BytesIO(data), header, LAYERS) as content:
        row = content.x.array()
        again = np.concatenate(list(content.x))
    expected = theta(some)
    assert row.shape == content.x.shape == (1, 21)
    assert row.dtype == content.x.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(row[0], expected)
    np.testing.assert_array_equal(again, expected)
    assert content.id == content_id(digest(ArrayRows(expected[None])), None)


def test_the_order_in_the_file_is_nothing_to_the_row() -> None:
    some = tensors()
    orders = list(itertools.permutations(some))
    for names in orders[::37]:
        data = in_order(names, some)
        content = read_parameters(io.BytesIO(data), read_header(io.BytesIO(data), len(data)), LAYERS)
        np.testing.assert_array_equal(content.x.array()[0], theta(some))


def refused(data: bytes) -> Problem:
    with pytest.raises(ProblemError) as caught:
        read_parameters(io.BytesIO(data), read_header(io.BytesIO(data), len(data)), LAYERS)
    assert caught.value.problem.type == "/problems/unreadable-upload"
    return caught.value.problem


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["a.weight", "b.bias", "c.weight", "c.bias"])
def test_the_value_that_is_not_finite(name: str, value: float) -> None:
    some = tensors()
    at = np.unravel_index(some[name].size - 1, some[name].shape)
    some[name][at] = value
    problem = refused(safetensors.numpy.save(some))
    assert problem.errors[0].pointer == f"/file/{name}"
    assert f"at [{', '.join(map(str, at))}]" in problem.detail


def test_tensors_of_several_types() -> None:
    mixed = tensors() | {"b.weight": tensors("float32")["b.weight"]}
    assert [fault.pointer for fault in refused(safetensors.numpy.save(mixed)).errors] == ["/file/b.weight"]


def entry(**change: Any) -> dict[str, Any]:
    return {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]} | change


PAIR = [entry(), entry(data_offsets=[16, 32])]
HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "/file", "does not begin"),
    "half a length": (b"\x10\0\0\0", "/file", "does not begin"),
    "no header": (file_of(b""), "/file", "does not begin"),
    "a header beyond the file": (file_of({}, length=3), "/file", "3 bytes, and 2 follow"),
    "a huge header": (file_of({}, length=2**63), "/file", "9,223,372,036,854,775,808 bytes"),
    "a header over the limit": (file_of(b"{" + b" " * MAX_HEADER + b"}"), "/file", "are the most"),
    "no JSON": (file_of(b"{a: 1}"), "/file", "not JSON"),
    "no text": (file_of(b"\xff\xfe"), "/file", "not JSON"),
    "deep JSON": (file_of(b"[" * 100_000), "/file", "not JSON"),
    "long numbers": (file_of(b'{"a": ' + b"9" * 10_000 + b"}"), "/file", "not JSON"),
    "a list": (file_of([]), "/file", "not a JSON object"),
    "a number": (file_of(1), "/file", "not a JSON object"),
    "a name twice": (file_of(b'{"a": 1, "b": 2, "a": 1}'), "/file/a", "more than once"),
    "a field twice": (file_of(b'{"a": {"dtype": "F64", "dtype": "F32"}}'), "/file/dtype", "more than once"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "/file/__metadata__", "object of strings"),
    "metadata in a list": (file_of({"__metadata__": []}), "/file/__metadata__", "object of strings"),
    "no entry": (file_of({"a": None}), "/file/a", "needs a dtype"),
    "no shape": (file_of({"a": {"dtype": "F64", "data_offsets": [0, 0]}}), "/file/a", "needs a dtype"),
    "more": (file_of({"a": entry(strides=[1])}, b"\0" * 16), "/file/a", "nothing else"),
    "another dtype": (file_of({"a": entry(dtype="BF16")}), "/file/a", "the dtype BF16"),
    "a dtype in a list": (file_of({"a": entry(dtype=["F64"])}), "/file/a", "the dtype ['F64']"),
    "a shape in words": (file_of({"a": entry(shape="22")}), "/file/a", "lists of integers"),
    "a fraction": (file_of({"a": entry(shape=[2.0])}), "/file/a", "lists of integers"),
    "true": (file_of({"a": entry(shape=[True, 2])}), "/file/a", "lists of integers"),
    "negative": (file_of({"a": entry(shape=[-1, -2])}), "/file/a", "lists of integers"),
    "too many axes": (file_of({"a": entry(shape=[1] * 9)}), "/file/a", "lists of integers"),
    "beyond any file": (file_of({"a": entry(shape=[2**64])}), "/file/a", "lists of integers"),
    "one offset": (file_of({"a": entry(data_offsets=[16])}), "/file/a", "lists of integers"),
    "backwards": (file_of({"a": entry(data_offsets=[16, 0])}), "/file/a", "2 numbers of 8 bytes in -16 bytes"),
    "too few bytes": (file_of({"a": entry(shape=[3])}), "/file/a", "3 numbers of 8 bytes in 16 bytes"),
    "a hole at the start": (file_of({"a": PAIR[1]}, b"\0" * 32), "/file/a", "leaves a hole"),
    "a hole": (file_of({"a": PAIR[0], "b": entry(data_offsets=[24, 40])}, b"\0" * 40), "/file/b", "leaves a hole"),
    "overlapping": (file_of({"a": PAIR[0], "b": entry(data_offsets=[8, 24])}, b"\0" * 24), "/file/b", "overlaps"),
    "the same bytes": (file_of({"a": PAIR[0], "b": PAIR[0]}, b"\0" * 16), "/file/b", "overlaps"),
    "cut off": (file_of(dict(zip("ab", PAIR, strict=True)), b"\0" * 31), "/file", "32 bytes of tensors, and 31 follow"),
    "left over": (file_of(dict(zip("ab", PAIR, strict=True)), b"\0" * 33), "/file", "32 bytes of tensors, and 33"),
    "an odd name": (file_of({"\ud800/~\n": None}), "/file/?~1~0?", "needs a dtype"),
    "a pickle": (b"\x80\x04\x95" + b"\0" * 100, "/file", "are the most"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_such_file(name: str) -> None:
    data, pointer, says = HOSTILE[name]
    problem = refused(data)
    assert problem.errors[0].pointer == pointer
    assert says in problem.detail


def test_whatever_the_library_refuses_is_refused() -> None:
    """Bytes of a sound file changed one by one: what is read here the library reads too, and to the same numbers."""
    sound = safetensors.numpy.save(tensors(), metadata={"format": "x"})
    random = np.random.default_rng(1)
    end = 8 + int.from_bytes(sound[:8], "little")
    taken = 0
    for _ in range(4000):
        data = bytearray(sound)
        data[random.integers(0, end)] = random.integers(32, 127)
        try:
            header = read_header(io.BytesIO(data), len(data))
        except ProblemError:
            continue
        taken += 1
        found = safetensors.numpy.load(bytes(data))
        assert {name: tensor.shape for name, tensor in header.tensors.items()} == {
            name: values.shape for name, values in found.items()
        }
    assert taken


READ = """
import json, sys
from contracts.parameters import DenseLayer
from datasets.uploads.parameters import read_parameters
from datasets.uploads.safetensors import read_header
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
open("/proc/self/clear_refs", "w").write("5")  # the peak so far, imports included, is forgotten
before = peak()
with open(sys.argv[1], "rb") as file:
    size = file.seek(0, 2)
    with read_parameters(file, read_header(file, size), (DenseLayer("a", 5000, 5000, 0),)) as content:
        numbers = sum(block.size for block in content.x)
print(json.dumps({"numbers": numbers, "kib": peak() - before}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is measured by Linux's /proc")
def test_the_peak_of_reading_200_mb(tmp_path: Path) -> None:
    file = tmp_path / "large"
    safetensors.numpy.save_file({"a.weight": np.ones((5000, 5000)), "a.bias": np.ones(5000)}, file)
    run = subprocess.run([sys.executable, "-c", READ, str(file)], cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(run.stdout)
    assert measured["numbers"] == 5000 * 5001
    # There are at once: bytes of W and b as read, twice while the library joins them, the block that they are put
    # into, and one before it; each 4 MiB, and masks of an eighth.
    assert measured["kib"] < 32 * 1024
