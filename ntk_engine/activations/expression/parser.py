"""From text to tree, by recursive descent; nothing of the text is ever executed or looked up as an attribute."""

from __future__ import annotations

from typing import NoReturn

from ntk_engine.activations.expression.syntax import ARITIES, COMPARISONS, CONSTANTS, Call, Node, Number, Variable
from ntk_engine.activations.expression.tokens import Token, fail, tokens

MAX_NODES = 200
"""Numbers, variables, operators and functions of an expression."""
MAX_NESTING = 50
"""Parentheses, functions and signs within one another."""
MAX_EXPONENT = 20

_OPERAND = "a number, z, a function or '('"


def parse(source: str) -> Node:
    """The tree of an expression. Raises ValueError, whose sentence names the place and what was expected there."""
    parser = _Parser(list(tokens(source)))
    tree = parser.sum(0)
    parser.take("", "an operator or the end")
    return tree


class _Parser:
    """What is left of the words, and how many nodes were made of those before."""

    def __init__(self, words: list[Token]) -> None:
        self.words = words
        self.at = 0
        self.nodes = 0

    def sum(self, depth: int) -> Node:
        left = self.product(depth)
        while (sign := self.accept("+", "-")) is not None:
            left = self.call(sign.text, left, self.product(depth))
        return left

    def product(self, depth: int) -> Node:
        left = self.signed(depth)
        while (sign := self.accept("*", "/")) is not None:
            left = self.call(sign.text, left, self.signed(depth))
        return left

    def signed(self, depth: int) -> Node:
        if self.accept("-") is not None:
            return self.call("neg", self.signed(self.deeper(depth)))
        if self.accept("+") is not None:
            return self.signed(self.deeper(depth))
        return self.power(depth)

    def power(self, depth: int) -> Node:
        base = self.operand(depth)
        if self.accept("^", "**") is None:
            return base
        return self.call("^", base, Number(self.exponent(depth)))

    def exponent(self, depth: int) -> float:
        if self.accept("(") is not None:
            value = self.exponent(self.deeper(depth))
            self.take(")", "')'")
            return value
        sign = self.accept("-", "+")
        word = self.words[self.at]
        if word.kind != "number" or not float(word.text).is_integer() or float(word.text) > MAX_EXPONENT:
            self.wrong(f"a whole number from -{MAX_EXPONENT} to {MAX_EXPONENT}, as exponents are")
        self.at += 1
        return -float(word.text) if sign is not None and sign.text == "-" else float(word.text)

    def operand(self, depth: int) -> Node:
        word = self.words[self.at]
        if word.kind == "number":
            self.at += 1
            return self.made(Number(float(word.text)))
        if word.kind == "name":
            self.at += 1
            return self.named(word, depth)
        self.take("(", _OPERAND)
        inner = self.sum(self.deeper(depth))
        self.take(")", "an operator or ')'")
        return inner

    def named(self, word: Token, depth: int) -> Node:
        if word.text == "z":
            return self.made(Variable())
        if word.text in CONSTANTS:
            return self.call(word.text)
        if word.text not in ARITIES:
            known = ", ".join((*CONSTANTS, *sorted(ARITIES, key=str.lower)))
            fail(word.start, f"{word.text[:30]!r} is not known; the variable is z, and there are {known}")
        return self.call(word.text, *self.arguments(word.text, self.deeper(depth)))

    def arguments(self, name: str, depth: int) -> list[Node]:
        count = ARITIES[name]
        takes = f"{name} takes {count} argument{'s' * (count > 1)}"
        self.take("(", f"'(', as {takes}")
        found = [self.comparison(depth) if name == "where" else self.sum(depth)]
        for _ in range(count - 1):
            self.take(",", f"an operator or ',', as {takes}")
            found.append(self.sum(depth))
        self.take(")", f"an operator or ')', as {takes}")
        return found

    def comparison(self, depth: int) -> Node:
        left = self.sum(depth)
        sign = self.accept(*COMPARISONS)
        if sign is None:
            self.wrong("a comparison with <, <=, > or >=, as in where(z > 0, z, 0)")
        return self.call(sign.text, left, self.sum(depth))

    def accept(self, *signs: str) -> Token | None:
        """The next word, if it is one of these signs."""
        word = self.words[self.at]
        if word.kind != "sign" or word.text not in signs:
            return None
        self.at += 1
        return word

    def take(self, sign: str, expected: str) -> None:
        """Go past this sign, or past nothing at the end."""
        word = self.words[self.at]
        if word.kind != ("sign" if sign else "end") or word.text != sign:
            self.wrong(expected)
        self.at += bool(sign)

    def wrong(self, expected: str) -> NoReturn:
        word = self.words[self.at]
        fail(word.start, f"expected {expected}, not {repr(word.text[:30]) if word.text else 'the end'}")

    def deeper(self, depth: int) -> int:
        if depth == MAX_NESTING:
            fail(
                self.words[self.at].start, f"expected at most {MAX_NESTING} parentheses, functions or signs in another"
            )
        return depth + 1

    def call(self, name: str, *arguments: Node) -> Node:
        return self.made(Call(name, arguments))

    def made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            most = f"an expression has at most {MAX_NODES} numbers, variables, operators and functions"
            fail(self.words[self.at].start, f"expected the end by now: {most}")
        return node
