"""The Prefer header (RFC 7240): a preference that is not understood is passed over."""

from api.waiting import MOST_SECONDS


def wait_seconds(prefer: str) -> float | None:
    """The seconds of `wait=N`, at most a minute; None where the client does not ask to wait."""
    for preference in prefer.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        digits = value.strip().strip('"')
        if name.strip().lower() == "wait" and digits.isascii() and digits.isdigit():
            return min(float(digits), MOST_SECONDS)
    return None
