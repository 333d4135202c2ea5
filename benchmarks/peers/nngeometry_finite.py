"""nngeometry on one finite network: `PYTHON nngeometry_finite.py WIDTH N K DTYPE`, on a Python with torch and it.

Its layers are torch's own in the standard parametrization: the same products as ours, with other numbers. Prints one
line of JSON: core-seconds of the best of several runs, and by how much they raised the peak of resident memory.
"""

import json
import resource
import sys
import time
from itertools import pairwise

import torch
from nngeometry.gram import GramMatrix
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

INPUTS, HIDDEN, ENOUGH, MOST = 784, 3, 3.0, 40


def main() -> None:
    """One case."""
    width, n, k = map(int, sys.argv[1:4])
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, sys.argv[4]))
    sizes = [INPUTS, *[width] * HIDDEN]
    hidden = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    network, inputs = nn.Sequential(*hidden, nn.Linear(width, k)), TensorDataset(torch.randn(n, INPUTS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < MOST and sum(taken) < ENOUGH):
        used = time.process_time()
        GramMatrix(network, DataLoader(inputs, batch_size=n)).to_torch()
        taken.append(time.process_time() - used)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"core_seconds": min(taken), "peak": peak}))


if __name__ == "__main__":
    main()
