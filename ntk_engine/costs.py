"""What training lowers: costs of a function's values, and their functional derivatives (Section 3).

With p^in the empirical measure of N points a cost is C(f) = (1/N) Σ_j c(f(x_j), y_j), and d|_f(x_j) = ∂c/∂f(x_j) the
direction that kernel gradient descent follows. Theorem 2 asks for no cost: `Direction` follows what it is given.
Tensors are reached through their methods alone, so that this loads without torch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from ntk_engine.fields import Number, check, is_count

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["COSTS", "AnyCost", "Cost", "CrossEntropy", "Direction", "Huber", "LeastSquares", "Logistic"]


class Cost(ABC):
    """A cost, point by point. A family is one frozen dataclass of its numbers, with a `type: Literal[…]`.

    Raises ArchitectureError for numbers that are none.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "strict": False}
    targets: ClassVar[str] = ""
    """What targets must be, the end of "the targets of this cost must be "; "" where any number will do."""
    bounded: ClassVar[bool] = True
    """Whether it has a least value, so that one that grows without end is a fault."""
    steepness: ClassVar[float] = 1.0
    """The largest eigenvalue that the curvature can have: d is Lipschitz with it."""

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """c(f(x), y) of every point (…×N), from outputs and targets (…×N×k)."""

    @abstractmethod
    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """d|_f(x) of every point (…×N×k)."""

    @abstractmethod
    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """∂d/∂f of every point (…×N×k×k), symmetric and, as c is convex in f, positive semidefinite."""

    def steepness_at(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """No less than the curvature's largest eigenvalue at every point (…×N), and no more than `steepness`."""
        return (f - y).sum(-1).zero_().add_(self.steepness)

    def slope(self, outputs: int) -> float:  # noqa: ARG002
        """No less than Σ_k |d_k| at any point, wherever f is: c is Lipschitz with it in max |f_k|; inf without one."""
        return inf

    def outputs(self, columns: int) -> int:
        """k, from the number of columns that the targets have. Raises ValueError where they cannot be targets."""
        return columns

    def at(self, y: "Tensor", step: int) -> "Tensor":  # noqa: ARG002
        """The targets of step t (N×k)."""
        return y

    def changes(self, step: int) -> float:  # noqa: ARG002
        """The next step after t that has other targets; inf without one."""
        return inf

    def accepts(self, y: Any) -> bool:  # noqa: ARG002
        """Whether y, a tensor or an array of numpy, are targets of this cost, finite as they are."""
        return True


@dataclass(frozen=True, kw_only=True)
class LeastSquares(Cost):
    """C = ½E‖f − f*‖² (Section 5)."""

    type: Literal["least_squares"] = "least_squares"

    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """½‖f − y‖²."""
        return (f - y).square().sum(-1) * 0.5

    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """f − y."""
        return f - y

    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """I."""
        return (f - y).zero_().add_(1.0).diag_embed()


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Cost):
    """C = −E Σ_k y_k log softmax(f)_k, for targets that are probabilities of k classes."""

    type: Literal["cross_entropy"] = "cross_entropy"
    targets: ClassVar[str] = "probabilities of two classes or more, such as one-hot labels: rows that sum to 1"
    steepness: ClassVar[float] = 0.5
    """Of diag(p) − p pᵀ, at p = (½, ½)."""

    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """Σ_k y_k (log Σ_j e^{f_j} − f_k)."""
        return y.sum(-1) * f.logsumexp(-1) - (y * f).sum(-1)

    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """softmax(f) − y, for rows of y that sum to 1."""
        return y.sum(-1, keepdim=True) * f.softmax(-1) - y

    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """diag(p) − p pᵀ, p = softmax(f)."""
        p = f.softmax(-1)
        return (p.diag_embed() - p.unsqueeze(-1) * p.unsqueeze(-2)) * y.sum(-1)[..., None, None]

    def steepness_at(self, f: "Tensor", y: "Tensor") -> "Tensor":  # noqa: ARG002
        """The largest sum of a row's sizes (Gershgorin), max_k 2 p_k(1 − p_k)."""
        p = f.softmax(-1)
        return (p * (1.0 - p)).amax(-1) * 2.0

    def slope(self, outputs: int) -> float:  # noqa: ARG002
        """Σ_k |p_k − y_k|, each of the two 1 in sum, to the rounding of float32."""
        return 2.0 * (1.0 + 1e-6)

    def outputs(self, columns: int) -> int:
        """A class each."""
        if columns < 2:
            raise ValueError(f"the targets of this cost must be {self.targets}")
        return columns

    def accepts(self, y: Any) -> bool:
        """Whether rows are probabilities, to the rounding of float32."""
        return bool((y >= 0.0).all()) and bool((abs(y.sum(-1) - 1.0) <= 1e-6).all())


