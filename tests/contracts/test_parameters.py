"""Named tensors of networks: names, shapes, and the order in which θ is stored."""

from typing import Any

import numpy as np
import pytest

from contracts.parameters import MOST_FAULTS, DenseLayer, dense_layers, fit, pointer, shown
from contracts.problems import ProblemError
from ntk_engine import finite
from ntk_engine.architecture import canonical, parse
from ntk_engine.finite.parameters import flattened, parameters, weights
from ntk_engine.widths import fans, fitted

BRANCHES = {"type": "parallel", "combine": "concatenate", "branches": [["dense"], ["dense", "erf", "dense"]]}
NETWORKS: dict[str, Any] = {
    "linear": ["dense"],
    "mlp": {"type": "mlp", "depth": 4, "width": 7},
    "widths": [{"type": "dense", "width": 5}, "tanh", {"type": "dense", "width": 3}, "relu", "dense"],
    "residual": ["dense", {"type": "residual", "layers": ["layer_norm", "relu", "dense"]}, "relu", "dense"],
    "first": [{"type": "parallel", "combine": "sum", "branches": [["dense"], ["dense", "relu", "dense"]]}],
    "concatenated": ["dense", "relu", BRANCHES | {"weights": [2, 1]}, "dense"],
    "ends in branches": ["dense", "relu", BRANCHES | {"weights": [1, 3]}, {"type": "scale", "factor": 2.0}],
    "deep": ["dense", {"type": "residual", "layers": ["relu", BRANCHES, {"type": "dense", "beta": 0}]}, "dense"],
}


def drawn(name: str) -> tuple[Any, tuple[DenseLayer, ...], Any]:
    """A network on three inputs, its layers, and W and b of each."""
    arch = parse(NETWORKS[name])
    layers = dense_layers(arch, fans(arch, 3, None, 12))
    return arch, layers, parameters([item[0] for item in weights(arch, 3, None, [1], width=12)])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_name_leads_through_the_one_form(name: str) -> None:
    """Read as a path, it ends at a dense layer of the JSON of the canonical long form; no layer is left out."""
    arch, layers, _ = drawn(name)
    form = canonical(arch)
    if form["type"] == "mlp":
        assert [layer.name for layer in layers] == [f"layers.{2 * number}" for number in range(len(layers))]
        return
    for layer in layers:
        at: Any = form
        for step in layer.name.split("."):
            at = at[int(step)] if step.isdigit() else at[step]
        assert at["type"] == "dense"
    assert len({layer.name for layer in layers}) == str(form).count("'type': 'dense'") == len(layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stored_order(name: str) -> None:
    """θ as the engine joins it, against W and b of every layer, cut at every place."""
    arch, layers, params = drawn(name)
    theta = flattened(finite.weights(arch, 3, None, [1], width=12))[0].numpy()  # type: ignore[arg-type]
    assert layers[-1].end == len(theta)
    for layer, (weight, bias) in zip(layers, params, strict=True):
        flat = theta[layer.first : layer.end]
        for start in range(0, layer.size, 5):
            found = [layer.apart(flat[a:b], a) for a, b in ((0, start), (start, layer.size))]
            np.testing.assert_array_equal(np.concatenate([w for w, _ in found]), weight.reshape(-1))
            np.testing.assert_array_equal(np.concatenate([b for _, b in found]), bias)
            np.testing.assert_array_equal(layer.together(*found[1], start), flat[start:])


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_say_the_widths_that_are_not_named(name: str) -> None:
    arch, layers, params = drawn(name)
    shapes = {f"{layer.name}.weight": tuple(w.shape) for layer, (w, _) in zip(layers, params, strict=True)}
    shapes |= {f"{layer.name}.bias": tuple(b.shape) for layer, (_, b) in zip(layers, params, strict=True)}
    assert fit(arch, dict(sorted(shapes.items()))) == layers
    assert fitted(arch, 3, [layer.outputs for layer in layers]) == fans(arch, 3, None, 12)


def refused(change: dict[str, tuple[int, ...] | None], network: Any = None) -> dict[str, str]:
    shapes = {"layers.0.weight": (5, 2), "layers.0.bias": (5,), "layers.2.weight": (3, 5), "layers.2.bias": (3,)}
    made = {name: shape for name, shape in (shapes | change).items() if shape is not None}
    with pytest.raises(ProblemError) as caught:
        fit(parse(network or ["dense", "relu", "dense"]), made)
    assert caught.value.problem.type == "/problems/unreadable-upload"
    return {fault.pointer: fault.detail for fault in caught.value.problem.errors}


@pytest.mark.parametrize(
    ("change", "network", "faults"),
    [
        ({"layers.2.bias": None}, None, {"layers.2.bias": "is missing"}),
        ({"layers.4.bias": (1,)}, None, {"layers.4.bias": "is no tensor of this network"}),
        ({"layers.0.bias": (5, 1)}, None, {"layers.0.bias": "is 5×1 and must have 1 axes, none of them 0"}),
        ({"layers.0.bias": ()}, None, {"layers.0.bias": "is a single number and must have 1 axes, none of them 0"}),
        ({"layers.0.weight": (5, 0)}, None, {"layers.0.weight": "is 5×0 and must have 2 axes, none of them 0"}),
        ({"layers.0.bias": (4,)}, None, {"layers.0.bias": "is 4, not 5"}),
        ({"layers.2.weight": (3, 4)}, None, {"layers.2.weight": "is 3×4, not 3×5"}),
        ({}, [{"type": "dense", "width": 6}, "relu", "dense"], {"layers.0.weight": "is of 6 neurons, not 5"}),
        (
            {"layers.0.bias": None, "layers.2.weight": (3,), "x": (2,)},
            None,
            {
                "layers.0.bias": "is missing",
                "layers.2.weight": "is 3 and must have 2 axes, none of them 0",
                "x": "is no tensor of this network",
            },
        ),
    ],
)
def test_every_tensor_at_fault_is_named(change: Any, network: Any, faults: dict[str, str]) -> None:
    assert refused(change, network) == {f"/file/{name}": f"{name} {said}" for name, said in faults.items()}


def test_faults_and_names_without_an_end() -> None:
    assert len(refused({f"x{number}": (1,) for number in range(1000)})) == MOST_FAULTS
    assert pointer("a/b~c") == "/file/a~1b~0c"
    assert shown("a\n" + "b" * 200) == "a?" + "b" * 98 + "…"


def test_branches_that_contradict_one_another() -> None:
    network = ["dense", {"type": "residual", "layers": ["relu", "dense"]}]
    shapes = {"layers.0.weight": (4, 2), "layers.0.bias": (4,)}
    shapes |= {"layers.1.branches.1.1.weight": (3, 4), "layers.1.branches.1.1.bias": (3,)}
    with pytest.raises(ProblemError) as caught:
        fit(parse(network), shapes)
    (fault,) = caught.value.problem.errors
    assert (fault.pointer, fault.detail.rpartition(" is ")[2]) == (
        "/file/layers.1.branches.1.1.weight",
        "of 4 neurons, not 3",
    )


def test_too_many_layers_to_list() -> None:
    with pytest.raises(ProblemError) as caught:
        fit(parse({"type": "mlp", "depth": 10**9}), {})
    assert caught.value.problem.type == "/problems/too-large"
