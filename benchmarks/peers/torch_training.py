"""Stock PyTorch on one case of training.py: `PYTHON torch_training.py WIDTH N DTYPE SEEDS CORES loop|vmap`.

loop: modules, autograd and torch.optim.SGD, one network after another; vmap: `torch.func` over stacked parameters.
Prints one line of JSON: seconds of a step of all networks.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.training import data, timed


class Scaled(nn.Module):
    """A dense layer in the NTK parametrization."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before))
        self.bias = nn.Parameter(torch.randn(after))

    def forward(self, x: Tensor) -> Tensor:
        """W x/√n + β b."""
        return nn.functional.linear(x, self.weight / self.weight.shape[1] ** 0.5, 0.1 * self.bias)


def network(width: int) -> nn.Module:
    """Three hidden layers."""
    hidden = [Scaled(2, width), nn.ReLU(), Scaled(width, width), nn.ReLU(), Scaled(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, Scaled(width, 1))


def alone(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """A step of one network."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def step() -> None:
        optimizer.zero_grad()
        ((model(x) - y).square().mean() / 2).backward()
        optimizer.step()

    return step


def together(models: list[nn.Module], x: Tensor, y: Tensor) -> Callable[[], None]:
    """A step of all networks."""
    stacked: dict[str, Any] = {name: item.detach() for name, item in torch.func.stack_module_state(models)[0].items()}

    def cost(parameters: dict[str, Tensor]) -> Tensor:
        f: Tensor = torch.func.functional_call(models[0], parameters, (x,))
        return (f - y).square().mean() / 2

    gradient = torch.func.vmap(torch.func.grad(cost))

    def step() -> None:
        found = gradient(stacked)
        for name, item in stacked.items():
            item.sub_(found[name])

    return step


def main() -> None:
    """One case."""
    width, inputs, dtype, seeds, cores, way = sys.argv[1:]
    torch.set_num_threads(int(cores))
    torch.set_default_dtype(getattr(torch, dtype))
    x, y = data(int(inputs), torch.get_default_dtype())
    models = [network(int(width)) for _ in range(int(seeds))]
    steps = [together(models, x, y)] if way == "vmap" else [alone(model, x, y) for model in models]

    def many(count: int) -> None:
        for _ in range(count):
            for step in steps:
                step()

    print(json.dumps({"seconds": timed(many)}))


if __name__ == "__main__":
    main()
