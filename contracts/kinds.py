"""What every kind of computation tells the rest of the house. The registry of kinds is `contracts/registry.py`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from contracts.plan import Plan, References
from contracts.settings import Settings


class Asked(BaseModel):
    """A value that a client sends: nothing is coerced, nothing unknown is passed over, no number is NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Spec(Asked, ABC):
    """What a client asks of one kind of job; its JSON, made explicit, is the job's identity."""

    kind: ClassVar[str]

    def datasets(self) -> dict[str, str]:
        """Datasets that the spec names: JSON pointer → id."""
        return {}

    def jobs(self) -> dict[str, str]:
        """Jobs whose result the spec needs: JSON pointer → id."""
        return {}

    @property
    def waits(self) -> bool:
        """Whether it may wait for a job that has not finished; refused otherwise."""
        return True

    def explicit(self) -> dict[str, Any]:
        """The spec as JSON with every default filled in."""
        return self.model_dump(mode="json")

    def inspect(self, load: Callable[[str, str], Any]) -> None:
        """Look at what the plan cannot see; raises ProblemError naming the field that does not fit it.

        load: (dataset, name of an array) → its entries, n×k.
        """

    @abstractmethod
    def plan(self, references: References, limits: Settings) -> Plan:
        """Arrays, parts and cost; raises ProblemError naming the field that does not fit what it refers to."""
