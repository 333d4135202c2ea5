"""How rarely squares of normal numbers add up to less than is said."""

import math

import pytest
from scipy.stats import chi2

from ntk_engine.chance import least_square


@pytest.mark.parametrize("count", [1, 2, 8, 16, 63])
def test_the_chance_is_that_of_a_sum_of_squares(count: int) -> None:
    least = least_square(count)
    # Of few it is nearly attained; of many the bound leaves e^(−q) out.
    assert 1e-12 * math.exp(-least / 2) * (1 - 1e-9) <= chi2.cdf(least, count) <= 1e-12 * (1 + 1e-9)
