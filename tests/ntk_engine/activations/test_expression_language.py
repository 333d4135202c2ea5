"""The language of expressions: what is read, in which form it is written back, and what is refused with which words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_engine.activations.expression.parser import parse
from ntk_engine.activations.expression.syntax import ARITIES, text
from tests.ntk_engine.activations import expressions

CANONICAL = {
    " z*tanh( softplus(z) )": "z * tanh(softplus(z))",
    "((z))*1.50e0": "z * 1.5",
    "z**2+z^(+2)-z^(-3)": "z^2 + z^2 - z^-3",
    "-z^2": "-z^2",
    "(-z)^2": "(-z)^2",
    "-(z*2)": "-(z * 2)",
    "-z*2": "-z * 2",
    "z-(z-1)-1": "z - (z - 1) - 1",
    "z/(2*z/3)": "z / (2 * z / 3)",
    "2*(z+1)": "2 * (z + 1)",
    "+z - -1": "z - -1",
    "where(z<=0,expm1( z),(z))": "where(z <= 0, expm1(z), z)",
    "2.0*z": "2 * z",
    "z*2": "z * 2",
    "1e22*z+.5+3.": "1e+22 * z + 0.5 + 3",
    "sqrt(2/pi)*e": "sqrt(2 / pi) * e",
    "\tz\n": "z",
}

# The sentence that a text is answered with, from the character that it names.
REFUSED = {
    "": "at character 1 of the expression: expected a number, z, a function or '(', not the end",
    "   ": "at character 4 of the expression: expected a number, z, a function or '(', not the end",
    "z +": "at character 4 of the expression: expected a number, z, a function or '(', not the end",
    "tanh()": "at character 6 of the expression: expected a number, z, a function or '(', not ')'",
    "z)": "at character 2 of the expression: expected an operator or the end, not ')'",
    "(z": "at character 3 of the expression: expected an operator or ')', not the end",
    "2z": "at character 2 of the expression: expected an operator or the end, not 'z'",
    "z z": "at character 3 of the expression: expected an operator or the end, not 'z'",
    "z < 0": "at character 3 of the expression: expected an operator or the end, not '<'",
    "x": "at character 1 of the expression: 'x' is not known; the variable is z, and there are pi, e, abs, atan,",
    "Z": "at character 1 of the expression: 'Z' is not known",
    "__import__": "at character 1 of the expression: '__import__' is not known",
    "z.real": "at character 2 of the expression: expected digits before or after the point",
    "tanh": "at character 5 of the expression: expected '(', as tanh takes 1 argument, not the end",
    "max(z)": "at character 6 of the expression: expected an operator or ',', as max takes 2 arguments, not ')'",
    "max(z,1,2)": "at character 8 of the expression: expected an operator or ')', as max takes 2 arguments, not ','",
    "where(z,1,2)": "at character 8 of the expression: expected a comparison with <, <=, > or >=",
    "z^z": "at character 3 of the expression: expected a whole number from -20 to 20, as exponents are, not 'z'",
    "z^0.5": "at character 3 of the expression: expected a whole number from -20 to 20, as exponents are, not '0.5'",
    "z^21": "at character 3 of the expression: expected a whole number from -20 to 20, as exponents are, not '21'",
    "z^2^3": "at character 4 of the expression: expected an operator or the end, not '^'",
    "z**": "at character 4 of the expression: expected a whole number from -20 to 20, as exponents are, not the end",
    "1e999": "at character 1 of the expression: the number 1e999 is too large",
    "z+1e-999": "at character 3 of the expression: the number 1e-999 is too small; write 0",
    "2e": "at character 2 of the expression: expected an operator or the end, not 'e'",
    "z²": "at character 2 of the expression: '²' has no meaning here",
    "z\x00": "at character 2 of the expression: '\\x00' has no meaning here",
    "٣": "at character 1 of the expression: '٣' has no meaning here",
    "\ud800": "at character 1 of the expression: '\\ud800' has no meaning here",
    "z = 1": "at character 3 of the expression: '=' has no meaning here",
    "(" * 51 + "z": "at character 52 of the expression: expected at most 50 parentheses, functions or signs in another",
    "-" * 60 + "z": "at character 52 of the expression: expected at most 50 parentheses, functions or signs in another",
    "z+" * 100 + "z": "at character 202 of the expression: expected the end by now: an expression has at most 200",
    "z" + " " * 500: "an expression has at most 500 characters, not 501",
}


@pytest.mark.parametrize(("source", "canonical"), CANONICAL.items())
def test_one_text_for_what_is_read_alike(source: str, canonical: str) -> None:
    assert text(parse(source)) == canonical
    assert parse(canonical) == parse(source)


@pytest.mark.parametrize(("source", "sentence"), REFUSED.items())
def test_what_cannot_be_read_is_answered_with_its_place(source: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(source)
    assert str(refused.value).startswith(sentence)


def test_every_function_that_is_known_can_be_called() -> None:
    for name, arity in ARITIES.items():
        source = "where(z > 0, z, z)" if name == "where" else f"{name}({', '.join(['z'] * arity)})"
        assert text(parse(source)) == source


@given(expressions.EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_the_canonical_text_is_read_as_the_same_tree(source: str) -> None:
    canonical = text(parse(source))
    assert parse(canonical) == parse(source)
    assert text(parse(canonical)) == canonical


@given(st.text(max_size=60) | st.text(alphabet="z0123456789.e+-*/^()<>=, ", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        parse(source)
    except ValueError as refused:
        assert str(refused)
