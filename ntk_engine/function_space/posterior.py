"""Gaussian process regression with a kernel: the prior conditioned on the targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ntk_engine.function_space import bounds
from ntk_engine.function_space.blocks import checked
from ntk_engine.function_space.dynamics import Flow
from ntk_engine.function_space.prediction import gaussian, reach

if TYPE_CHECKING:
    from torch import Tensor

    from ntk_engine.function_space.blocks import Blocks
    from ntk_engine.function_space.points import Moments
    from ntk_engine.function_space.prediction import Covariance

_EPS = 2.0**-52


def posterior(kernel: Blocks, y: Tensor, *, noise: float = 0.0, covariance: Covariance = "full") -> Moments:
    """GP(0, K) on the test points given y (N×k) on the training points, of K = Σ (NNGP) or K = Θ (NTK-GP).

        mean = κ (K + σ²)⁻¹ y,     cov(x, x') = K(x, x') − κ (K + σ²)⁻¹ κᵀ,     σ² = `noise`, a variance

    Without noise the pseudo-inverse is meant. For K = Σ and no noise this is what training the last layer alone ends
    at; for K = Θ the mean is that of the ensemble at t = inf, and the covariance is not. Raises ValueError as
    `gaussian` does, and where there are no test points.
    """
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"a noise is a finite variance from 0, not {noise}")
    blocks = checked(kernel, "kernel", covariance=covariance)
    if blocks.cross is None:
        raise ValueError("there are no test points: the kernel has no cross block")
    n, ridge = len(blocks.train), noise / len(blocks.train)
    fitted = gaussian(blocks, None, y, [math.inf], start="zero", ridge=ridge)
    mean = fitted.test_at(math.inf)
    if covariance == "none" or blocks.test is None:
        return mean
    found = fitted.train_points.shared.found
    b, b_error, size = reach(found, blocks.cross)
    gain = Flow().gain(found.values + ridge, math.inf)
    gain[found.rank :] = 0.0
    own = blocks.test if blocks.test.ndim == 1 else blocks.test.diagonal()
    # Errors of λ, relative to a component that is no larger than the prior: B_j² N g_j ≤ K(x, x).
    taken = n * gain * (size * (size * (gain * found.residuals + bounds.rounding(n)) + 2 * b_error))
    bound = taken.sum() + _EPS * own.abs().amax()
    if covariance == "full":
        half = b * (n * gain).sqrt()
        whole = blocks.test - half @ half.mT
        return mean._replace(variance=whole.diagonal().clamp_min(0.0), covariance=whole, covariance_bound=bound)
    variance = (own - n * (b * b * gain).sum(dim=1)).clamp_min(0.0)
    return mean._replace(variance=variance, covariance_bound=bound)
