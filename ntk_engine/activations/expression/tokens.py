"""The words of an expression: numbers, names and signs, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Literal, NamedTuple, NoReturn

MAX_LENGTH = 500
"""Characters of an expression."""

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_BLANKS = frozenset(" \t\r\n")
# Longest first, so that "<=" is not read as "<".
_SIGNS = ("**", "<=", ">=", "+", "-", "*", "/", "^", "(", ")", ",", "<", ">")


class Token(NamedTuple):
    """A word, and the index of its first character."""

    kind: Literal["number", "name", "sign", "end"]
    text: str
    start: int


def fail(start: int, fault: str) -> NoReturn:
    """Raise the ValueError of a fault; characters are counted from 1."""
    raise ValueError(f"expression, at character {start + 1}: {fault}")


def tokens(source: str) -> Iterator[Token]:
    """The words in their order, and an end. Raises ValueError for what cannot be one."""
    if len(source) > MAX_LENGTH:
        raise ValueError(f"expression may have {MAX_LENGTH} characters, not {len(source)}")
    at = 0
    while at < len(source):
        if source[at] in _BLANKS:
            at += 1
            continue
        token = _token(source, at)
        yield token
        at += len(token.text)
    yield Token("end", "", len(source))


def _token(source: str, at: int) -> Token:
    if source[at] in _DIGITS or source[at] == ".":
        return Token("number", _number(source, at), at)
    if source[at] in _LETTERS:
        return Token("name", source[at : _run(source, at, _LETTERS | _DIGITS)], at)
    for sign in _SIGNS:
        if source.startswith(sign, at):
            return Token("sign", sign, at)
    fail(at, f"{source[at]!r} has no meaning here; expressions are written in ASCII, as in z * tanh(softplus(z))")


def _number(source: str, at: int) -> str:
    """The text of the number that starts here: digits with at most one point, and an exponent."""
    whole = _run(source, at, _DIGITS)
    end = _run(source, whole + 1, _DIGITS) if source.startswith(".", whole) else whole
    if source[at:end] == ".":
        fail(at, "expected digits before or after the point")
    if source[end : end + 1] in ("e", "E"):
        signed = end + 1 + (source[end + 1 : end + 2] in ("+", "-"))
        power = _run(source, signed, _DIGITS)
        end = power if power > signed else end
    value = float(source[at:end])
    if value == inf:
        fail(at, f"the number {_short(source[at:end])} is too large")
    if value == 0.0 and set(source[at:end].lower().partition("e")[0]) & set("123456789"):
        fail(at, f"the number {_short(source[at:end])} is too small; write 0")
    return source[at:end]


def _run(source: str, at: int, among: frozenset[str]) -> int:
    """The end of the run of such characters that starts here."""
    while at < len(source) and source[at] in among:
        at += 1
    return at


def _short(word: str) -> str:
    return word if len(word) <= 20 else f"{word[:20]}..."
