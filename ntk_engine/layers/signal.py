"""What is known of a network's neurons between two layers, in the limit of infinite width."""

from dataclasses import dataclass
from enum import IntEnum


class Law(IntEnum):
    """The law of one neuron over the draw of the parameters, each kind one of those before it."""

    ANY = 0
    CENTRED = 1
    """Its mean is zero."""
    GAUSSIAN = 2
    """Centred, and jointly Gaussian over the inputs: preactivations."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The neurons at one place of the network; as made, the network's inputs."""

    law: Law = Law.ANY
    raw: bool = True
    """No dense layer came yet: as many neurons as the inputs have dimensions, however wide the network."""
    own: bool = False
    """Independent, given the inputs' kernels, of what entered the innermost branch: a dense layer came since."""
    dropped: bool = False
    """Inputs were dropped: given the masks, all is as said here; over them it is a mixture of such laws."""
    mixed: bool = False
    """Neurons of different laws side by side: concatenated, and no dense layer came since."""
    width: int | None = None
    """How many neurons there are, where a layer said it."""


SOME_WIDTH = 0
"""The width after a layer that could not be read: there may be one, and nothing is held against it."""
