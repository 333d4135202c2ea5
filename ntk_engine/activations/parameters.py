"""Checks of what a user writes for an activation's parameters; each gives the value in one canonical form."""

from __future__ import annotations

import sys


def number(name: str, value: object) -> float:
    """A finite number, as a float without −0. Raises ValueError."""
    # Compared and not converted: an integer may be too large for a float.
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return float(value) + 0.0


def integer(name: str, value: object, least: int, most: int) -> int:
    """An integer from `least` to `most`. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {value!r}")
    return value
