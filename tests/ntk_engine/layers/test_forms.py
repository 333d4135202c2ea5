"""Networks of layers: a list, an object with a list and dataclasses are the same, and equal networks have one form."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from ntk_engine.activations import Relu
from ntk_engine.architecture import (
    Architecture,
    Mlp,
    Network,
    activations,
    canonical,
    depth,
    mlp,
    parse,
    simplified,
    steps,
)
from ntk_engine.layers import Dense, Nonlinearity
from tests.ntk_engine.layers.networks import networks

ANY: TypeAdapter[Mlp | Network] = TypeAdapter(Architecture)
RELU = {"type": "activation", "activation": {"type": "relu"}}
DENSE = {"type": "dense", "sigma_w": 1.0, "beta": 0.1, "width": None, "parametrization": "ntk"}


@pytest.mark.parametrize(
    "long",
    [
        ["dense", "relu", "dense"],
        {"type": "serial", "layers": ["dense", {"type": "relu"}, {"type": "dense", "beta": 0.1}]},
        [DENSE, {"type": "activation", "activation": "relu"}, DENSE],
        [Dense(), Relu(), Dense()],
        (Dense(), Nonlinearity(activation=Relu()), "dense"),
        ["identity", {"type": "serial", "layers": ["flatten", "dense", "identity"]}, "relu", "dense"],
        [{"type": "dropout", "rate": 0}, "dense", {"type": "scale", "factor": 1}, "relu", "dense", "flatten"],
        Network(layers=(Dense(), Nonlinearity(activation=Relu()), Dense())),
    ],
)
def test_a_plain_stack_is_the_mlp(long: Any) -> None:
    assert simplified(parse(long)) == mlp(2)
    assert canonical(parse(long)) == canonical(mlp(2))
    assert simplified(ANY.validate_python(long)) == mlp(2)


@pytest.mark.parametrize(
    ("long", "finite"),
    [
        (["dense", "relu"], True),
        (["dense", "dense"], True),
        (["dense", "layer_norm", "dense"], True),
        (["dense", "relu", {"type": "dense", "beta": 0.2}], True),
        (["dense", "relu", {"type": "dense", "parametrization": "standard"}], False),
        ([{"type": "dense", "parametrization": "standard"}], True),
        (["dense", "relu", {"type": "dense", "width": 3}], True),
        ([{"type": "dense", "width": 3}, "relu", {"type": "dense", "width": 4}, "relu", "dense"], True),
    ],
)
def test_what_is_no_plain_stack_stays_long(long: list[Any], finite: bool) -> None:
    with_widths = [{"type": "dense", "width": 4} if layer == "dense" and not finite else layer for layer in long]
    assert canonical(parse(with_widths), finite=finite)["type"] == "serial"


def test_a_width_makes_no_difference_at_infinity() -> None:
    long = [{"type": "dense", "width": 3}, "relu", {"type": "dense", "width": 4}, "relu", "dense"]
    assert canonical(parse(long), finite=False) == canonical(mlp(3), finite=False)


def test_the_canonical_form_is_explicit() -> None:
    long = ["dense", {"type": "residual", "layers": ["relu", {"type": "dense", "width": 5}]}]
    assert canonical(parse(long)) == {
        "type": "serial",
        "layers": [
            DENSE,
            {
                "type": "parallel",
                "branches": [[], [RELU, DENSE | {"width": 5}]],
                "combine": "sum",
                "weights": None,
            },
        ],
    }
    assert "width" not in json.dumps(canonical(parse(long), finite=False))


@given(networks())
def test_networks_survive_json(network: list[Any]) -> None:
    arch = parse(network)
    assert parse({"type": "serial", "layers": network}) == arch
    assert ANY.validate_json(json.dumps(network)) == arch
    assert parse(json.loads(ANY.dump_json(arch))) == arch
    assert simplified(parse(json.loads(json.dumps(canonical(arch))))) == simplified(arch)


@given(networks())
def test_numbers_of_layers(network: list[Any]) -> None:
    arch = parse(network)
    text = json.dumps(network)
    assert depth(simplified(arch)) == depth(arch) <= text.count('"dense"')
    assert steps(simplified(arch)) <= steps(arch)
    assert activations(arch) == ((Relu(),) if "relu" in text else ())


def test_depth_is_the_longest_path() -> None:
    block = {"type": "parallel", "branches": [["dense"], ["dense", "relu", "dense"], []]}
    arch = parse(["dense", block, {"type": "residual", "layers": ["relu", "dense"]}, "relu", "dense"])
    assert depth(arch) == 1 + 2 + 1 + 1
    assert steps(arch) == 1 + 4 + 2 + 2


def test_the_schema_knows_every_form() -> None:
    schema = ANY.json_schema()
    kinds = [member.get("$ref", member.get("type")) for member in schema["anyOf"]]
    assert kinds == ["#/$defs/Mlp", "#/$defs/Network", "array"]
    assert schema["$defs"]["Residual"]["properties"]["layers"]["items"] == schema["anyOf"][2]["items"]
    assert schema["$defs"]["Dropout"]["properties"]["rate"]["exclusiveMaximum"] == 1
