"""The engine's input language: what is accepted, what is refused and in which words, and what it costs to import."""

import json
import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from ntk_engine.activations import ACTIVATIONS, Erf, Relu
from ntk_engine.architecture import ArchitectureError, Mlp, canonical, mlp

ADAPTER = TypeAdapter(Mlp)


@pytest.mark.parametrize("module", ["ntk_engine", "ntk_engine.architecture", "ntk_engine.activations"])
def test_architectures_load_without_torch_and_pydantic(module: str) -> None:
    code = f"import sys, {module}; sys.exit(sorted({{'torch', 'numpy', 'pydantic'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_activation_is_a_name_a_mapping_or_itself() -> None:
    forms = ["erf", {"type": "erf"}, Erf()]
    assert {mlp(3, form) for form in forms} == {Mlp(depth=3, activation=Erf())}
    assert {ADAPTER.validate_python({"depth": 3, "activation": form}) for form in forms} == {mlp(3, "erf")}
    assert ADAPTER.validate_json('{"depth": 3, "activation": "erf", "beta": 1}') == mlp(3, "erf", 1.0)
    assert mlp(2) == Mlp(type="mlp", depth=2, activation=Relu(), beta=0.1, sigma_w=1.0, width=None)


def test_an_architecture_survives_a_round_trip_through_json() -> None:
    arch = mlp(4, "erf", beta=0.25, sigma_w=1.5, width=500)
    assert ADAPTER.validate_json(ADAPTER.dump_json(arch)) == arch
    assert ADAPTER.validate_python(canonical(arch)) == arch


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ArchitectureError) as caught:
        mlp(0, "sigmoidal", beta=-1.0, sigma_w=0.0, width=0)
    faults = dict(caught.value.faults)
    assert set(faults) == {"depth", "activation", "beta", "sigma_w", "width"}
    assert "at least 1" in faults["depth"]
    assert all(name in faults["activation"] for name in ACTIVATIONS)


@pytest.mark.parametrize("field", ["beta", "sigma_w"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, True, "1", 10**400])
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
        ({"depth": "3"}, ("depth",)),
        ({"depth": True}, ("depth",)),
        ({"depth": 2.5}, ("depth",)),
        ({}, ("depth",)),
        ({"depth": 2, "beta": "0.1"}, ("beta",)),
        ({"depth": 2, "width": True}, ("width",)),
        ({"depth": 2, "activation": "sigmoidal"}, ("activation",)),
        ({"depth": 2, "activation": 3}, ("activation",)),
        ({"depth": 2, "activation": {"type": ["relu"]}}, ("activation",)),
        ({"depth": 2, "activation": {"type": "relu", "slope": 1}}, ("activation",)),
        ({"depth": 2, "dropout": 0.5}, ("dropout",)),
        ({"type": "cnn", "depth": 2}, ("type",)),
    ],
)
def test_pydantic_points_at_the_field(body: dict[str, object], where: tuple[str, ...]) -> None:
    for validate, value in ((ADAPTER.validate_python, body), (ADAPTER.validate_json, json.dumps(body))):
        with pytest.raises(ValidationError) as caught:
            validate(value)  # type: ignore[arg-type]
        assert where in {error["loc"] for error in caught.value.errors()}


def test_pydantic_hands_over_the_faults_of_values() -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"depth": 0, "beta": float("nan")})
    (error,) = caught.value.errors()
    assert [name for name, _ in error["ctx"]["error"].faults] == ["depth", "beta"]


def test_the_schema_offers_the_short_form() -> None:
    schema = ADAPTER.json_schema()
    assert {"type": "string", "enum": sorted(ACTIVATIONS)} in schema["properties"]["activation"]["anyOf"]
    assert schema["additionalProperties"] is False


def test_canonical_is_one_value_for_one_network() -> None:
    explicit = {"type": "mlp", "depth": 3, "activation": {"type": "relu"}, "beta": 0.0, "sigma_w": 1.0, "width": None}
    assert canonical(mlp(3, beta=0)) == canonical(mlp(3, {"type": "relu"}, -0.0, 1)) == explicit
    assert json.dumps(canonical(mlp(3, beta=0))) == json.dumps(canonical(mlp(3, beta=-0.0))) == json.dumps(explicit)
    assert canonical(mlp(3, width=5), finite=False) == canonical(mlp(3), finite=False)
    assert "width" not in canonical(mlp(3), finite=False)
