"""CSV: numbers separated by comma, semicolon or tab, perhaps a header; every fault has a line and a column."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from datasets.fields import MAX_ROW
from datasets.uploads.refusals import Budget, unreadable
from datasets.uploads.spool import Spool

DELIMITERS = "\t;,"
TARGET_NAMES = {"y", "label"}
MAX_LINE = 8 * 2**20
BATCH = 2**18
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
BOM = b"\xef\xbb\xbf"

Line = tuple[int, str]
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """What the first line says: the delimiter, the number of columns, and which of them, if any, is y."""

    delimiter: str
    first: int
    width: int
    target: int | None
    header: bool


def read_csv(file: BinaryIO, size: int, x: Spool, y: Spool, budget: Budget) -> None:  # noqa: ARG001
    """Every column as x, but one named `y` or `label` as y."""
    form: Form | None = None
    for batch in _batches(file):
        lines = batch
        if form is None:
            form = _form(*batch[0])
            lines = batch[1:] if form.header else batch
        if lines:
            table = _table(lines, form)
            budget.take(table.nbytes)
            _write(table, form.target, x, y)
    if not len(x):
        raise unreadable("the file holds no rows of numbers")


def _write(table: Table, target: int | None, x: Spool, y: Spool) -> None:
    if target is None:
        x.write(table)
    else:
        x.write(np.delete(table, target, axis=1))
        y.write(table[:, [target]])


def _batches(file: BinaryIO) -> Iterator[list[Line]]:
    """Lines that are not blank, numbered from 1, about 256 KiB at a time."""
    batch, size, number = [], 0, 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            raise unreadable(f"line {number:,} is longer than {MAX_LINE:,} bytes")
        line = _decoded(raw.removeprefix(BOM) if number == 1 else raw, number)
        if line.strip(" "):
            batch.append((number, line))
            size += len(raw)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decoded(raw: bytes, number: int) -> str:
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise unreadable(f"line {number:,} is not UTF-8 text") from error


def _form(number: int, line: str) -> Form:
    delimiter = next((mark for mark in DELIMITERS if mark in line), ",")
    cells = _cells(number, line, delimiter)
    if len(cells) > MAX_ROW:
        raise unreadable(f"line {number:,} has {len(cells):,} columns; {MAX_ROW:,} are the most")
    # A decimal comma does not make a name of a number.
    header = any(cells) and not any(_is_number(cell.replace(",", ".")) for cell in cells)
    target = _target(number, [cell.lower() for cell in cells]) if header else None
    return Form(delimiter, number, len(cells), target, header)


def _target(number: int, names: list[str]) -> int | None:
    """The column of y among those of a header."""
    if "" in names:
        raise unreadable(f"line {number:,}, column {names.index('') + 1} of the header is empty")
    found = [at for at, name in enumerate(names) if name in TARGET_NAMES]
    if len(found) > 1:
        raise unreadable(f"line {number:,} names more than one column y or label")
    if found and len(names) == 1:
        raise unreadable(f"line {number:,} names a column of targets and none of inputs")
    return found[0] if found else None


def _table(batch: list[Line], form: Form) -> Table:
    """The numbers of some lines: numpy's parser where all is well, cell by cell where it is not."""
    lines = [line for _, line in batch]
    try:
        table = np.loadtxt(lines, np.float64, comments=None, delimiter=form.delimiter, ndmin=2)
    except ValueError:
        return _slowly(batch, form)
    if table.shape != (len(batch), form.width) or not np.isfinite(table).all():
        return _slowly(batch, form)
    return table


def _slowly(batch: list[Line], form: Form) -> Table:
    """The same for lines with quotes or faults; raises ProblemError that names the line and the column."""
    table = np.empty((len(batch), form.width))
    for row, (number, line) in enumerate(batch):
        cells = _cells(number, line, form.delimiter)
        if len(cells) != form.width:
            detail = f"line {number:,} has {len(cells):,} cells, and line {form.first:,} has {form.width:,}"
            raise unreadable(detail)
        for column, cell in enumerate(cells):
            table[row, column] = _number(cell, number, column + 1)
    return table


def _number(cell: str, line: int, column: int) -> float:
    if not cell:
        raise unreadable(f"line {line:,}, column {column:,} is empty")
    if not _is_number(cell):
        raise unreadable(f"line {line:,}, column {column:,}: {cell[:40]!r} is not a number")
    value = float(cell) if NUMBER.fullmatch(cell) else np.inf
    if not np.isfinite(value):
        raise unreadable(f"line {line:,}, column {column:,}: {cell[:40]!r} is not finite")
    return value


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None or cell.lower().lstrip("+-") in {"nan", "inf", "infinity"}


def _cells(number: int, line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise unreadable(f"line {number:,} cannot be split into cells: {error}") from error
