"""What activations say of how their expectations are found, against what is done."""

import pytest

from ntk_engine.activations import ACTIVATIONS, Evaluation, parse
from ntk_engine.activations.numeric import Numeric
from ntk_engine.activations.piecewise_linear import PiecewiseLinear, jumps
from ntk_engine.activations.table import Table
from ntk_engine.architecture import evaluations, mlp
from ntk_engine.architecture import parse as network

EXPRESSIONS = {
    "tanh(z)": Evaluation.TABLES,
    "z * relu(z)": Evaluation.TABLES,
    "relu(z) - 2*relu(-z)": Evaluation.TABLES,
    "clip(3*z - 1, -1, 1)": Evaluation.PIECES,
    "relu(z) + min(z, 2) - abs(z + 1)": Evaluation.PIECES,
    "z * max(z, 1)": Evaluation.QUADRATURE,
}
ALL = {name: {"type": name} for name in sorted(ACTIVATIONS) if name != "expression"}
ALL |= {text: {"type": "expression", "expression": text} for text in EXPRESSIONS}


@pytest.mark.parametrize("given", ALL.values(), ids=list(ALL))
def test_it_is_what_is_done(given: dict[str, str]) -> None:
    activation = parse(given)
    if not isinstance(activation, Numeric):
        assert activation.evaluation is Evaluation.CLOSED
        return
    dual = activation.dual(0.5, 1.5)
    if not isinstance(dual, Table) or dual._tabulated:
        assert activation.evaluation is Evaluation.TABLES
    else:
        pieces = isinstance(dual._line.correlated, PiecewiseLinear)
        assert activation.evaluation is (Evaluation.PIECES if pieces else Evaluation.QUADRATURE)
    if activation.piecewise_linear and len(activation.kinks) <= 8:
        assert jumps(activation) is not None


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_are_looked_through(text: str) -> None:
    assert parse({"type": "expression", "expression": text}).evaluation is EXPRESSIONS[text]


def test_many_kinks_are_not_taken_piece_by_piece() -> None:
    text = "+".join(f"abs(z - {k})" for k in range(1, 10))
    activation = parse({"type": "expression", "expression": text})
    assert activation.evaluation is Evaluation.QUADRATURE
    assert jumps(activation) is None


def test_layers_are_counted_on_all_paths() -> None:
    assert evaluations(mlp(7, "tanh")) == {Evaluation.TABLES: 6}
    assert evaluations(mlp(1, "tanh")) == {Evaluation.TABLES: 0}
    branches = [["tanh", "dense"], ["dense", "relu", "dense"]]
    found = network(["dense", {"type": "parallel", "branches": branches}, "tanh", "dense", "hard_tanh"])
    assert evaluations(found) == {Evaluation.TABLES: 2, Evaluation.CLOSED: 1, Evaluation.PIECES: 1}
