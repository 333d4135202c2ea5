"""The registry of activations: what it lists, what it reads, what it refuses; and the functions of every family."""

import json
import pickle
import re
from dataclasses import FrozenInstanceError, fields
from math import pi
from typing import Any

import pytest
import torch

from ntk_engine.activations import ACTIVATIONS, AnyActivation, Facts, describe, parse
from ntk_engine.fields import ArchitectureError

CLOSED = {
    *("relu", "leaky_relu", "abrelu", "abs", "step", "sign", "rectified_power", "erf", "gelu", "sin", "cos", "rbf"),
    *("gaussian", "exp", "polynomial", "monomial", "hermite", "identity"),
}
# Of each, parameters that are not its defaults, as JSON has them.
PARAMETERS: dict[str, dict[str, Any]] = {
    "leaky_relu": {"negative_slope": 0.3},
    "abrelu": {"a": -0.5, "b": 2},
    "rectified_power": {"power": 3},
    "erf": {"a": 2, "b": 0.5, "c": -1},
    "sin": {"a": 2, "b": 0.5, "c": 0.4},
    "cos": {"a": 2, "b": 0.5, "c": 0.4},
    "rbf": {"gamma": 0.3},
    "gaussian": {"a": 2, "b": -0.5},
    "exp": {"a": -2, "b": 0.5},
    "polynomial": {"coefficients": [0.5, -1, 0, 0.3]},
    "monomial": {"degree": 3},
    "hermite": {"degree": 4},
    "expression": {"expression": "tanh(z)", "kinks": []},
}


def taken(name: str) -> list[str]:
    """The names of a family's parameters."""
    return [field.name for field in fields(ACTIVATIONS[name]) if field.init and field.name != "type"]


def made(name: str) -> AnyActivation:
    """One of the family: by its name alone, where it needs no parameters."""
    return parse({"type": name, **PARAMETERS[name]}) if name == "expression" else parse(name)


