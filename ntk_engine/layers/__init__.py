"""The registry of layers: a family is one file here, and its name in `AnyLayer`."""

from typing import get_args

from ntk_engine.layers.activation import Nonlinearity
from ntk_engine.layers.base import Layer, Layers
from ntk_engine.layers.dense import Dense
from ntk_engine.layers.dropout import Dropout
from ntk_engine.layers.flatten import Flatten
from ntk_engine.layers.identity import Identity
from ntk_engine.layers.layer_norm import LayerNorm
from ntk_engine.layers.parallel import Parallel
from ntk_engine.layers.residual import Residual
from ntk_engine.layers.scale import Scale
from ntk_engine.layers.serial import Serial

__all__ = [
    "LAYERS",
    "AnyLayer",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "Layer",
    "LayerNorm",
    "Layers",
    "Nonlinearity",
    "Parallel",
    "Residual",
    "Scale",
    "Serial",
]

AnyLayer = Dense | Nonlinearity | Residual | Parallel | Serial | LayerNorm | Dropout | Scale | Identity | Flatten

LAYERS: dict[str, type[AnyLayer]] = {family.type: family for family in get_args(AnyLayer)}
