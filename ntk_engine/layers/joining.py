"""Where branches meet: what their neurons are together, and which branches can meet.

Sums add covariances and products multiply them, where the branches are independent given what entered them and, for
sums, where of any two one has mean zero. Side by side, covariances are averaged with the branches' shares.
"""

from collections.abc import Sequence
from math import gcd
from typing import Literal

from ntk_engine.fields import Faults
from ntk_engine.layers.signal import SOME_WIDTH, Law, Signal

Combine = Literal["sum", "product", "concatenate"]

RAW = (
    "every branch needs a dense layer between the network's inputs and its end, because the inputs do not widen with"
    " the network"
)
DEPENDENT = (
    "only one branch of a {} may pass on what enters it without a dense layer of its own, because covariances {} only"
    " where branches are independent"
)
MEANS = (
    "only one branch of a sum may end in an activation or the like, because two means other than zero would add to the"
    " covariance"
)
MIXED = "only one factor of a product may be concatenated, because neurons of unlike laws would be multiplied in pairs"
MASKS = (
    "only one factor of a product may have dropped inputs before it, because the mean of a product over the masks is"
    " not the product of the means"
)
UNEQUAL = "the branches of a {} must be equally wide, not {}"
SOME_WIDTHS = (
    "branches that are concatenated need the widths of all or of none of them, or else `weights`, because their shares"
    " of the neurons follow from that"
)


def join(combine: Combine, before: Signal, ends: Sequence[Signal], places: Sequence[Faults]) -> Signal:
    """The neurons where branches meet that all began with those `before`.

    ends: the neurons at the branches' ends; places: the collectors of their faults, one for each.
    """
    _look(combine, ends, places)
    return Signal(
        law=_law(combine, [end.law for end in ends]),
        raw=False,
        own=before.own or all(end.own for end in ends),
        dropped=any(end.dropped for end in ends),
        mixed=combine == "concatenate" or any(end.mixed for end in ends),
        width=width([end.width for end in ends], combine),
    )


def shares(widths: Sequence[int | None], weights: Sequence[int] | None = None) -> tuple[int, ...]:
    """The branches' shares of concatenated neurons, in lowest terms: the weights, or the widths, or all equal."""
    known = [width for width in widths if width is not None]
    given = weights or (known if len(known) == len(widths) else [1] * len(widths))
    divisor = gcd(*given)
    return tuple(share // divisor for share in given)


def width(widths: Sequence[int | None], combine: Combine) -> int | None:
    """The neurons where branches of these widths meet, where they are known."""
    known = [width for width in widths if width is not None]
    if combine != "concatenate":
        return max(known, default=None)  # they are equal
    if SOME_WIDTH in known:
        return SOME_WIDTH
    return sum(known) if len(known) == len(widths) else None


def _law(combine: Combine, laws: list[Law]) -> Law:
    if combine == "sum":
        return min(laws)
    # A product is not Gaussian, and has mean zero where one independent factor has.
    return min(Law.CENTRED, max(laws) if combine == "product" else min(laws))


def _look(combine: Combine, ends: Sequence[Signal], places: Sequence[Faults]) -> None:
    met = list(zip(ends, places, strict=True))
    for end, place in met:
        if end.raw:
            place.add(RAW)
    met = [(end, place) for end, place in met if not end.raw]
    if combine == "concatenate":
        return
    dependent = [place for end, place in met if not end.own][1:]
    for place in dependent:
        place.add(DEPENDENT.format(combine, "add" if combine == "sum" else "multiply"))
    met = [(end, place) for end, place in met if place not in dependent]
    for place in [place for end, place in met if (end.law == Law.ANY if combine == "sum" else end.mixed)][1:]:
        place.add(MEANS if combine == "sum" else MIXED)
    if combine == "product":
        for place in [place for end, place in met if end.dropped][1:]:
            place.add(MASKS)
    _look_at_widths(combine, met)


def _look_at_widths(combine: Combine, met: Sequence[tuple[Signal, Faults]]) -> None:
    known = [(end.width, place) for end, place in met if end.width]
    for width, place in known[1:]:
        if width != known[0][0]:
            place.add(UNEQUAL.format(combine, f"{known[0][0]} and {width}"))
