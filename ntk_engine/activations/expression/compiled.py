"""From what a user writes to programs: read, looked through and differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ntk_engine.activations.base import Facts
from ntk_engine.activations.expression import nature, survey
from ntk_engine.activations.expression.derivative import differentiate
from ntk_engine.activations.expression.kinks import MAX_KINKS, find, is_piecewise_affine
from ntk_engine.activations.expression.parser import parse
from ntk_engine.activations.expression.program import Program
from ntk_engine.activations.expression.recording import Recording, probes
from ntk_engine.activations.expression.syntax import text
from ntk_engine.activations.parameters import number


class Compiled(NamedTuple):
    """What an expression comes to."""

    text: str
    kinks: tuple[float, ...]
    value: Program
    derivative: Program
    bends: tuple[float, ...]
    """The kinks at which there is no derivative."""
    odd: bool
    affine: bool
    """Between the kinks."""
    facts: Facts


@np.errstate(all="ignore")
def compile_expression(source: object, kinks: object) -> Compiled:
    """The programs of σ and σ', with all kinks in rising order. Raises ValueError for what cannot be an activation."""
    if not isinstance(source, str):
        raise ValueError(f'expression must be a text such as "z * tanh(softplus(z))", not {source!r:.80}')
    tree = parse(source)
    named = _named(kinks)
    found = find(tree)
    recording = Recording(tree, probes(_merged(found.kinks, named)))
    survey.check_divisors(recording)
    exact = survey.exact_kinks(recording, found.unknown, sorted(found.kinks), named)
    everything = _merged(found.kinks, exact)
    if exact != tuple(sorted(named)):
        recording = Recording(tree, probes(everything))
        survey.check_divisors(recording)
    value = recording.steps.program(recording.result)
    slope = differentiate(recording.steps, recording.result, frozenset(recording.variables))
    derivative = recording.steps.program(slope)
    reach = survey.check_finite(value, derivative, recording.values[0])
    jumps, bends = nature.corners(everything, value, derivative)
    if jumps.size:
        raise ValueError(f"expression jumps at z = {jumps[0]:.6g}, where its tangent kernel would be infinite")
    facts = Facts(
        formula=text(tree),
        description="An expression in z.",
        polynomial=nature.is_polynomial(tree),
        homogeneous=nature.is_homogeneous(value),
        smoothness="C^0" if bends.size else "C^1" if everything else "C^inf",
        closed_form=False,
        domain=f"inputs for which |z| > {reach:.3g} has no part in an expectation",
    )
    ends, odd, affine = tuple(bends.tolist()), nature.is_odd(value), is_piecewise_affine(tree, everything)
    return Compiled(text(tree), everything, value, derivative, ends, odd, affine, facts)


def _named(kinks: object) -> tuple[float, ...]:
    if not isinstance(kinks, Sequence) or isinstance(kinks, str | bytes):
        raise ValueError(f"kinks must be a list of numbers, not {kinks!r:.80}")
    return tuple({number(f"kinks[{index}]", kink) for index, kink in enumerate(kinks)})


def _merged(found: frozenset[float], named: Sequence[float]) -> tuple[float, ...]:
    """All kinks in rising order; a named one that is a found one but for rounding is left out."""
    own = [k for k in named if all(abs(k - f) > survey.SAME * max(1.0, abs(f)) for f in found)]
    merged = tuple(sorted({*found, *own}))
    if len(merged) > MAX_KINKS:
        raise ValueError(f"kinks may be {MAX_KINKS}, with those that need no name, not {len(merged)}")
    return merged
