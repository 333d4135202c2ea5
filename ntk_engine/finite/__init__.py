"""Networks of finite width (Section 2): their parameters, what they compute, and their kernels (Section 4).

init(arch, n_inputs, n_outputs, seed, width=)    parameters, drawn
apply(arch, params, x)                           f_θ(x)
kernel(arch, params, x1, x2)                     Θ(θ) and f_θ f_θ' of one network
train(arch, params, x, y, cost, η, steps, record)  gradient descent on networks, one or many at once
monte_carlo(arch, x1, x2, draws=, width=, seed=) their means over many networks, with standard errors
"""

from ntk_engine.finite import recording
from ntk_engine.finite.descent import Descent, Rule
from ntk_engine.finite.forward import apply
from ntk_engine.finite.masks import Masks
from ntk_engine.finite.monte_carlo import Estimate, monte_carlo, running
from ntk_engine.finite.parameters import Parameters, Weights, empty, flattened, init, unflattened, weights
from ntk_engine.finite.recording import Recording
from ntk_engine.finite.tangent import kernel
from ntk_engine.finite.training import Ending, Run, follow, train

__all__ = [
    "Descent",
    "Ending",
    "Estimate",
    "Masks",
    "Parameters",
    "Recording",
    "Rule",
    "Run",
    "Weights",
    "apply",
    "empty",
    "flattened",
    "follow",
    "init",
    "kernel",
    "monte_carlo",
    "recording",
    "running",
    "train",
    "unflattened",
    "weights",
]
