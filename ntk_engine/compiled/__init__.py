"""Layer formulas as machine code: recorded once, written as C++, compiled for this processor and kept on disk.

The code depends on a family's formulas and not on any number of a network, so one build serves every architecture of
that family, of every depth, in every process of this machine.
"""

from ntk_engine.compiled.calls import (
    Layers,
    Passes,
    ProfilePass,
    SeriesLayer,
    layers,
    passes,
    profile_pass,
    series_layer,
)
from ntk_engine.compiled.library import CompilerError, build, folder
from ntk_engine.compiled.source import layers_source, series_source

__all__ = [
    "CompilerError",
    "Layers",
    "Passes",
    "ProfilePass",
    "SeriesLayer",
    "build",
    "folder",
    "layers",
    "layers_source",
    "passes",
    "profile_pass",
    "series_layer",
    "series_source",
]