@dataclass(frozen=True, kw_only=True)
class Logistic(Cost):
    """C = E Σ_k log(1 + e^{−y_k f_k}), for targets −1 and 1."""

    type: Literal["logistic"] = "logistic"
    targets: ClassVar[str] = "-1 or 1"
    steepness: ClassVar[float] = 0.25
    """At f = 0."""

    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """max(−m, 0) + log(1 + e^−|m|), m = y f."""
        margin = y * f
        return ((-margin).clamp_min(0.0) + (-margin.abs()).exp().log1p()).sum(-1)

    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """−y/(1 + e^{y f})."""
        return -y * (-y * f).sigmoid()

    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """y²/((1 + e^{y f})(1 + e^{−y f}))."""
        margin = y * f
        return (y.square() * margin.sigmoid() * (-margin).sigmoid()).diag_embed()

    def steepness_at(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """Its largest entry."""
        margin = y * f
        return (margin.sigmoid() * (-margin).sigmoid()).amax(-1)

    def slope(self, outputs: int) -> float:
        """1 each."""
        return float(outputs)

    def accepts(self, y: Any) -> bool:
        """Whether all are −1 or 1."""
        return bool((abs(y) == 1.0).all())


@dataclass(frozen=True, kw_only=True)
class Huber(Cost):
    """C = E Σ_k h(f_k − y_k): quadratic up to `delta`, linear beyond (Huber, 1964)."""

    type: Literal["huber"] = "huber"
    delta: Annotated[float, Number("is the residual at which the cost becomes linear", above=0)] = 1.0

    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """With s = min(|r|, δ): s (|r| − s/2)."""
        residual = (f - y).abs()
        inside = residual.clamp_max(self.delta)
        return (inside * (residual - inside * 0.5)).sum(-1)

    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """The residual, held within ±δ."""
        return (f - y).clamp(-self.delta, self.delta)

    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """1 within δ, 0 beyond."""
        return ((f - y).abs() < self.delta).to(f.dtype).diag_embed()

    def slope(self, outputs: int) -> float:
        """δ each."""
        return self.delta * outputs


@dataclass(frozen=True, kw_only=True)
class Direction(Cost):
    """No cost: the training direction d_t itself is given (Section 4.2), as targets.

    `starts`: the steps from which each d holds until the next one's, 0 first; targets have a block of k columns for
    every start. What is reported as its value is ⟨d_t, f⟩, whose derivative d_t is.
    """

    type: Literal["direction"] = "direction"
    starts: tuple[int, ...] = (0,)
    bounded: ClassVar[bool] = False
    steepness: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        starts = tuple(self.starts)
        if not starts or starts[0] != 0 or not all(map(is_count, starts[1:])) or list(starts) != sorted(set(starts)):
            raise ValueError("starts are the steps from which directions hold: 0 first, then growing integers")
        object.__setattr__(self, "starts", starts)

    def value(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """Σ_k d_k f_k."""
        return (f * y).sum(-1)

    def direction(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """d_t."""
        return y.expand_as(f)

    def curvature(self, f: "Tensor", y: "Tensor") -> "Tensor":
        """0: what is given does not depend on f."""
        return (f * y).zero_().diag_embed()

    def outputs(self, columns: int) -> int:
        """The columns of one direction."""
        if columns % len(self.starts):
            raise ValueError(f"targets of {columns} columns are not {len(self.starts)} directions of equal width")
        return columns // len(self.starts)

    def at(self, y: "Tensor", step: int) -> "Tensor":
        """The last direction that has started."""
        number = sum(start <= step for start in self.starts) - 1
        k = self.outputs(y.shape[-1])
        return y[..., number * k : (number + 1) * k]

    def changes(self, step: int) -> float:
        """Where the next direction starts."""
        return min((start for start in self.starts if start > step), default=inf)


AnyCost = LeastSquares | CrossEntropy | Logistic | Huber | Direction

COSTS: dict[str, type[Any]] = {family.type: family for family in get_args(AnyCost)}
