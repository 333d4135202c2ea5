"""Random functions in place of a kernel (Section 3.1): the functions that a prediction names."""

from collections.abc import Iterable

import torch
from torch import Tensor

from contracts.predictions import PredictionSpec
from contracts.random_functions import RandomFunctions
from ntk_engine.function_space import Blocks, GaussianFunctions, NetworkFunctions
from worker.context import Context
from worker.function_space_inputs import inputs


def functions_of(spec: PredictionSpec, asked: RandomFunctions, blocks: Blocks, context: Context) -> Iterable[Tensor]:
    """On the points trained on and, behind them, the test points. Raises LookupError where a dataset is gone."""
    if asked.of == "gaussian":
        return GaussianFunctions.of(blocks, asked.seed)
    assert spec.architecture is not None
    x, other = inputs(spec, context)
    points = x if other is None else torch.cat([x, other])
    return NetworkFunctions(spec.architecture, points, asked.width, asked.seed)
