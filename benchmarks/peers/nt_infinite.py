"""neural-tangents on one case: `PYTHON neural_tangents.py ACTIVATION HIDDEN N D DTYPE [sphere]`.

It pins old libraries, so it lives in an environment of its own: on Python 3.11, `pip install jax==0.4.25
jaxlib==0.4.25 neural-tangents==0.6.5 'numpy<2' 'scipy<1.13'`. Prints one line of JSON: seconds of the first call, which
compiles, and of the best of three more, core-seconds of that one, and the peak of resident memory in bytes.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
from neural_tangents import stax

# Seconds after which a case is not repeated a third time.
ENOUGH = 60.0


def main() -> None:
    """One case."""
    activation, hidden, n, d, dtype = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    jax.config.update("jax_enable_x64", dtype == "float64")
    x = np.random.default_rng(0).standard_normal((n, d))
    if "sphere" in sys.argv:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    gain = 2**0.5 if activation == "relu" else 1.5
    nonlinearities = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu, "tanh": _tanh}
    layers = [stax.Dense(1, W_std=gain, b_std=0.1)]
    for _ in range(hidden):
        layers += [nonlinearities[activation](), stax.Dense(1, W_std=gain, b_std=0.1)]
    kernel = stax.serial(*layers)[2]
    compiled = jax.jit(lambda z: tuple(kernel(z, None, ("nngp", "ntk"))))
    inputs = jax.numpy.asarray(x.astype(dtype))
    taken = []
    for _ in range(4):
        began, used = time.perf_counter(), time.process_time()
        jax.block_until_ready(compiled(inputs))
        taken.append((time.perf_counter() - began, time.process_time() - used))
        if len(taken) > 1 and sum(wall for wall, _ in taken) > ENOUGH:
            break
    best = min(taken[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"first": taken[0][0], "seconds": best[0], "core_seconds": best[1], "peak": peak}))


def _tanh() -> object:
    return stax.ElementwiseNumerical(jax.numpy.tanh, deg=25)


if __name__ == "__main__":
    main()
