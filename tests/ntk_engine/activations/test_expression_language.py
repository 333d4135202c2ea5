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
    "": "expression, at character 1: expected a number, z, a function or '(', not the end",
    "   ": "expression, at character 4: expected a number, z, a function or '(', not the end",
    "z +": "expression, at character 4: expected a number, z, a function or '(', not the end",
    "tanh()": "expression, at character 6: expected a number, z, a function or '(', not ')'",
    "z)": "expression, at character 2: expected an operator or the end, not ')'",
    "(z": "expression, at character 3: expected an operator or ')', not the end",
    "2z": "expression, at character 2: expected an operator or the end, not 'z'",
    "z z": "expression, at character 3: expected an operator or the end, not 'z'",
    "z < 0": "expression, at character 3: expected an operator or the end, not '<'",
    "x": "expression, at character 1: 'x' is not known; the variable is z, and there are pi, e, abs, atan,",
    "Z": "expression, at character 1: 'Z' is not known",
    "__import__": "expression, at character 1: '__import__' is not known",
    "z.real": "expression, at character 2: expected digits before or after the point",
    "tanh": "expression, at character 5: expected '(', as tanh takes 1 argument, not the end",
    "max(z)": "expression, at character 6: expected an operator or ',', as max takes 2 arguments, not ')'",
    "max(z,1,2)": "expression, at character 8: expected an operator or ')', as max takes 2 arguments, not ','",
    "where(z,1,2)": "expression, at character 8: expected a comparison with <, <=, > or >=",
    "z^z": "expression, at character 3: expected a whole number from -20 to 20, as exponents are, not 'z'",
    "z^0.5": "expression, at character 3: expected a whole number from -20 to 20, as exponents are, not '0.5'",
    "z^21": "expression, at character 3: expected a whole number from -20 to 20, as exponents are, not '21'",
    "z^2^3": "expression, at character 4: expected an operator or the end, not '^'",
    "z**": "expression, at character 4: expected a whole number from -20 to 20, as exponents are, not the end",
    "1e999": "expression, at character 1: the number 1e999 is too large",
    "z+1e-999": "expression, at character 3: the number 1e-999 is too small; write 0",
    "2e": "expression, at character 2: expected an operator or the end, not 'e'",
    "z²": "expression, at character 2: '²' has no meaning here",
    "z\x00": "expression, at character 2: '\\x00' has no meaning here",
    "٣": "expression, at character 1: '٣' has no meaning here",
    "\ud800": "expression, at character 1: '\\ud800' has no meaning here",
    "z = 1": "expression, at character 3: '=' has no meaning here",
    "(" * 51 + "z": "expression, at character 52: expected at most 50 parentheses, functions or signs in another",
    "-" * 60 + "z": "expression, at character 52: expected at most 50 parentheses, functions or signs in another",
    "z+" * 100 + "z": "expression, at character 202: expected the end by now: an expression has at most 200",
    "z" + " " * 500: "expression may have 500 characters, not 501",
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
