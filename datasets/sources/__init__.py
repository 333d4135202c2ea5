"""Sources: generators and built-in sets. This union is the registry; `type` picks the member."""

from typing import Annotated

from pydantic import Field

from datasets.sources.circle import Circle
from datasets.sources.digits import Digits
from datasets.sources.gaussian import Gaussian
from datasets.sources.inline import Inline
from datasets.sources.mnist import Mnist
from datasets.sources.sphere import Sphere

Source = Annotated[Circle | Sphere | Gaussian | Inline | Mnist | Digits, Field(discriminator="type")]
