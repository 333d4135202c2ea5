"""Prepared inputs are kept while there is room for them."""

import torch

from ntk_engine.infinite import Rows, rows
from worker.prepared import PreparedRows

X = torch.arange(12, dtype=torch.float64).reshape(4, 3)
# Scaled rows, and three numbers a row.
BYTES = 8 * (12 + 3 * 4)


def test_what_fits_is_made_once_and_the_least_recently_used_goes_first() -> None:
    prepared, made = PreparedRows(), list[str]()

    def get(name: str) -> Rows:
        def make() -> Rows:
            made.append(name)
            return rows(X)

        return prepared.get(name, make, 2 * BYTES)

    for name in ("a", "b", "a", "c", "a", "b"):
        assert torch.equal(get(name).scaled, rows(X).scaled)
    assert made == ["a", "b", "c", "b"]
    prepared.clear()
    get("b")
    assert made == ["a", "b", "c", "b", "b"]


def test_what_does_not_fit_is_made_each_time() -> None:
    prepared, made = PreparedRows(), list[int]()
    for k in range(2):
        found = prepared.get("a", lambda k=k: made.append(k) or rows(X), BYTES - 1)
        assert len(found) == 4
    assert made == [0, 1]


def test_what_a_network_makes_of_rows_is_not_kept() -> None:
    prepared = PreparedRows()
    first = prepared.get("a", lambda: rows(X), BYTES)
    first.kept["layer"] = (X, X)
    first.profiles["network"] = None
    second = prepared.get("a", lambda: rows(X), BYTES)
    assert not second.kept
    assert not second.profiles
    assert second.scaled is first.scaled
