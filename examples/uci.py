"""Support vector machines with tangent kernels on small classification sets.

    make up                                                       # in another terminal
    .venv/bin/python -m examples.uci FOLDER [--largest 350]

"Harnessing the Power of Infinitely Wide Deep Nets on Small-data Tasks" (Arora, Du, Li, Salakhutdinov, Wang, Yu 2020)
asks of 90 sets of the UCI repository how well a support vector machine does whose kernel is that of a ReLU network.
Depth, how many of the first layers do not learn, and C are those that do best on one half of a set after training on
the other half; what counts is the mean accuracy over four folds.

FOLDER holds an .npz file a set: inputs X (N×d), whole numbers y (N), and indices of rows: train and val, the two
halves, and fold0_train, fold0_test, …, fold3_test. The service computes every kernel of a set, on all of its rows.

Sets of up to 350 rows take seconds each, but for some whose classes no linear function parts: without hidden layers
and with C = 10⁴ one fit takes up to half a minute. Of large sets such fits take hours; `--steps 200000` ends them.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from ntkd import Client, JobHandle

HIDDEN = range(5)
PENALTIES = [10.0**exponent for exponent in range(-2, 5)]
# At infinite width the layers in standard parametrization learn infinitely faster than those in NTK parametrization. At
# this one what the latter learn, and biases, is lost in rounding; being a power of 2, it costs the former no digit.
WIDTH = 2**50

Indices = NDArray[np.integer[Any]]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Rows to train on, and rows to test on."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class Task:
    """A set with its splits: `halves`, by which hyper-parameters are chosen, and `folds`, by which it is judged."""

    name: str
    x: Matrix
    y: Indices
    halves: Split
    folds: Sequence[Split]


@dataclass(frozen=True)
class Kernel:
    """A Gram matrix on all rows of a set, which is `scale` times an array of a job."""

    hidden: int
    fixed: int
    job: JobHandle
    array: str
    scale: float

    def fetch(self) -> Matrix:
        """N×N; waits for the job. Raises JobFailed, JobCancelled, Unreachable."""
        self.job.wait()
        return np.asarray(self.job.array(self.array) * self.scale)


@dataclass(frozen=True)
class Outcome:
    """The hyper-parameters that were chosen, how well they did on the second half, and on each fold."""

    hidden: int
    fixed: int
    penalty: float
    validation: float
    folds: Sequence[float]

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.folds))


def read(path: Path) -> Task:
    """A set from an .npz file. Raises KeyError where an array is missing."""
    with np.load(path) as file:
        folds = [Split(file[f"fold{k}_train"], file[f"fold{k}_test"]) for k in range(4)]
        return Task(path.stem, file["X"], file["y"], Split(file["train"], file["val"]), folds)


def network(hidden: int, fixed: int) -> list[str | Mapping[str, Any]]:
    """ReLU layers without biases, the first `fixed` ≥ 1 of which are as good as fixed: Θ/WIDTH has no trace of them.

    Θ = Σ_ℓ Σ^ℓ Σ̇^{ℓ+1} ⋯ Σ̇^L has a term for what each dense layer learns; of one in standard parametrization it is
    times the width before it.
    """
    dense = {"type": "dense", "beta": 0.0, "width": WIDTH}
    learning = dense | {"parametrization": "standard"}
    layers: list[str | Mapping[str, Any]] = [dense]
    for layer in range(1, hidden + 1):
        layers += ["relu", dense if layer < fixed else learning]
    return layers


def submit(client: Client, task: Task) -> list[Kernel]:
    """All kernels of a set in the order of the paper's search, computed from now on.

    The paper's networks do not divide by n_0 = d.
    """
    data, inputs = client.dataset(task.x, name=task.name), float(task.x.shape[1])
    kernels = []
    for hidden in HIDDEN:
        whole = client.submit_kernel(data, depth=hidden + 1, beta=0.0)
        kernels.append(Kernel(hidden, 0, whole, "ntk", inputs))
        for fixed in range(1, hidden):
            job = client.submit_kernel(data, architecture=network(hidden, fixed), kernels=["ntk"])
            kernels.append(Kernel(hidden, fixed, job, "ntk", inputs / WIDTH))
        if hidden:  # with all layers fixed but the last, which is linear
            kernels.append(Kernel(hidden, hidden, whole, "nngp", inputs))
    return kernels


def accuracy(kernel: Matrix, task: Task, split: Split, penalty: float, steps: int = -1) -> float:
    """The share of a split's test rows that a machine gets right which has learned from its training rows."""
    train, test = split.train, split.test
    machine = SVC(C=penalty, kernel="precomputed", max_iter=steps).fit(kernel[np.ix_(train, train)], task.y[train])
    return float(np.mean(machine.predict(kernel[np.ix_(test, train)]) == task.y[test]))


def judge(task: Task, kernels: Sequence[Kernel], steps: int = -1) -> Outcome:
    """Choose by the halves, the first of equals, and judge by the folds."""
    best, chosen, value = -1.0, kernels[0], PENALTIES[0]
    for kernel in kernels:
        matrix = kernel.fetch()
        for penalty in PENALTIES:
            found = accuracy(matrix, task, task.halves, penalty, steps)
            if found > best:
                best, chosen, value = found, kernel, penalty
    matrix = chosen.fetch()
    folds = [accuracy(matrix, task, fold, value, steps) for fold in task.folds]
    return Outcome(chosen.hidden, chosen.fixed, value, best, folds)


def outcome(url: str | None, task: Task, steps: int = -1) -> Outcome:
    """All of a set: its kernels are asked for at once, and looked at one after another."""
    with Client(url) as client:
        return judge(task, submit(client, task), steps)


def outcomes(url: str | None, tasks: Sequence[Task], threads: int, steps: int = -1) -> Iterator[Outcome]:
    """The sets' outcomes in their order, `threads` at a time; scikit-learn fits outside the interpreter's lock."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(lambda task: outcome(url, task, steps), tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description="Support vector machines with tangent kernels on small sets.")
    parser.add_argument("folder", type=Path, help="of .npz files")
    parser.add_argument("--largest", type=int, default=350, help="most rows of a set (%(default)s)")
    parser.add_argument("--steps", type=int, default=-1, help="most steps of a fit; -1 (default): to its end")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="sets at a time (%(default)s)")
    parser.add_argument("--url", help="the service's address")
    given = parser.parse_args()
    tasks = [task for path in sorted(given.folder.glob("*.npz")) if len((task := read(path)).x) <= given.largest]
    means = []
    for task, found in zip(tasks, outcomes(given.url, tasks, given.threads, given.steps), strict=True):
        chosen = f"{found.hidden} hidden layers, {found.fixed} layers fixed, C = {found.penalty:g}"
        print(f"{task.name:34} {found.accuracy:7.3%}   {chosen}", flush=True)
        means.append(found.accuracy)
    print(f"{f'mean of {len(means)} sets':34} {np.mean(means):7.3%}")


if __name__ == "__main__":
    main()
