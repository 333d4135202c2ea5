"""Networks of finite width (Section 2): their parameters, what they compute, and their kernels (Section 4).

init(arch, n_inputs, n_outputs, seed, width=)    parameters, drawn
apply(arch, params, x)                           f_θ(x)
train(arch, params, x, y, cost, η, steps, record)  gradient descent on networks, one or many at once
kernel(arch, params, x1, x2, outputs=)           Θ(θ) and f_θ ⊗ f_θ of one network, or of many at once
monte_carlo(arch, x1, x2, draws=, width=, seed=) their means over many networks, with standard errors
jacobian_kernel(function, params, x1, x2)        Θ of any function of parameters
product(function, params, x1, v, x2)             Θ v without Θ
linearized(function, params), quadratic(…)       its Taylor expansions, as functions of parameters
expand(function, start, params, x)               what each order adds to f
"""

from ntk_engine.finite import recording
from ntk_engine.finite.descent import Descent, Rule
from ntk_engine.finite.expanded import Around
from ntk_engine.finite.forward import apply
from ntk_engine.finite.general import Function, jacobian_kernel, product
from ntk_engine.finite.masks import Masks
from ntk_engine.finite.monte_carlo import Estimate, monte_carlo, running
from ntk_engine.finite.parameters import Parameters, Weights, empty, flattened, init, unflattened, weights
from ntk_engine.finite.recording import Recording
from ntk_engine.finite.tangent import Outputs, kernel
from ntk_engine.finite.taylor import Expansion, expand, linearized, quadratic
from ntk_engine.finite.training import Ending, Run, follow, train

__all__ = [
    "Around",
    "Descent",
    "Ending",
    "Estimate",
    "Expansion",
    "Function",
    "Masks",
    "Outputs",
    "Parameters",
    "Recording",
    "Rule",
    "Run",
    "Weights",
    "apply",
    "empty",
    "expand",
    "flattened",
    "follow",
    "init",
    "jacobian_kernel",
    "kernel",
    "linearized",
    "monte_carlo",
    "product",
    "quadratic",
    "recording",
    "running",
    "train",
    "unflattened",
    "weights",
]