@pytest.fixture(params=sorted(ACTIVATIONS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def faults(value: object) -> tuple[tuple[str, str], ...]:
    with pytest.raises(ArchitectureError) as caught:
        parse(value)
    return caught.value.faults


def test_the_closed_forms_are_known() -> None:
    assert {name for name, family in ACTIVATIONS.items() if family.facts.closed_form} == CLOSED


def test_the_registry_is_described() -> None:
    listed = describe()
    assert [entry["type"] for entry in listed] == sorted(ACTIVATIONS)
    keys = {"type", *(field.name for field in fields(Facts))}
    assert all(set(entry) == keys for entry in listed)
    assert json.loads(json.dumps(listed)) == listed


def test_facts_hold(name: str) -> None:
    """What is said of a family is true of its functions."""
    facts, sigma = ACTIVATIONS[name].facts, made(name)
    assert facts.formula and facts.description.endswith(".") and facts.domain
    assert re.fullmatch(r"C\^(-1|\d|inf|\(power − 1\))", facts.smoothness)
    z = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    values = sigma.value(z)
    if facts.homogeneous:
        # The degree that one point has is that of all, and of other factors.
        degree = (sigma.value(2.0 * z[-1:]) / values[-1:]).log2()
        for c in (0.3, 7.0):
            assert torch.allclose(sigma.value(c * z), c**degree * values, rtol=1e-14, atol=0.0)
    if facts.polynomial:
        coefficients = torch.linalg.solve(torch.vander(z), values)
        # The interpolant of nine points of a polynomial of degree at most 8 is right everywhere.
        x = torch.tensor([-3.0, 0.1, 2.7], dtype=torch.float64)
        interpolant = torch.vander(x, len(z)) @ coefficients
        assert torch.allclose(interpolant, sigma.value(x), rtol=1e-9, atol=1e-9)
    if facts.smoothness == "C^inf":
        assert torch.allclose(sigma.derivative(z), _slopes(sigma, z), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("given", [{}, *[{name: PARAMETERS[name]} for name in PARAMETERS]], ids=str)
def test_derivatives_are_those_of_the_values(given: dict[str, dict[str, Any]]) -> None:
    chosen = [parse({"type": n, **p}) for n, p in given.items() if n in ACTIVATIONS] or list(map(made, ACTIVATIONS))
    z = torch.tensor([-3.1, -1.3, -0.4, 0.2, 0.7, 2.2], dtype=torch.float64)
    for sigma in chosen:
        # Differences over 2e-5 miss σ''' 1e-10/6, and σ ulp/1e-5.
        scale = float(sigma.value(z).abs().max()) + 1.0
        assert torch.allclose(sigma.derivative(z), _slopes(sigma, z), rtol=1e-8, atol=1e-8 * scale), sigma


def _slopes(sigma: AnyActivation, z: torch.Tensor) -> torch.Tensor:
    return (sigma.value(z + 1e-5) - sigma.value(z - 1e-5)) / 2e-5


def test_functions_keep_the_shape_and_the_dtype(name: str) -> None:
    for dtype in (torch.float64, torch.float32):
        z = torch.zeros(2, 3, 1, dtype=dtype)
        for function in (made(name).value, made(name).derivative):
            assert (function(z).shape, function(z).dtype) == (z.shape, dtype)


def test_one_activation_has_one_form(name: str) -> None:
    """By its name, as a mapping, as it is, and through JSON and pickle: equal, with an equal hash."""
    plain = made(name)
    spelled = {"type": name, **{p: getattr(plain, p) for p in taken(name)}}
    through_json, through_pickle = json.loads(json.dumps(spelled)), pickle.dumps(plain)
    for again in (parse(spelled), parse(plain), parse(through_json), pickle.loads(through_pickle)):
        assert again == plain and hash(again) == hash(plain) and type(again) is ACTIVATIONS[name]
    assert plain.type == name
    with pytest.raises(FrozenInstanceError):
        plain.type = "other"  # type: ignore[misc,assignment]


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name in ACTIVATIONS])
def test_parameters_are_taken(name: str) -> None:
    given = PARAMETERS[name]
    sigma = parse({"type": name, **given})
    assert list(given) == taken(name)
    for parameter, value in given.items():
        assert getattr(sigma, parameter) == (tuple(value) if isinstance(value, list) else value)
    assert sigma == parse(json.loads(json.dumps({"type": name, **given})))
    if name != "expression":
        assert sigma != made(name)


def test_every_family_with_parameters_is_tested(name: str) -> None:
    assert bool(taken(name)) == (name in PARAMETERS)


@pytest.mark.parametrize("value", ["sigmoidal", {"type": "sigmoidal"}, {"type": ["relu"]}, {"type": None}])
def test_an_unknown_name_is_answered_with_those_known(value: object) -> None:
    ((where, sentence),) = faults(value)
    said = value if isinstance(value, str) else value["type"]  # type: ignore[index]
    assert where == ""
    assert sentence.startswith(f"{said!r} is not a known activation; name one of ")
    assert all(known in sentence for known in ACTIVATIONS)


@pytest.mark.parametrize("value", [{}, None, 3, ["relu"], {"negative_slope": 0.1}])
def test_what_names_nothing_is_refused(value: object) -> None:
    ((where, sentence),) = faults(value)
    assert where == "" and sentence.startswith("an activation needs a type; name one of ")


def test_unknown_parameters_are_named_one_by_one() -> None:
    assert faults({"type": "relu", "slope": 1, "power": 2}) == (
        ("power", "relu takes no parameters; 'power' is unknown"),
        ("slope", "relu takes no parameters; 'slope' is unknown"),
    )
    ((where, sentence),) = faults({"type": "erf", "d": 1, "a": 0})
    assert (where, sentence) == ("d", "erf takes a, b, c; 'd' is unknown")


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"type": "leaky_relu", "negative_slope": "0.1"}, "negative_slope"),
        ({"type": "abrelu", "b": None}, "b"),
        ({"type": "erf", "b": 0}, "b"),
        ({"type": "erf", "c": float("nan")}, "c"),
        ({"type": "rectified_power", "power": 6}, "power"),
        ({"type": "rectified_power", "power": True}, "power"),
        ({"type": "rbf", "gamma": -1}, "gamma"),
        ({"type": "gaussian", "b": 1}, "b"),
        ({"type": "monomial", "degree": 1.5}, "degree"),
        ({"type": "hermite", "degree": 21}, "degree"),
        ({"type": "polynomial", "coefficients": []}, "coefficients"),
        ({"type": "polynomial", "coefficients": [1, "2"]}, "coefficients"),
        ({"type": "polynomial", "coefficients": 3}, "coefficients"),
    ],
    ids=str,
)
def test_a_parameter_that_is_refused_is_named(value: dict[str, Any], where: str) -> None:
    ((found, sentence),) = faults(value)
    assert found == where and sentence.startswith(where)


def test_two_slopes_of_nothing_are_a_fault() -> None:
    ((_, sentence),) = faults({"type": "abrelu", "a": 0, "b": 0})
    assert sentence == "a and b must not both be 0: the activation would be 0 everywhere"


def test_faults_are_value_errors() -> None:
    with pytest.raises(ValueError, match="is not a known activation"):
        parse("sigmoidal")


def test_numbers_that_are_equal_make_one_activation() -> None:
    """An integer, its float, and −0."""
    assert parse({"type": "erf", "a": 2, "c": -0.0}) == parse({"type": "erf", "a": 2.0, "c": 0})
    assert str(parse({"type": "erf", "c": -0.0})) == str(parse("erf"))


def test_defaults() -> None:
    """What a name alone stands for."""
    z = torch.tensor([-2.0, 0.5], dtype=torch.float64)
    expected = {
        "relu": [0.0, 0.5],
        "leaky_relu": [-0.02, 0.5],
        "abrelu": [2.0, 0.5],
        "abs": [2.0, 0.5],
        "step": [0.0, 1.0],
        "sign": [-1.0, 1.0],
        "identity": [-2.0, 0.5],
        "polynomial": [-2.0, 0.5],
        "monomial": [4.0, 0.25],
        "hermite": ((z * z - 1.0) / 2**0.5).tolist(),
        "erf": z.erf().tolist(),
        "sin": z.sin().tolist(),
        "cos": z.cos().tolist(),
        "exp": z.exp().tolist(),
        "gaussian": (-z * z).exp().tolist(),
        "rbf": (2**0.5 * (2**0.5 * z + pi / 4).sin()).tolist(),
        "gelu": (z * (1.0 + (z / 2**0.5).erf()) / 2.0).tolist(),
    }
    for name, values in expected.items():
        assert parse(name).value(z).tolist() == pytest.approx(values, rel=1e-13), name
