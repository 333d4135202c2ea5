"""A tile of pairs on its way through a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntk_engine import compiled

if TYPE_CHECKING:
    from ntk_engine.compiled import Stage
    from ntk_engine.infinite.recursion import Pairs


class Tile:
    """Pairs of inputs, and the compiled stages that wait for them.

    These are run when the pairs are asked for, or at the end: one after another on rows that stay in cache, so that a
    tile goes to memory once, not once a stage.
    """

    def __init__(self, pairs: Pairs, begin: Stage | None = None) -> None:
        """begin: the stage that makes the pairs, for which `pairs` is but the room."""
        self._pairs = pairs
        self._waiting = [] if begin is None else [begin]
        self._made = begin is None
        self.single = False
        """Whether layers may be taken in float32."""

    @property
    def pairs(self) -> Pairs:
        """ρ, gap and τ after all stages."""
        if self._waiting:
            compiled.run(self._waiting, self._pairs, whole=True)
            self._waiting, self._made = [], True
        return self._pairs

    @pairs.setter
    def pairs(self, after: Pairs) -> None:
        self._pairs, self._waiting, self._made = after, [], True

    @property
    def compilable(self) -> bool:
        """Whether stages can take it: on the CPU, and nobody differentiates it."""
        rho = self._pairs.rho
        return rho.device.type == "cpu" and rho.ndim == 2 and not rho.requires_grad

    def then(self, stage: Stage) -> None:
        """Add a stage."""
        self._waiting.append(stage)

    def end(self, stage: Stage) -> None:
        """Run all stages, and this one last; the pairs themselves are lost."""
        compiled.run([*self._waiting, stage], self._pairs, whole=self._made)
