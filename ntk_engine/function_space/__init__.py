"""Networks of infinite width in function space: kernel gradient descent in closed form, and Gaussians (Section 5)."""

from ntk_engine.function_space.blocks import Blocks
from ntk_engine.function_space.convex import Path, follow
from ntk_engine.function_space.descent import Steps, descend
from ntk_engine.function_space.directions import Along, Directions, along
from ntk_engine.function_space.dynamics import Dynamics, Flow, GradientDescent
from ntk_engine.function_space.expected_cost import HeldOut, Noise
from ntk_engine.function_space.final import Final, final
from ntk_engine.function_space.large import Ended, Fitted, ended
from ntk_engine.function_space.order import Order, learning_order
from ntk_engine.function_space.points import Moments
from ntk_engine.function_space.posterior import posterior
from ntk_engine.function_space.prediction import Gaussian, Start, gaussian
from ntk_engine.function_space.random_functions import GaussianFunctions, NetworkFunctions
from ntk_engine.function_space.random_kernels import (
    RandomKernel,
    RandomPrediction,
    expected_error,
    expected_error_bound,
    random_kernels,
    random_predictions,
)
from ntk_engine.function_space.reached import At
from ntk_engine.function_space.statistics import (
    Samples,
    accuracy,
    accuracy_bound,
    cost,
    cost_bound,
    cost_rounding,
    expected_accuracy,
    expected_accuracy_bound,
    percentile_bound,
    percentiles,
    sampled,
    samples,
)
from ntk_engine.function_space.stopping import Stopping, early_stopping

__all__ = [
    "Along",
    "At",
    "Blocks",
    "Directions",
    "Dynamics",
    "Ended",
    "Final",
    "Fitted",
    "Flow",
    "Gaussian",
    "GaussianFunctions",
    "GradientDescent",
    "HeldOut",
    "Moments",
    "NetworkFunctions",
    "Noise",
    "Order",
    "Path",
    "RandomKernel",
    "RandomPrediction",
    "Samples",
    "Start",
    "Steps",
    "Stopping",
    "accuracy",
    "accuracy_bound",
    "along",
    "cost",
    "cost_bound",
    "cost_rounding",
    "descend",
    "early_stopping",
    "ended",
    "expected_accuracy",
    "expected_accuracy_bound",
    "expected_error",
    "expected_error_bound",
    "final",
    "follow",
    "gaussian",
    "learning_order",
    "percentile_bound",
    "percentiles",
    "posterior",
    "random_kernels",
    "random_predictions",
    "sampled",
    "samples",
]
