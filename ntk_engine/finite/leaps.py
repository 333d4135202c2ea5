"""Which descents are compiled, and what the compiled loop is told of them: see compiled/descent.cpp.

Where few inputs meet the weights, a step is as fast as memory: the loop reads each weight twice and writes it once, or
once in some steps (ntk_engine/folding.py).
With many inputs it is a matter of matrix products, and what is around them costs the less the larger these are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntk_engine import compiled
from ntk_engine.folding import looped
from ntk_engine.layers import Dense, Nonlinearity, Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ntk_engine.costs import AnyCost
    from ntk_engine.finite.chain import Pointwise

__all__ = ["leaps"]


def leaps(
    some: Sequence[Dense | Pointwise], weights: Sequence[Tensor], x: Tensor, cost: AnyCost
) -> compiled.Descents | None:
    """The compiled loop for a chain of layers on all inputs x (N×n_0); None where there is none, or it would be slower.

    None too for activations and costs that are not written in what can be recorded, and without a compiler.
    """
    if not looped(len(x), max(w[0].numel() for w in weights)):
        return None
    if x.device.type != "cpu" or x.dtype not in compiled.NUMBERS:
        return None
    dense = [place for place, layer in enumerate(some) if isinstance(layer, Dense)]
    number = compiled.NUMBERS[x.dtype]
    try:
        of_cost = compiled.record_cost(cost.value, cost.direction)
        links = [
            compiled.Link(compiled.record_pointwise(_together(some[place + 1 : end]), number), *_entering(some, end, w))
            for place, end, w in zip(dense, [*dense[1:], len(some)], weights, strict=True)
        ]
        return compiled.Descents(_inputs(some[: dense[0] + 1], x), links, of_cost)
    except (AttributeError, TypeError, compiled.CompilerError):
        return None


def _inputs(some: Sequence[Dense | Pointwise], x: Tensor) -> Tensor:
    """A of the first dense layer, the last of these."""
    *before, dense = some
    assert isinstance(dense, Dense)
    values = _together(before)(x)[0]
    entering = x.new_full((len(x), x.shape[1] + 1), dense.shift)
    entering[:, :-1] = values * dense.gain(x.shape[1])
    return entering


def _entering(some: Sequence[Dense | Pointwise], place: int, weights: Tensor) -> tuple[float, float]:
    """What the dense layer at a place multiplies neurons and bias with; at the end nothing is changed."""
    layer = some[place] if place < len(some) else None
    return (layer.gain(weights.shape[-2]), layer.shift) if isinstance(layer, Dense) else (1.0, 0.0)


def _together(some: Sequence[Dense | Pointwise]) -> Callable[[Any], tuple[Any, Any]]:
    """z → the value and the derivative of all these functions, one after another."""

    def formula(z: Any) -> tuple[Any, Any]:
        slope: Any = 1.0
        for layer in some:
            if isinstance(layer, Nonlinearity):
                z, slope = layer.activation.value(z), layer.activation.derivative(z) * slope
            elif isinstance(layer, Scale):
                z, slope = z * layer.factor, slope * layer.factor
        return z, slope

    return formula
