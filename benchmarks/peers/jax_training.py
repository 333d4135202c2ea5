"""JAX on one case of training.py: `PYTHON jax_training.py WIDTH N DTYPE SEEDS CORES`, in the Python of nt_infinite.py.

All steps are one jitted `lax.scan` with donated parameters, seeds are its `vmap`. Prints one line of JSON: seconds of a
step of all networks, compiling left out.
"""

import json
import os
import sys
import time
from itertools import pairwise
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
from jax import numpy as jnp

# Seconds of a timed run, about.
ONCE = 0.5


def cost(parameters: Any, x: Any, y: Any) -> Any:
    """½E(f − y)² of one network."""
    for number, (weight, bias) in enumerate(parameters):
        before = jax.nn.relu(x) if number else x
        x = before @ weight * float(len(weight)) ** -0.5 + 0.1 * bias
    return 0.5 * jnp.mean((x - y) ** 2)


def drawn(key: Any, width: int, dtype: str) -> Any:
    """Parameters of one network."""
    keys = iter(jax.random.split(key, 8))
    shapes = pairwise((2, width, width, width, 1))
    normal = jax.random.normal
    return [(normal(next(keys), shape, dtype), normal(next(keys), shape[1:], dtype)) for shape in shapes]


def timed(gradient: Any, parameters: Any, steps: int, runs: int) -> tuple[float, Any]:
    """Seconds of a step, the least of some runs, and the parameters after them."""

    def step(state: Any, _: None) -> tuple[Any, None]:
        return jax.tree_util.tree_map(lambda item, slope: item - slope, state, gradient(state)), None

    many = jax.jit(lambda state: jax.lax.scan(step, state, None, length=steps)[0], donate_argnums=0)
    parameters = jax.block_until_ready(many(parameters))
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        parameters = jax.block_until_ready(many(parameters))
        taken.append((time.perf_counter() - began) / steps)
    return min(taken), parameters


def main() -> None:
    """One case."""
    dtype = sys.argv[3]
    width, inputs, seeds, cores = (int(sys.argv[place]) for place in (1, 2, 4, 5))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    jax.config.update("jax_enable_x64", dtype == "float64")
    angle = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, inputs)
    x = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], axis=1), dtype)
    y = x[:, :1] * x[:, 1:]
    keys = jax.random.split(jax.random.PRNGKey(0), seeds)
    gradient: Any = jax.grad(lambda parameters: cost(parameters, x, y))
    parameters = drawn(keys[0], width, dtype)
    if seeds > 1:
        gradient, parameters = jax.vmap(gradient), jax.vmap(lambda key: drawn(key, width, dtype))(keys)
    about, parameters = timed(gradient, parameters, 2, 2)
    steps = max(2, min(20000, int(ONCE / about)))
    print(json.dumps({"seconds": timed(gradient, parameters, steps, 5)[0]}))


if __name__ == "__main__":
    main()
