"""What networks there are: activations, architectures in either form, and pictures of them."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.drawing import draw, runs
from api.examples import ARCHITECTURES
from api.routes.networks import parameters
from ntk_engine.activations import ACTIVATIONS
from ntk_engine.architecture import layers, mlp, parse
from ntk_engine.fields import Number
from tests.ntk_engine.layers.networks import networks


def test_activations_and_architectures(client: httpx.Client) -> None:
    known = {entry["type"]: entry for entry in client.get("/v1/activations").json()["activations"]}
    assert set(known) == set(ACTIVATIONS)
    assert {"formula", "description", "smoothness", "domain", "closed_form", "parameters"} <= set(known["relu"])
    asked = {"architecture": '{"type": "mlp", "depth": 3, "activation": "relu", "width": 50}'}
    said = client.get("/v1/architectures:describe", params=asked).json()
    assert said["architecture"] == {
        "type": "mlp",
        "depth": 3,
        "activation": {"type": "relu"},
        "beta": 0.1,
        "sigma_w": 1.0,
        "width": 50,
    }
    assert said["depth"] == 3
    assert [layer.get("width") for layer in said["layers"] if layer["type"] == "dense"] == [50, 50, None]
    for form in ("architecture", "layers"):
        same = client.get("/v1/architectures:describe", params={"architecture": json.dumps(said[form])}).json()
        assert same == said


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_is_drawn_for_those_who_like_pictures(client: httpx.Client, name: str) -> None:
    asked = {"architecture": ARCHITECTURES[name]["value"]}
    described = client.get("/v1/architectures:describe", params=asked)
    drawn = client.get("/v1/architectures:describe", params=asked, headers={"Accept": "image/svg+xml, */*;q=0.5"})
    assert (described.headers["Content-Type"], described.headers["Vary"]) == ("application/json", "Accept")
    assert (drawn.headers["Content-Type"], drawn.headers["Vary"]) == ("image/svg+xml", "Accept")
    words = [text.text for text in ElementTree.fromstring(drawn.text).iter("{http://www.w3.org/2000/svg}text")]
    assert {"inputs", "dense", "relu", "outputs"} <= set(words)


def test_parameters_of_activations_are_schemas() -> None:
    @dataclass(frozen=True)
    class Wavy:
        knots: tuple[float, ...]
        type: Literal["wavy"] = "wavy"
        slope: Annotated[float, Number("tilts it", least=0, below=2)] = 0.5
        text: str = "sin(z)"
        power: int = 3

    assert parameters(Wavy) == {
        "knots": {"type": "array", "items": {"type": "number"}},
        "slope": {"type": "number", "minimum": 0, "exclusiveMaximum": 2, "default": 0.5},
        "text": {"type": "string", "default": "sin(z)"},
        "power": {"type": "integer", "default": 3},
    }


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ("{", ["architecture"]),
        ("[" * 5000, ["architecture"]),
        ("3", ["architecture"]),
        ('{"type": "mlp"}', ["architecture/depth"]),
        ('{"type": "mlp", "depth": 0, "beta": -1}', ["architecture/depth", "architecture/beta"]),
        ('{"type": "mlp", "depth": 2, "activation": "x"}', ["architecture/activation"]),
        ("[]", ["architecture"]),
        ('["relu", {"type": "dense", "beta": -1}]', ["architecture/1/beta", "architecture/0"]),
        ('{"type": "serial", "layers": ["dense", "wavy"]}', ["architecture/layers/1"]),
        ('["dense", "\\ud800"]', ["architecture/1"]),
    ],
)
def test_a_bad_architecture_names_each_fault(client: httpx.Client, text: str, pointers: list[str]) -> None:
    answer = client.get("/v1/architectures:describe", params={"architecture": text})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


@pytest.mark.parametrize("depth", [1001, 10**9, 10**400])
def test_no_list_of_layers_is_too_long(client: httpx.Client, depth: int) -> None:
    asked = {"architecture": f'{{"type": "mlp", "depth": {depth}}}'}
    answer = client.get("/v1/architectures:describe", params=asked)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/too-large")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["architecture/depth"]


def texts(network: object) -> list[str]:
    """The words of a network's picture, from top to bottom, which is a picture of its own size."""
    root = ElementTree.fromstring(draw([layer.describe() for layer in layers(parse(network))]))
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_says_what_is_there() -> None:
    branches = [["relu", {"type": "dense", "sigma_w": 1.5, "width": 128}], [{"type": "scale", "factor": 0.5}]]
    joined = {"type": "parallel", "branches": branches, "combine": "concatenate", "weights": [2, 1]}
    assert texts([{"type": "dense", "beta": 0}, joined]) == [
        *("inputs", "dense", "σ_w 1 · β 0"),
        *("relu", "dense", "σ_w 1.5 · β 0.1 · width 128", "2", "scale", "factor 0.5", "1", "‖"),
        "outputs",
    ]
    assert texts(["dense", {"type": "expression", "expression": "z^3"}])[3:5] == ["expression", "z^3"]


def test_what_repeats_is_drawn_once() -> None:
    dense, relu = ("dense", "σ_w 1 · β 0.1"), "relu"
    assert texts(mlp(1000)) == ["inputs", *dense, relu, "× 999", *dense, "outputs"]
    residual = {"type": "residual", "layers": ["relu", "dense"]}
    assert texts(["dense", *[residual] * 3]) == ["inputs", *dense, relu, *dense, "+", "× 3", "outputs"]


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_blocks_and_their_counts_are_the_layers(names: list[str]) -> None:
    found = runs([{"type": name} for name in names])
    assert [layer["type"] for count, block in found for _ in range(count) for layer in block] == names
    assert all(count > 1 or len(block) == 1 for count, block in found)


@given(networks())
def test_any_network_can_be_drawn(network: list[object]) -> None:
    said = texts(network)
    assert (said[0], said[-1]) == ("inputs", "outputs")


def test_what_stands_in_a_picture_is_text() -> None:
    drawn = draw([{"type": "activation", "activation": {"type": "wavy", "text": '<script>"&' + "x" * 100}}])
    assert "<script>" not in drawn
    (_, _, said, _) = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    assert said.text is not None
    assert said.text.startswith('text <script>"&xxx')
    assert len(said.text) == 40
