"""neural-tangents on one finite network: `PYTHON nt_finite.py WIDTH N K DTYPE`, in the environment of nt_infinite.py.

By its structured derivatives, its fastest way for dense networks. Prints one line of JSON: core-seconds of the best of
several runs after the first, and by how much they raised the peak of resident memory, in bytes.
"""

import json
import os
import resource
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import neural_tangents as nt
import numpy as np
from neural_tangents import stax

INPUTS, HIDDEN, ENOUGH, MOST = 784, 3, 3.0, 40


def main() -> None:
    """One case."""
    width, n, k = map(int, sys.argv[1:4])
    jax.config.update("jax_enable_x64", sys.argv[4] == "float64")
    layers = [part for _ in range(HIDDEN) for part in (stax.Dense(width, W_std=2**0.5, b_std=0.1), stax.Relu())]
    init, apply, _ = stax.serial(*layers, stax.Dense(k, W_std=2**0.5, b_std=0.1))
    x = jax.numpy.asarray(np.random.default_rng(0).standard_normal((n, INPUTS)).astype(sys.argv[4]))
    _, params = init(jax.random.PRNGKey(0), x.shape)
    way = nt.NtkImplementation.STRUCTURED_DERIVATIVES
    kernel = nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0, implementation=way)
    compiled = jax.jit(lambda z, theta: kernel(z, None, theta))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    jax.block_until_ready(compiled(x, params))
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < MOST and sum(taken) < ENOUGH):
        used = time.process_time()
        jax.block_until_ready(compiled(x, params))
        taken.append(time.process_time() - used)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"core_seconds": min(taken), "peak": peak}))


if __name__ == "__main__":
    main()
