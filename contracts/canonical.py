"""Canonical JSON and its digest: equal values have equal bytes, on every machine."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, floats as their shortest repr, no NaN.

    Raises ValueError where `value` holds a number that JSON cannot.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
