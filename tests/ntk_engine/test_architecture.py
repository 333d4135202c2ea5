"""The engine's input language: the short form, what it refuses and in which words, and what it costs to import."""

import json
import subprocess
import sys
from itertools import islice

import pytest
from pydantic import TypeAdapter, ValidationError

from ntk_engine.activations import ACTIVATIONS, Relu
from ntk_engine.architecture import (
    Architecture,
    ArchitectureError,
    Mlp,
    Network,
    activations,
    canonical,
    depth,
    layers,
    mlp,
    parse,
    simplified,
    steps,
)

ADAPTER = TypeAdapter(Mlp)
ANY: TypeAdapter[Mlp | Network] = TypeAdapter(Architecture)
# More digits than Python writes.
HUGE = pytest.param(-(10**5000), id="huge")


@pytest.mark.parametrize(
    "module", ["ntk_engine", "ntk_engine.architecture", "ntk_engine.layers", "ntk_engine.activations"]
)
def test_architectures_load_without_torch_and_pydantic(module: str) -> None:
    code = f"import sys, {module}; sys.exit(sorted({{'torch', 'pydantic'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_activation_is_a_name_a_mapping_or_itself() -> None:
    forms = ["relu", {"type": "relu"}, Relu()]
    assert {mlp(3, form) for form in forms} == {Mlp(depth=3, activation=Relu())}
    assert {ADAPTER.validate_python({"depth": 3, "activation": form}) for form in forms} == {mlp(3, "relu")}
    assert ADAPTER.validate_json('{"depth": 3, "activation": "relu", "beta": 1}') == mlp(3, "relu", 1.0)
    assert mlp(2) == Mlp(type="mlp", depth=2, activation=Relu(), beta=0.1, sigma_w=1.0, width=None)


def test_an_architecture_survives_a_round_trip_through_json() -> None:
    arch = mlp(4, "relu", beta=0.25, sigma_w=1.5, width=500)
    assert ADAPTER.validate_json(ADAPTER.dump_json(arch)) == arch
    assert ANY.validate_json(ANY.dump_json(arch)) == arch
    assert ADAPTER.validate_python(canonical(arch)) == arch


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ArchitectureError) as caught:
        mlp(0, "sigmoidal", beta=-1.0, sigma_w=0.0, width=0)
    found = dict(caught.value.faults)
    assert set(found) == {"depth", "activation", "beta", "sigma_w", "width"}
    assert "at least 1" in found["depth"]
    assert all(name in found["activation"] for name in ACTIVATIONS)


@pytest.mark.parametrize("field", ["beta", "sigma_w"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, True, "1", 10**400, HUGE, None, [1.0]])
def test_scales_are_finite_numbers(field: str, value: object) -> None:
    with pytest.raises(ArchitectureError) as caught:
        mlp(2, **{field: value})  # type: ignore[arg-type]
    assert [name for name, _ in caught.value.faults] == [field]


@pytest.mark.parametrize("field", ["depth", "width"])
@pytest.mark.parametrize("value", [0, -3, True, 2.0, "2"])
def test_counts_are_integers(field: str, value: object) -> None:
    with pytest.raises(ArchitectureError) as caught:
        Mlp(**{"depth": 2, field: value})  # type: ignore[arg-type]
    assert [name for name, _ in caught.value.faults] == [field]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"depth": "3"}, "depth"),
        ({"depth": True}, "depth"),
        ({"depth": 2.5}, "depth"),
        ({}, "depth"),
        ({"depth": 2, "beta": "0.1"}, "beta"),
        ({"depth": 2, "width": True}, "width"),
        ({"depth": 2, "activation": "sigmoidal"}, "activation"),
        ({"depth": 2, "activation": 3}, "activation"),
        ({"depth": 2, "activation": {"type": ["relu"]}}, "activation"),
        ({"depth": 2, "activation": {"type": "relu", "slope": 1}}, "activation/slope"),
        ({"depth": 2, "dropout": 0.5}, "dropout"),
        ({"type": "cnn", "depth": 2}, "type"),
    ],
)
def test_the_field_at_fault_is_pointed_at(body: dict[str, object], where: str) -> None:
    with pytest.raises(ArchitectureError) as refused:
        parse(body)
    assert [path for path, _ in refused.value.faults] == [where]
    for validate, value in ((ADAPTER.validate_python, body), (ADAPTER.validate_json, json.dumps(body))):
        with pytest.raises(ValidationError) as caught:
            validate(value)  # type: ignore[arg-type]
        assert (where.split("/")[0],) in {error["loc"] for error in caught.value.errors()}


def test_pydantic_hands_over_the_faults_of_values() -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"depth": 0, "beta": float("nan")})
    (error,) = caught.value.errors()
    assert [name for name, _ in error["ctx"]["error"].faults] == ["depth", "beta"]


def test_the_schema_offers_the_short_form() -> None:
    schema = ADAPTER.json_schema()
    assert {"type": "string", "enum": sorted(ACTIVATIONS)} in schema["properties"]["activation"]["anyOf"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["depth"]["minimum"] == 1
    assert schema["properties"]["sigma_w"]["exclusiveMinimum"] == 0


def test_canonical_is_one_value_for_one_network() -> None:
    numbers = {"activation": {"type": "relu"}, "beta": 0.0, "sigma_w": 1.0, "width": None}
    explicit = {"type": "mlp", "depth": 3, **numbers}
    assert canonical(mlp(3, beta=0)) == canonical(mlp(3, {"type": "relu"}, -0.0, 1)) == explicit
    assert json.dumps(canonical(mlp(3, beta=0))) == json.dumps(canonical(mlp(3, beta=-0.0))) == json.dumps(explicit)
    assert canonical(mlp(3, width=5), finite=False) == canonical(mlp(3), finite=False)
    assert "width" not in canonical(mlp(3), finite=False)


@pytest.mark.parametrize("layers_", [1, 2, 5])
def test_its_layers_are_the_long_form(layers_: int) -> None:
    arch = mlp(layers_, beta=0.3, sigma_w=1.2, width=7)
    long = list(layers(arch))
    assert len(long) == steps(arch) == 2 * layers_ - 1
    # The last dense layer is as wide as the targets, and so is all of a network of depth 1.
    assert simplified(Network(layers=tuple(long))) == (arch if layers_ > 1 else mlp(1, beta=0.3, sigma_w=1.2))


def test_endless_layers_are_never_made() -> None:
    endless = mlp(10**400)
    assert parse({"type": "mlp", "depth": 10**400}) == endless
    assert canonical(endless)["depth"] == depth(endless) == 10**400
    assert [layer.type for layer in islice(layers(endless), 3)] == ["dense", "activation", "dense"]
    assert activations(endless) == (Relu(),)
