"""Random functions in place of a kernel (Section 3.1): f_θ = (1/√P) Σ_p θ_p f^{(p)}, whose tangent kernel is K_P."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contracts.drawn import SECONDS_PER_CALLED_LAYER, SECONDS_PER_NEURON, SECONDS_PER_NUMBER, drawn
from contracts.kinds import Asked
from contracts.monte_carlo import SECONDS_PER_PRODUCT
from contracts.plan import SECONDS_PER_FLOP
from contracts.settings import Settings
from contracts.spec_types import Seed, rising
from contracts.tiling import Matrix

MOST_FUNCTIONS, MOST_COUNTS = 10**7, 100


class RandomFunctions(Asked):
    """K_P = (1/P) Σ_p f^{(p)} ⊗ f^{(p)} for the first P functions of a seed, for every P in `counts`."""

    counts: Annotated[list[Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)]], AfterValidator(rising)] = Field(
        min_length=1, max_length=MOST_COUNTS, description="P, rising; the prediction itself is made with the last"
    )
    of: Literal["gaussian", "networks"] = Field(
        "gaussian", description="draws of a Gaussian process of covariance K; or outputs of networks, for K = Σ"
    )
    width: Annotated[int, Field(ge=1, le=10**4)] = Field(512, description="of networks' layers that name none")
    seed: Seed = 0

    def seconds(self, matrix: Matrix | None, points: int, trained_on: int, limits: Settings) -> float:
        """Of drawing the functions and of their products; matrix: of networks, which raise ProblemError as `drawn`."""
        if self.of == "gaussian":
            each = points * SECONDS_PER_NUMBER + 2.0 * points * points * SECONDS_PER_FLOP
        else:
            assert matrix is not None
            parameters, neurons, _, layers = drawn(matrix, self.width, None, limits)
            row = parameters * SECONDS_PER_PRODUCT + neurons * SECONDS_PER_NEURON
            each = parameters * SECONDS_PER_NUMBER + layers * SECONDS_PER_CALLED_LAYER + points * row
        return self.counts[-1] * (each + 2.0 * points * trained_on * SECONDS_PER_FLOP)
