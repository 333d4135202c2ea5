"""Which format a file is in, by its first bytes and its name. `FORMATS` is the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from datasets.uploads import csv, idx, npy, npz
from datasets.uploads.refusals import Budget, unreadable
from datasets.uploads.spool import Spool

HEAD = 16
Reader = Callable[[BinaryIO, int, Spool, Spool, Budget], None]


@dataclass(frozen=True)
class Format:
    """A format: how its files end, how they begin (None: any text), and what reads one of `size` bytes into x and y."""

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool] | None
    read: Reader


FORMATS = (
    Format("npy", (".npy",), lambda head: head.startswith(npy.MAGIC), npy.read_npy),
    Format("npz", (".npz", ".zip"), lambda head: head.startswith(npz.MAGIC), npz.read_npz),
    Format(
        "IDX",
        (".idx", ".gz", "-ubyte"),
        lambda head: head.startswith(idx.GZIP_MAGIC) or idx.looks_like_idx(head),
        idx.read_idx,
    ),
    Format("csv", (".csv", ".tsv", ".txt"), None, csv.read_csv),
)


def recognise(head: bytes, filename: str) -> Format:
    """The format of a file; raises ProblemError where name and content disagree or neither says anything."""
    named = next((form for form in FORMATS if filename.lower().endswith(form.suffixes)), None)
    found = next((form for form in FORMATS if form.begins is not None and form.begins(head)), None)
    if named is not None and named.begins is None and found is None:
        return named
    if found is None:
        says = f"does not begin like a file of {named.name}, as its name has it" if named else "is in no known format"
        raise unreadable(f"the file {says}; npy, npz, csv (by name) and IDX, plain or gzipped, are read")
    if named is not None and named is not found:
        raise unreadable(f"the file's name says {named.name}, and its content {found.name}")
    return found
