"""Pixel scalings by name: how the bytes of images become float64."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Scale = Literal["unit", "raw", "centered", "standard", "image_standard"]


def unit(pixels: Float, top: int) -> Float:
    """p/top, in [0, 1]; the paper's pixels/255."""
    return pixels / top


def raw(pixels: Float, top: int) -> Float:  # noqa: ARG001
    """p, in [0, top]."""
    return pixels


def centered(pixels: Float, top: int) -> Float:
    """p/top minus its mean, one number over all pixels of all selected images."""
    scaled = pixels / top
    scaled -= scaled.mean()
    return scaled


def standard(pixels: Float, top: int) -> Float:
    """Centered, over its standard deviation, again one number over all pixels of all selected images."""
    shifted = centered(pixels, top)
    return shifted / (shifted.std() or 1.0)


def image_standard(pixels: Float, top: int) -> Float:
    """Each image by itself to mean 0 and variance 1 (Lee et al. 2018); an image of one colour to zeros."""
    axes = tuple(range(1, pixels.ndim))
    shifted = pixels / top
    shifted -= shifted.mean(axis=axes, keepdims=True)
    spread = shifted.std(axis=axes, keepdims=True)
    flat = np.ptp(pixels, axis=axes, keepdims=True) == 0
    return np.where(flat, 0.0, shifted / np.where(flat, 1.0, spread))


SCALES: dict[Scale, Callable[[Float, int], Float]] = {
    "unit": unit,
    "raw": raw,
    "centered": centered,
    "standard": standard,
    "image_standard": image_standard,
}
