"""Every test here runs twice: on compiled code, and on tensors as where there is no compiler."""

import pytest

from ntk_engine import compiled, infinite
from ntk_engine.activations import ACTIVATIONS, parse
from ntk_engine.architecture import mlp

REQUIRED = {"expression": {"expression": "tanh(z)"}}


@pytest.fixture(scope="session")
def _all_compiled() -> None:
    for name in ACTIVATIONS:
        infinite.prepare(mlp(2, parse({"type": name} | REQUIRED.get(name, {}))))


@pytest.fixture(autouse=True, params=["compiled", "eager"])
def evaluation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _all_compiled: None) -> str:
    """How formulas are evaluated in this test."""
    if request.param == "eager":
        monkeypatch.setattr(compiled.library, "ready", lambda text: None)
    return str(request.param)
