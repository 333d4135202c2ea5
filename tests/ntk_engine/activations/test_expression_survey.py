"""What is found out of an expression: its kinks and facts, and that it can be an activation at all."""

import random
import subprocess
import sys
from math import atanh, expm1, inf, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_engine.activations.expression import Expression
from ntk_engine.activations.expression.syntax import ARITIES
from tests.ntk_engine.activations import expressions

KINKS = {
    "tanh(z)": (),
    "relu(z)": (0.0,),
    "abs(2 * z - 3) + abs(-z)": (0.0, 1.5),
    "relu(3 * z - 1)": (1 / 3,),
    "max(z, 1 - z)": (0.5,),
    "min(max(z, -1), 1)": (-1.0, 1.0),
    "clip(z / 2, -1, pi)": (-2.0, 2 * 3.141592653589793),
    "clip(z, 1, -1) + z": (1.0,),
    "z * min(max(z + 3, 0), 6) / 6": (-3.0, 3.0),
    "abs(abs(abs(z) - 1) - 0.5)": (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "relu(abs(z) - sqrt(2))": (-sqrt(2), 0.0, sqrt(2)),
    "where(z < sin(1), z, sin(1))": (0.8414709848078965,),
    "abs(z * step(z) - 2)": (0.0, 2.0),
    "abs(where(z > 1, 2 * z - 1, z) - 5)": (1.0, 3.0),
    "where(2 > 1, z, -z)": (),
    "tanh(abs(z - 1))^2": (1.0,),
    "max(z, z)": (),
    "abs(clip(2 * z, -1, 3) - 2)": (-0.5, 1.0, 1.5),
    "abs(1e-200 * z - 1e100)": (1e300,),
}

# What changes over where no formula says, and where that is.
NAMED = {
    "abs(z^2 - 2)": (-sqrt(2), sqrt(2)),
    "relu(tanh(z))": (0.0,),
    "clip(tanh(2 * z), -0.9, 0.9)": (-atanh(0.9) / 2, atanh(0.9) / 2),
    "max(exp(z), 2)": (0.6931471805599453,),
    "min(z^3, 1) + abs(z)": (0.0, 1.0),
    "where(z * exp(z) > e, z * exp(z), e)": (1.0,),
    "abs(log(1 + z^2) - 30)": (-sqrt(expm1(30)), sqrt(expm1(30))),
}

# Expressions that are no activations, and what their users are told.
REFUSED = {
    "1 / z": "expression has the divisor z, which is 0 at z = 0; it must be finite everywhere",
    "sin(z) / z": "expression has the divisor z, which is 0 at z = 0; it must be finite everywhere",
    "1 / (z - 0.123456789)^2": r"the divisor \(z - 0.123456789\)\^2, which is 0 at z = 0.123457",
    "(z^2 - 2 * z + 1)^-1": r"expression has a negative power of z\^2 - 2 \* z \+ 1, which is 0 at z = 1",
    "1 / (z - 1234567.8)": r"the divisor z - 1234567.8, which is 0 at z = 1.23457e\+06",
    "1 / sin(100 * z)": "the divisor .*, which is 0 at z = 0",
    "z^-1": "expression has a negative power of z, which is 0 at z = 0",
    "atan(1 / z)": "expression has the divisor z, which is 0 at z = 0; it must be finite everywhere",
    "log(z)": "expression takes log of z, which is not positive at z = 0",
    "log(abs(z))": r"expression takes log of abs\(z\), which is not positive at z = 0",
    "log1p(z)": "expression takes log1p of z, which is not above -1 at z = -1",
    "log(z + 1e6)": r"log of z \+ 1000000, which is not positive at z = -1e\+06",
    "sqrt(z)": "expression takes sqrt of z, which is not positive at z = 0",
    "sqrt(z^2)": r"sqrt of z\^2, which is not positive at z = 0",
    "sqrt((z - 0.3)^2)": "sqrt of .*, which is not positive at z = 0.3",
    "sqrt(relu(z))": "expression takes sqrt of .*, which is not positive",
    "where(z > 0, sqrt(z), 0)": "expression takes sqrt of z, which is not positive at z = 0",
    "where(z > 1, log(z - 1), 0)": "expression takes log of z - 1, which is not positive at z = 1",
    "where(z > 0, where(z > 1, z, 1 / (z - 0.7)), z)": "the divisor z - 0.7, which is 0 at z = 0.7",
    "exp(z^2)": "expression is infinite or above 1e308 at z = 26.6",
    "exp(z^2 / 1000)": r"expression grows as exp\(c z\^2\) or faster",
    "z + exp(relu(z)^2 / 1e9)": r"expression grows as exp\(c z\^2\) or faster where z is positive",
    "exp(exp(z))": "expression is infinite or above 1e308",
    "exp(abs(z)^3 / 1e9)": r"expression grows as exp\(c z\^2\) or faster where z is negative",
    "1e300 * 1e300": "expression is infinite or above 1e308 at z = 0",
    "exp(z) / (1 + exp(z))": "expression is not a number at z = 71",
    "log(1 + exp(z))": r"expression is not finite beyond z = 709.783: .* softplus\(z\)",
    "log(exp(z))": "expression is not finite beyond z = -745.133",
    "sin(exp(z))": "expression is not a number at z = 71",
    "0 * z": "expression is 0 everywhere",
    "sign(z)": "expression jumps at z = 0, where its tangent kernel would be infinite",
    "where(z < 2, z, z^2)": "expression jumps at z = 2",
    "step(z - 0.3) * z": "expression jumps at z = 0.3",
    "abs(sin(z))": r"expression may have 16 kinks, and abs\(sin\(z\)\) has \d+ or more",
    "relu(exp(z))": r"kinks must name the points where relu\(exp\(z\)\) changes over; none was seen, .* without relu",
    "abs(abs(abs(abs(abs(z) - 8) - 4) - 2) - 1) - z": "expression may have 16 kinks, and .* has more",
}

FACTS = {
    # odd, homogeneous, polynomial, smoothness
    "z": (True, True, True, "C^inf"),
    "z^3 / pi": (True, True, True, "C^inf"),
    "1 + z * (z - 2)^2": (False, False, True, "C^inf"),
    "z^0": (False, True, True, "C^inf"),
    "relu(z)": (False, True, False, "C^0"),
    "max(z, 0.1 * z)": (False, True, False, "C^0"),
    "z * abs(z)": (True, True, False, "C^1"),
    "relu(z)^3": (False, True, False, "C^1"),
    "where(z < 0, expm1(z), z)": (False, False, False, "C^1"),
    "where(z < 0, 2 * expm1(z), z)": (False, False, False, "C^0"),
    "tanh(z)": (True, False, False, "C^inf"),
    "z / sqrt(1 + z^2)": (True, False, False, "C^inf"),
    "where(z < 0, expm1(z), -expm1(-z))": (True, False, False, "C^1"),
    "exp(z) - exp(-z)": (True, False, False, "C^inf"),
    "tanh(z) + 1e-15": (False, False, False, "C^inf"),
    "z + 1e-3 * exp(-(1000 * (z - 0.51))^2)": (False, False, False, "C^inf"),
    "z + 1e-20": (False, False, True, "C^inf"),
}


@pytest.mark.parametrize("source", [None, 3, b"z", ["z"], {"z": 1}])
def test_what_is_no_text(source: object) -> None:
    with pytest.raises(ValueError, match="expression must be a text such as"):
        Expression(source)  # type: ignore[arg-type]


def test_no_algebra_makes_expressions_equal() -> None:
    assert len({Expression(source) for source in ("z*2", "z * 2.0", "(z)*2e0")}) == 1
    assert len({Expression(source).expression for source in ("z*2", "2*z", "z+z", "z/0.5")}) == 4


@pytest.mark.parametrize(("source", "kinks"), KINKS.items())
def test_kinks_of_piecewise_affine_differences(source: str, kinks: tuple[float, ...]) -> None:
    found = Expression(source).kinks
    # A quotient of coefficients, each of them rounded twice at most.
    assert found == pytest.approx(kinks, rel=4 * 2.0**-52, abs=0.0)
    assert Expression(source, kinks) == Expression(source)


@pytest.mark.parametrize(("source", "kinks"), NAMED.items())
def test_other_kinks_are_to_be_named(source: str, kinks: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"^kinks must name z = [-0-9., ]+, where .* changes over$"):
        Expression(source)
    # Six digits are enough: the rest is found.
    rough = [float(f"{kink:.7g}") for kink in kinks]
    named = Expression(source, rough)  # type: ignore[arg-type]
    assert named.kinks == pytest.approx(kinks, rel=1e-15 if max(kinks) < 9 else 1e-14, abs=1e-15)
    assert Expression(source, named.kinks) == named
    for missing in rough:
        if missing:
            with pytest.raises(ValueError, match=r"^kinks must name z = "):
                Expression(source, [kink for kink in rough if kink != missing] + [7.0])  # type: ignore[arg-type]


def test_kinks_that_are_named_are_kept() -> None:
    assert Expression("tanh(z)", [2, -1.5, 2.0, -0.0]).kinks == (-1.5, 0.0, 2.0)  # type: ignore[arg-type,list-item]
    assert Expression("relu(z)", (1.0,)).kinks == (0.0, 1.0)
    assert Expression("relu(exp(z))", (5.0,)).kinks == (5.0,)
    assert Expression("relu(3 * z - 1)", (0.33333333333333337,)) == Expression("relu(3 * z - 1)")
    assert len(Expression("+".join(f"abs(z-{k})" for k in range(16))).kinks) == 16


@pytest.mark.parametrize(
    ("kinks", "sentence"),
    [
        ("0", "kinks must be a list of numbers, not '0'"),
        (0.0, "kinks must be a list of numbers, not 0.0"),
        ({0.0: 1}, "kinks must be a list of numbers"),
        ([True], "kinks.0. must be a finite number, not True"),
        (["0"], "kinks.0. must be a finite number, not '0'"),
        ([inf], "kinks.0. must be a finite number, not inf"),
        ([10**400], "kinks.0. must be a finite number"),
        (list(range(17)), "kinks may be 16, with those that need no name, not 17"),
    ],
)
def test_what_kinks_cannot_be(kinks: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Expression("tanh(z)", kinks)  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "sentence"), REFUSED.items())
def test_what_is_no_activation_is_refused_with_a_place(source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Expression(source)


def test_what_looks_singular_and_is_not() -> None:
    for source in (
        "1 / (1 + z^2)",
        "sqrt(z^2 + 1e-6)",
        "1 / (1.001 + sin(50 * z))",
        "where(abs(z) < 1e-8, 1, sin(z) / z)",
        "where(z > 0.1, log(z), log(0.1))",
        "where(z > 1, sqrt(z), 1)",
        "exp(-z^2)",
        "exp(z)",
        "z * cosh(z / 3)",
        "exp(abs(z)) - 1",
        "exp(z) / (1 + exp(-z))",
        "z^2 / (1 + z^2)",
        "1 / (1 + exp(-z))",
        "sqrt(softplus(z))",
        "log1p(exp(-z^2)) + z",
        "abs(1e-200 * z - 1e100)",
    ):
        Expression(source)


def test_what_is_singular_at_the_end_of_a_branch_is_refused_however_roughly_that_is_named() -> None:
    with pytest.raises(ValueError, match=r"sqrt of z\^2 - 2, which is not positive at z = -?1.41421"):
        Expression("where(z^2 > 2, sqrt(z^2 - 2), 0)", (-1.414214, 1.414214))


@pytest.mark.parametrize("source", FACTS)
def test_facts(source: str) -> None:
    activation = Expression(source)
    facts = activation.facts
    assert (activation.odd, facts.homogeneous, facts.polynomial, facts.smoothness) == FACTS[source]
    assert (facts.formula, facts.closed_form) == (activation.expression, False)


def test_the_domain_is_where_nothing_overflows() -> None:
    assert Expression("tanh(z)").facts.domain == "inputs for which |z| > 1e+08 has no part in an expectation"
    assert Expression("exp(z)").facts.domain == "inputs for which |z| > 710 has no part in an expectation"


@given(
    st.lists(st.tuples(st.sampled_from([-2.0, -0.5, 1.0, 3.0]), st.integers(-8, 8)), min_size=1, max_size=4),
    st.sampled_from(["abs", "relu"]),
    st.integers(-3, 3),
)
@settings(max_examples=100, deadline=None)
def test_between_its_kinks_a_piecewise_affine_function_is_affine(
    pieces: list[tuple[float, int]], outer: str, shift: int
) -> None:
    inner = " + ".join(f"{slope} * abs(z - {place}/2)" for slope, place in pieces).replace("+ -", "- ")
    activation = Expression(f"{outer}({inner} + z/4 - {shift}) + z")
    edges = torch.tensor([-1e3, *activation.kinks, 1e3], dtype=torch.float64)
    ends = torch.stack([edges[:-1], edges[:-1] / 2 + edges[1:] / 2, edges[1:]])
    low, middle, high = activation.value(ends)
    # Values up to 2e4, each rounded a dozen times.
    torch.testing.assert_close(middle, low / 2 + high / 2, rtol=0.0, atol=2e4 * 12 * 2.0**-52)
    # And at every kink but those that cancel it is not: they are where pieces meet.
    assert set(activation.kinks) >= {place / 2 for _, place in pieces}


@pytest.mark.slow
def test_any_run_of_words_is_an_activation_or_refused() -> None:
    words = [
        *ARITIES,
        *"zzzz()()(),,+-*/^<>",
        "**",
        "<=",
        ">=",
        "0",
        "1",
        "2.5",
        "1e300",
        "1e-300",
        "pi",
        "e",
        " ",
        "\x00",
    ]
    draw = random.Random(0)
    for _ in range(100_000):
        _make_or_refuse("".join(draw.choices(words, k=draw.randint(1, 12))))


@given(expressions.EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_any_expression_is_an_activation_or_refused(source: str) -> None:
    _make_or_refuse(source)


def test_reading_needs_no_torch() -> None:
    script = (
        "import sys; from ntk_engine.activations.expression import Expression as E; "
        "E('z * tanh(softplus(z))'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def _make_or_refuse(source: str) -> None:
    try:
        made = Expression(source)
    except ValueError as refused:
        assert str(refused)
    else:
        assert Expression(made.expression, made.kinks) == made
