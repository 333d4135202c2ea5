"""The compiled loop where whatever C++ leaves undefined ends the process: shifts, casts, places in arrays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = """
import sys, torch
from ntk_engine.architecture import mlp
from ntk_engine.compiled import library
from ntk_engine.costs import Logistic
from ntk_engine.finite import Descent, Rule, follow, weights

library._FLAGS += ["-O1", "-fsanitize=undefined,float-cast-overflow", "-fsanitize-undefined-trap-on-error"]
x = torch.linspace(-1.0, 1.0, 15, dtype=getattr(torch, sys.argv[1])).view(5, 3)
arch = mlp(depth=4, activation="tanh", beta=0.3)
for width in (16, 21):
    some = weights(arch, 3, 2, [0, 1], width=width, dtype=x.dtype)
    some[0][1] = torch.nan
    made = Descent(arch, some, x, x[:, :2].sign(), Logistic(), Rule(learning_rate=0.5), [0, 1])
    vars(made)["kept"] = (0, 3, 8, 5)
    run = follow(made, 30)
    assert made._loop is not None
    print(*(ending.name for ending in run.endings))
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_left_undefined(dtype: str, tmp_path: Path) -> None:
    """Of a network that is trained, with changes that are kept and at once, and of one of no numbers."""
    home = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LOOP, dtype], capture_output=True, text=True, env=home, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ALL_STEPS DIVERGED\n" * 2
