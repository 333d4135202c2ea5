"""Compiled code that carries rows through layers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from ntk_engine import compiled
from ntk_engine.activations.base import Formula
from ntk_engine.infinite import roots
from ntk_engine.infinite.recursion import BIAS_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ntk_engine.activations.base import Dual


def layers(
    dual: Dual, sigma_w: roots.Number, beta: roots.Number, count: int, before: Tensor
) -> tuple[Tensor, Tensor] | None:
    """`roots.through_layers`, or None if no code can or it is not there (yet)."""
    if isinstance(sigma_w, torch.Tensor) or isinstance(beta, torch.Tensor) or before.requires_grad:
        return None
    if before.device.type != "cpu" or not isinstance(dual, Formula):
        return None
    recorded = _recorded(dual.whole)
    found = None if recorded is None else compiled.rows(recorded, sigma_w, beta, count, before)
    return found if found is None or dual is dual.whole else (_inserted(dual.beside(*before), found[0]), found[1])


def _inserted(beside: Sequence[Tensor], brings: Tensor) -> Tensor:
    """What rows bring to a layer of the whole formula, with what a narrow one adds before what the bias takes."""
    own, biased = brings.tensor_split((-BIAS_ROWS,), dim=1)
    return torch.cat([own, torch.stack(list(beside))[None], biased], dim=1)


def source(dual: Formula) -> str | None:
    """The text to compile for layers of an activation, if rows of it can be recorded."""
    recorded = _recorded(dual)
    return None if recorded is None else recorded.text


@lru_cache(256)
def _recorded(dual: Formula) -> compiled.RowFormula | None:
    def formula(sigma_w: Any, beta: Any, root: Any, rest: Any) -> tuple[Any, Any]:
        return roots.layer(dual, sigma_w, beta, root, rest)

    try:
        return compiled.record_rows(formula)
    except (AttributeError, TypeError):
        return None  # it asks of rows what symbols do not have
