"""Target functions. This union is the registry; `type` picks the member."""

from typing import Annotated

from pydantic import Field

from datasets.targets.functions import Constant, Cosine, First, Norm, Product, Sign, Sine, Square
from datasets.targets.given import InlineTargets, Noise

Targets = Annotated[
    First | Product | Square | Norm | Sign | Sine | Cosine | Constant | Noise | InlineTargets,
    Field(discriminator="type"),
]
