"""Networks that are none: every fault at once, where it is, and why; and values meant to hurt."""

import time
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ntk_engine.architecture import Architecture, ArchitectureError, Mlp, Network, canonical, mlp, parse, simplified

ANY: TypeAdapter[Mlp | Network] = TypeAdapter(Architecture)
# More digits than Python writes.
HUGE = pytest.param(-(10**5000), id="huge")


WIDE, NARROW = {"type": "dense", "width": 300}, {"type": "dense", "width": 200}
STANDARD = {"type": "dense", "parametrization": "standard"}


def parallel(combine: str, *branches: list[Any]) -> dict[str, Any]:
    return {"type": "parallel", "combine": combine, "branches": list(branches)}


DROPPED: list[Any] = [{"type": "dropout", "rate": 0.5}, "dense"]
CONCATENATED = parallel("concatenate", ["dense"], [])


def faults(value: Any) -> dict[str, str]:
    with pytest.raises(ArchitectureError) as caught:
        parse(value)
    return dict(caught.value.faults)


def test_all_of_them_are_named_where_they_are() -> None:
    network = [
        "relu",
        {"type": "dense", "beta": -1, "x/y~": 1},
        {"type": "residual", "layers": ["relu"]},
        "wavy",
        {"type": "wavy"},
        {"type": "parallel", "branches": [["relu", 3]], "combine": "mean"},
        {"type": "relu", "slope": 1},
        {"type": "activation", "activation": "wavy"},
        {"type": "dropout"},
        {"type": "scale", "factor": 0},
        {"type": "dense", "parametrization": "mup", "width": 0},
        "relu",
        "relu",
    ]
    found = {
        "0",
        "1/beta",
        "1/x~1y~0",
        "2/layers",
        "3",
        "4/type",
        "5/branches",
        "5/branches/0/1",
        "5/combine",
        "6/slope",
        "7/activation",
        "8/rate",
        "9/factor",
        "10/parametrization",
        "10/width",
        "12",
    }
    assert set(faults(network)) == found
    assert set(faults({"type": "serial", "layers": network})) == {f"layers/{path}" for path in found}
    with pytest.raises(ValidationError) as caught:
        ANY.validate_python(network)
    (error,) = caught.value.errors()
    assert {path for path, _ in error["ctx"]["error"].faults} == found


def test_a_sentence_teaches() -> None:
    assert faults(["dense", "relu", "relu"]) == {
        "2": "an activation needs Gaussian neurons, because its kernel is an expectation over them;"
        " put a dense layer just before it"
    }
    (said,) = faults([["dense", "relu"], "dense"]).values()
    assert said.endswith('; a list in a list is {"type": "serial", "layers": […]}')


def test_layers_say_the_form_where_no_type_does() -> None:
    """As the schema has it, where `type` has a default in both forms."""
    assert parse({"layers": ["dense", "relu", "dense"]}) == parse(["dense", "relu", "dense"])
    assert set(faults({"layers": ["dense", "wavy"]})) == {"layers/1"}


RULES = [
    (["dense", {"type": "residual", "layers": ["relu"]}], "1/layers", "without a dense layer of its own"),
    (["dense", parallel("sum", [], ["layer_norm"], ["dense"])], "1/branches/1", "covariances add only"),
    (["dense", parallel("product", [], ["relu"])], "1/branches/1", "covariances multiply only"),
    (["dense", parallel("sum", ["dense", "relu"], ["relu"])], "1/branches/1", "two means"),
    (
        ["dense", parallel("product", [CONCATENATED], [CONCATENATED, "dense", CONCATENATED])],
        "1/branches/1",
        "unlike laws",
    ),
    ([parallel("concatenate", ["dense"], [])], "0/branches/1", "do not widen"),
    ([{"type": "residual", "layers": ["dense"]}], "0", "do not widen"),
    ([parallel("sum", [WIDE], [NARROW], [WIDE])], "0/branches/1", "equally wide, not 300 and 200"),
    ([WIDE, {"type": "residual", "layers": [NARROW]}], "1/layers", "equally wide, not 300 and 200"),
    ([parallel("concatenate", [WIDE], ["dense"])], "0", "the widths of all or of none"),
    ([parallel("concatenate", [WIDE], [NARROW]) | {"weights": [1, 1]}], "0/weights", "in proportion"),
    ([parallel("concatenate", [WIDE], [NARROW]) | {"weights": [3]}], "0/weights", "as many as the branches, 2"),
    ([parallel("sum", ["dense"], ["dense"]) | {"weights": [1, 1]}], "0/weights", "a sum has none"),
    ([parallel("concatenate", ["dense"], ["dense"]) | {"weights": [1, 0]}], "0/weights/1", "at least 1, not 0"),
    (["dense", "relu", STANDARD], "2", "needs the width of the layer before it"),
    ([parallel("concatenate", ["dense"], ["dense"]), STANDARD], "1", "needs the width of the layer before it"),
    (["dense", "relu", "layer_norm", "dense"], "2", "neurons of mean zero"),
    (["layer_norm", "dense"], "0", "neurons of mean zero"),
    (["dense", {"type": "dropout", "rate": 0.5}, "relu"], "2", "Gaussian neurons"),
    (["dense", CONCATENATED, "relu"], "2", "Gaussian neurons"),
    ([*DROPPED, "relu", "dense", "erf"], "2", "an activation cannot follow dropped inputs"),
    ([*DROPPED, "dense", "layer_norm", "dense"], "3", "layer_norm cannot follow dropped inputs"),
    ([parallel("sum", ["dense", "relu", "dense"], DROPPED), "erf"], "1", "drop neurons of a hidden layer instead"),
    ([parallel("product", DROPPED, ["dense"], DROPPED)], "0/branches/2", "not the product of the means"),
    ([*DROPPED, parallel("product", [], ["dense"])], "2/branches/1", "not the product of the means"),
]


