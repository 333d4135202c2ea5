"""neural-tangents' predictions: `PYTHON nt_predict.py KIND MODE TIMES CORES`, in the environment of nt_infinite.py.

KIND mean: gradient_descent_mse on kernels that are there, means alone; ensemble: gradient_descent_mse_ensemble from
inputs, means and covariances. MODE cold builds the predictor every time, warm asks one again. TIMES: a list, or inf.
Prints one line of JSON: seconds and core-seconds of the best of several calls after the first, and the peak of resident
memory in bytes.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = {
    "1": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}.get(sys.argv[4], "")
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[4]

import jax
import neural_tangents as nt
import numpy as np
from neural_tangents import stax

N, TEST, INPUTS, HIDDEN, ENOUGH, MOST = 2048, 512, 32, 3, 6.0, 20


def main() -> None:
    """One case."""
    kind, mode, times = sys.argv[1:4]
    jax.config.update("jax_enable_x64", True)
    layers = [part for _ in range(HIDDEN) for part in (stax.Dense(1, W_std=2**0.5, b_std=0.1), stax.Relu())]
    kernel = jax.jit(stax.serial(*layers, stax.Dense(1, W_std=2**0.5, b_std=0.1))[2], static_argnums=(2,))
    rng = np.random.default_rng(0)
    x, other = (jax.numpy.asarray(rng.standard_normal((n, INPUTS))) for n in (N, TEST))
    y = jax.numpy.sin(x.sum(axis=1, keepdims=True))
    asked = None if times == "inf" else np.array(json.loads(times), dtype=float)
    if kind == "mean":
        train, cross = (jax.block_until_ready(kernel(*pair, "ntk")) for pair in ((x, None), (other, x)))

    def built() -> Callable[..., object]:
        made: Callable[..., object]
        if kind == "mean":
            made = nt.predict.gradient_descent_mse(train, y)
        else:
            made = nt.predict.gradient_descent_mse_ensemble(kernel, x, y)
        return made

    def called(predict: Callable[..., object]) -> object:
        if kind == "mean":
            return predict(asked, 0.0, 0.0, cross)
        return predict(t=asked, x_test=other, get="ntk", compute_cov=True)

    there = built()
    taken: list[tuple[float, float]] = []
    while len(taken) < 4 or (len(taken) < MOST and sum(wall for wall, _ in taken) < ENOUGH):
        began, used = time.perf_counter(), time.process_time()
        jax.block_until_ready(called(there if mode == "warm" else built()))
        taken.append((time.perf_counter() - began, time.process_time() - used))
    best = min(taken[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": best[0], "core_seconds": best[1], "peak": peak}))


if __name__ == "__main__":
    main()
