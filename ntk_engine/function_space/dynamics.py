"""What is left of one component of f − f* after a time t, as a function of its eigenvalue λ: the spectral functions.

Least squares moves every kernel principal component on its own (Section 5): d_t(λ) of it is left, and a component of
the targets moves f by the gain g_t(λ) = (1 − d_t(λ))/λ times κu/N.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

# A time is a rounded product, and t/η a rounded quotient.
_ROUNDINGS = 8 * 2.0**-52


class Dynamics(ABC):
    """Two functions of λ ≥ 0 (any shape, float64) and of a time t that may be inf."""

    @abstractmethod
    def decay(self, lam: Tensor, t: float) -> Tensor:
        """d_t(λ), what is left: 1 at λ = 0, whatever t."""

    @abstractmethod
    def fitted(self, lam: Tensor, t: float) -> Tensor:
        """1 − d_t(λ), without cancellation where it is small."""

    def check(self, t: float) -> None:
        """Raises ValueError, with a sentence that names the time, where there is no such time."""
        if math.isnan(t) or t < 0:
            raise ValueError(f"a time is a number from 0 to infinity, not {t}")

    def gain(self, lam: Tensor, t: float) -> Tensor:
        """g_t(λ) = (1 − d_t(λ))/λ; its limit where λ = 0 (inf at t = inf)."""
        least = torch.finfo(lam.dtype).tiny
        positive = lam.clamp_min(least)
        return torch.where(lam > least, self.fitted(positive, t) / positive, self.gain_at_zero(t))

    @abstractmethod
    def gain_at_zero(self, t: float) -> float:
        """The limit of (1 − d_t(λ))/λ for λ → 0."""

    @abstractmethod
    def convex(self, largest: float) -> bool:
        """Whether d_t and g_t fall and are convex up to that λ, at every time, and so d_t + r g_t for a ridge r."""


@dataclass(frozen=True, slots=True)
class Flow(Dynamics):
    """Gradient flow, ∂_t f = −∇_K C: d_t(λ) = e^{−tλ} (Section 5)."""

    def decay(self, lam: Tensor, t: float) -> Tensor:
        """e^{−tλ}."""
        return torch.where(lam > 0, torch.exp(-t * lam), 1.0)

    def fitted(self, lam: Tensor, t: float) -> Tensor:
        """1 − e^{−tλ}."""
        return torch.where(lam > 0, -torch.expm1(-t * lam), 0.0)

    def gain_at_zero(self, t: float) -> float:
        """The time itself."""
        return t

    def convex(self, largest: float) -> bool:  # noqa: ARG002
        """e^{−tλ} is, and (1 − e^{−tλ})/λ, its integral over times."""
        return True


@dataclass(frozen=True, slots=True)
class GradientDescent(Dynamics):
    """s = t/η steps of gradient descent with learning rate η, and heavy-ball momentum 0 ≤ μ < 1 (Polyak 1964).

    Of a component e of f − f*, with h = ηλ and a velocity that is 0 at first (v ← μv + λe, e ← e − ηv):

        e_{s+1} = (1 + μ − h) e_s − μ e_{s−1},     e_{−1} = e_0 = 1,     which is e_s = (1 − h)^s for μ = 0

    With a = (1 + μ − h)/2, the roots a ± √(a² − μ) of z² − 2az + μ, and 4(a² − μ) = ((1−√μ)² − h)((1+√μ)² − h), without
    cancellation also near the double root:

        real roots |Z| ≥ |ζ|, q = ζ/Z:     e_s = Z^s (1 + q (1 − Z) (1 − q^s)/(1 − q))
        √μ e^{±iφ}:                        e_s = μ^{s/2} (cos sφ + (a − μ)/√μ · sin sφ / sin φ)

    It converges for 0 < h < 2(1 + μ). Where h is larger, e_s grows beyond any number, to ±inf; at t = inf it is said to
    be inf wherever there is no limit, h = 2(1 + μ) included. Powers are taken by log1p, so that s may be 10¹² and more.
    """

    learning_rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"a learning rate is a positive number, not {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"a momentum is at least 0 and below 1, not {self.momentum}")

    def check(self, t: float) -> None:
        """Raises ValueError unless t is a whole number of steps, but for rounding."""
        Dynamics.check(self, t)
        self._steps(t)

    def decay(self, lam: Tensor, t: float) -> Tensor:
        """e_s."""
        s, h = self._steps(t), self.learning_rate * lam
        if s == 0:
            return torch.ones_like(lam)
        if math.isinf(s):
            return torch.where(h > 0, torch.where(h < 2 * (1 + self.momentum), 0.0, math.inf), 1.0)
        if self.momentum == 0:
            return _power(h, s)
        return self._left(h, s)

    def fitted(self, lam: Tensor, t: float) -> Tensor:
        """1 − e_s."""
        s, h = self._steps(t), self.learning_rate * lam
        left = 1 - self.decay(lam, t)
        if s == 0 or math.isinf(s):
            return left
        if self.momentum == 0:
            return torch.where(h < 1, -torch.expm1(s * torch.log1p(-h.clamp_max(1.0))), left)
        slow = h < (1 - math.sqrt(self.momentum)) ** 2
        power, rest = self._real(h, s)
        return torch.where(slow, -torch.expm1(power) - torch.exp(power) * rest, left)

    def gain_at_zero(self, t: float) -> float:
        """η Σ_{j=1}^s (1 − μ^j)/(1 − μ): t for μ = 0."""
        mu = self.momentum
        if mu == 0 or math.isinf(t):
            return t
        s = self._steps(t)
        return self.learning_rate * (s + mu * math.expm1(s * math.log(mu)) / (1 - mu)) / (1 - mu)

    def convex(self, largest: float) -> bool:
        """(1 − h)^s is where h ≤ 1, and so its sum over steps; with momentum it may swing."""
        return self.momentum == 0 and self.learning_rate * largest <= 1

    def _steps(self, t: float) -> float:
        steps = t / self.learning_rate
        if math.isinf(steps):
            return steps
        if abs(steps - round(steps)) > _ROUNDINGS * steps:
            raise ValueError(f"the time {t} is no whole number of steps of {self.learning_rate}: it is {steps} of them")
        return float(round(steps))

    def _left(self, h: Tensor, s: float) -> Tensor:
        """e_s with momentum, finitely many steps."""
        root = math.sqrt(self.momentum)
        near, far = (1 - root) ** 2 - h, (1 + root) ** 2 - h
        a = (1 + self.momentum - h) / 2
        sign = torch.where(a < 0, -1.0, 1.0)
        odd = sign if s % 2 else torch.ones_like(sign)
        angle = torch.atan2((-near * far).clamp_min(torch.finfo(h.dtype).tiny).sqrt() / 2, a.abs())
        # sin sφ / sin φ of φ and of π − φ differ by a sign.
        turn = torch.cos(s * angle) + sign * (a - self.momentum) / root * torch.sin(s * angle) / torch.sin(angle)
        power, rest = self._real(h, s)
        real = torch.exp(power) * (1 + rest)
        return odd * torch.where(near * far >= 0, real, math.exp(s * math.log(root)) * turn)

    def _real(self, h: Tensor, s: float) -> tuple[Tensor, Tensor]:
        """s log|Z|, and q (1 − Z)(1 − q^s)/(1 − q), where the roots are real."""
        mu = self.momentum
        root = math.sqrt(mu)
        apart = (((1 - root) ** 2 - h) * ((1 + root) ** 2 - h)).clamp_min(0.0).sqrt()
        a = (1 + mu - h) / 2
        size = a.abs() + apart / 2
        other = mu / size
        # 1 − |Z| from (1 − Z)(1 − ζ) = h, or (1 + Z)(1 + ζ) = 2(1 + μ) − h where the roots are negative.
        below = torch.where(a > 0, h, 2 * (1 + mu) - h) / (1 - other)
        ratio = torch.log1p(-(apart / size).clamp_max(1.0))
        many = torch.where(ratio < 0, torch.expm1(s * ratio) / torch.expm1(ratio), s)
        return s * torch.log1p(-below), other / size * torch.where(a > 0, below, 1 + size) * many


def _power(h: Tensor, s: float) -> Tensor:
    """(1 − h)^s; beyond h = 1 it is (−1)^s (1 − (2 − h))^s."""
    size = torch.exp(s * torch.log1p(-torch.where(h > 1, 2 - h, h)))
    return torch.where(h > 1, -size, size) if s % 2 else size
