"""Layer formulas as machine code: recorded once, written as C++, compiled for this processor and kept on disk.

The code depends on a family's formulas and not on any number of a network, so one build serves every architecture of
that family, of every depth, in every process of this machine.
"""

from ntk_engine.compiled.descents import Descents, Link, Stretch
from ntk_engine.compiled.kinks import kinks
from ntk_engine.compiled.library import CompilerError, build, folder, prepare
from ntk_engine.compiled.pairs import Factors, pairs
from ntk_engine.compiled.points import PointFormula, record_cost, record_pointwise
from ntk_engine.compiled.pointwise import Pointwise
from ntk_engine.compiled.row_recording import RowFormula, record_rows
from ntk_engine.compiled.rows import rows
from ntk_engine.compiled.source import kinks_source, layers_source, profile_source, series_source, table_source
from ntk_engine.compiled.stages import NUMBERS, Stage, layers, profile, series
from ntk_engine.compiled.tables import table
from ntk_engine.compiled.tile import begin, finish, run, squares, tile_source

__all__ = [
    "NUMBERS",
    "CompilerError",
    "Descents",
    "Factors",
    "Link",
    "PointFormula",
    "Pointwise",
    "RowFormula",
    "Stage",
    "Stretch",
    "begin",
    "build",
    "finish",
    "folder",
    "kinks",
    "kinks_source",
    "layers",
    "layers_source",
    "pairs",
    "prepare",
    "profile",
    "profile_source",
    "record_cost",
    "record_pointwise",
    "record_rows",
    "rows",
    "run",
    "series",
    "series_source",
    "squares",
    "table",
    "table_source",
    "tile_source",
]
