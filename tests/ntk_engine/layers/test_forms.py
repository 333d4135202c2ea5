"""Networks of layers: a list, an object with a list and dataclasses are the same, and equal networks have one form."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

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
from ntk_engine.layers import LAYERS, Dense, Layer, Nonlinearity
from tests.ntk_engine.layers.networks import disguised, networks

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


@given(networks(), st.randoms(use_true_random=False), st.booleans())
def test_equal_networks_have_one_form(network: list[Any], random: Random, finite: bool) -> None:
    value = canonical(parse(network), finite=finite)
    assert canonical(parse(disguised(network, random)), finite=finite) == value
    assert canonical(parse([*network, {"type": "scale", "factor": 3.0}]), finite=finite) != value
    assert canonical(parse([{"type": "scale", "factor": 3.0}, *network]), finite=finite) != value


def test_branches_side_by_side_have_shares() -> None:
    def form(finite: bool, *branches: list[Any], **more: Any) -> dict[str, object]:
        joined = {"type": "parallel", "branches": list(branches), "combine": "concatenate"} | more
        return canonical(parse(["dense", joined, "dense"]), finite=finite)

    wide, narrow = ["relu", {"type": "dense", "width": 300}], ["relu", {"type": "dense", "width": 200}]
    assert form(True, wide, narrow) == form(True, wide, narrow, weights=[6, 4])
    assert form(False, wide, narrow) == form(False, ["relu", "dense"], ["relu", "dense"], weights=[3, 2])
    assert form(False, wide, narrow) == form(False, narrow, wide)
    assert form(True, wide, narrow) != form(True, narrow, wide)
    assert form(False, wide, wide) == form(False, ["relu", "dense"], ["relu", "dense"])


def test_the_limit_keeps_the_widths_that_it_depends_on() -> None:
    standard = {"type": "dense", "width": 5, "parametrization": "standard"}
    layers_ = canonical(parse([standard, "relu", standard, "relu", {"type": "dense", "width": 5}]), finite=False)[
        "layers"
    ]
    assert [layer.get("width") for layer in layers_ if layer["type"] == "dense"] == [5, None, None]
    assert canonical(parse([{"type": "scale", "factor": -2.0}, "dense"]), finite=False) == canonical(
        parse([{"type": "scale", "factor": 2.0}, "dense"]), finite=False
    )


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


@pytest.mark.parametrize("family", LAYERS.values())
def test_pydantic_takes_every_layer_as_it_is(family: type[Layer]) -> None:
    needed = {
        "residual": {"layers": ["relu", {"type": "dense"}]},
        "serial": {"layers": []},
        "parallel": {"branches": [[], ["dense", Relu()]]},
        "activation": {"activation": "relu"},
        "dropout": {"rate": 0.5},
        "scale": {"factor": 2},
    }
    adapter: TypeAdapter[Layer] = TypeAdapter(family)
    layer = adapter.validate_python({"type": family.type} | needed.get(family.type, {}))
    assert isinstance(layer, family)
    assert adapter.validate_json(adapter.dump_json(layer)) == layer
    assert adapter.validate_python(layer.describe()) == layer
    with pytest.raises(ValidationError):
        adapter.validate_python({"type": "wavy"} | needed.get(family.type, {}))
    with pytest.raises(ValidationError):
        adapter.validate_python({"more": 1} | needed.get(family.type, {}))