@pytest.mark.parametrize(("network", "where", "words"), RULES)
def test_every_rule_has_its_sentence(network: list[Any], where: str, words: str) -> None:
    found = faults(network)
    assert set(found) == {where}
    assert words in found[where]


@pytest.mark.parametrize(
    "network",
    [
        [WIDE, "relu", STANDARD, {"type": "residual", "layers": [WIDE, STANDARD | {"width": 300}]}],
        [STANDARD, {"type": "dropout", "rate": 0.0}, "relu", "dense"],
        [{"type": "dropout", "rate": 0.0}, "dense", "relu"],
        [*DROPPED, {"type": "scale", "factor": 2.0}, {"type": "residual", "layers": ["dense"]}, *DROPPED],
        [parallel("product", DROPPED, ["dense", "relu", "dense"]), "dense"],
        ["dense", "relu", *DROPPED, "relu"],
        [parallel("concatenate", [WIDE], [NARROW]), STANDARD],
        [parallel("concatenate", ["dense"], [NARROW]) | {"weights": [1, 1]}],
        [parallel("concatenate", [WIDE], [NARROW]) | {"weights": [3, 2]}],
        ["dense", parallel("sum", [], ["relu", "dense"]), "relu", "dense", {"type": "dropout", "rate": 0.5}],
    ],
)
def test_what_keeps_to_the_rules(network: list[Any]) -> None:
    assert parse(network)


@pytest.mark.parametrize("faulty", ["wavy", {"type": "dense", "width": 0}, {"type": "dropout"}])
@pytest.mark.parametrize(
    "after",
    [["relu"], ["layer_norm"], [STANDARD], [parallel("sum", [], [WIDE])], [parallel("concatenate", [], [WIDE])]],
)
def test_nothing_is_held_against_what_follows_a_fault(faulty: Any, after: list[Any]) -> None:
    assert {path.partition("/")[0] for path in faults([faulty, *after])} == {"0"}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, ""),
        (3, ""),
        ("mlp", ""),
        ("dense", ""),
        ([], ""),
        ({"type": "serial"}, "layers"),
        ({"type": "serial", "layers": []}, "layers"),
        ({"type": "serial", "layers": "dense"}, "layers"),
        ({"type": "serial", "layers": ["dense"], "depth": 2}, "depth"),
        ({"type": "residual", "layers": ["dense"]}, "type"),
        ({"type": ["mlp"]}, "type"),
        ([[]], "0"),
        ([["dense"]], "0"),
        ([{}], "0"),
        ([{"type": "parallel", "branches": 3}], "0/branches"),
        ([{"type": ["dense"]}], "0"),
        ([{"type": "mlp", "depth": 2}], "0/type"),
        (["identity", {"type": "scale", "factor": 2.0}], ""),
    ],
)
def test_what_is_no_network(value: Any, where: str) -> None:
    assert set(faults(value)) == {where}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1", -(10**400), HUGE, [], {}, -0.0])
@pytest.mark.parametrize("field", ["sigma_w", "width", "parametrization", "factor", "weights"])
def test_hostile_values(field: str, value: object) -> None:
    layer: dict[str, Any] = {"type": "dense"}
    if field == "factor":
        layer = {"type": "scale"}
    elif field == "weights":
        layer = {"type": "parallel", "branches": [["dense"], ["dense"]], "combine": "concatenate"}
    assert {path.split("/")[1] for path in faults(["dense", layer | {field: value}])} == {field}


def test_layers_are_limited_in_number() -> None:
    assert parse(["dense"] * 10_000)
    assert set(faults(["dense"] * 10_001)) == {""}
    for branches, where in ([[["dense"]] * 5_000, "0/branches/4999"], [[[]] * 10_001, "0/branches"]):
        found = faults([{"type": "parallel", "branches": branches}])
        assert where in found
        assert all("at most 10,000 layers" in sentence for sentence in found.values())


def test_faults_are_limited_in_number() -> None:
    with pytest.raises(ArchitectureError) as caught:
        parse(["wavy"] * 10_000)
    assert [path for path, _ in caught.value.faults] == [str(number) for number in range(100)]


def test_layers_are_limited_in_nesting() -> None:
    def nested(levels: int) -> list[Any]:
        network: list[Any] = ["dense"]
        for _ in range(levels):
            network = [{"type": "serial", "layers": network}]
        return network

    assert simplified(parse(nested(19))) == mlp(1)
    assert "20 deep" in faults(nested(20))["/".join(["0/layers"] * 20)]


@pytest.mark.parametrize("levels", [100, 990, 5000])
def test_deep_values_are_refused_without_recursion(levels: int) -> None:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    relu = {"type": "relu", "slope": deep}
    for value in (deep, {"depth": deep}, {"depth": 2, "activation": relu}, ["dense", relu], [{"type": deep}]):
        assert set(faults(value)) == {""}
        with pytest.raises(ValidationError):
            ANY.validate_python(value)


def test_a_hostile_network_is_answered_soon() -> None:
    """A mebibyte of JSON, which is what the service takes."""
    network: list[Any] = ["relu", "dense"] * 4_900
    for _ in range(18):
        network = [{"type": "residual", "layers": [*network, "dense"]}]
    for value in (["dense", *network], ["relu"] * 150_000, [{"type": "parallel", "branches": [["x"]] * 4_000}]):
        started = time.process_time()
        try:
            canonical(ANY.validate_python(value), finite=False)
        except ValidationError as error:
            assert error.error_count() == 1
        assert time.process_time() - started < 5
