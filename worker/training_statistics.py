"""Statistics over all networks of a training job, of what they recorded in some steps."""

import warnings
from collections.abc import Iterator, Mapping
from math import prod

import numpy as np

from contracts.training_plan import STATISTICS
from contracts.trainings import TrainingSpec
from storage import arrays
from storage.arrays import Numbers, Stored, TileData
from worker.context import Context


def statistics(
    context: Context, spec: TrainingSpec, stored: Mapping[str, Stored], start: int, stop: int
) -> Iterator[TileData]:
    """Mean, variance, standard error and quantiles over the networks that had not ended, step by step."""
    asked = spec.record.asked()
    for name in STATISTICS:
        if name not in asked:
            continue
        inner = prod(stored[name].plan.shape[2:])
        for place, step in enumerate(asked[name].steps(spec.steps)):
            if start <= step < stop or step == stop == spec.steps:
                columns = slice(place * inner, (place + 1) * inner)
                values = arrays.block(context.database, stored[name], slice(0, len(spec.seeds)), columns)
                yield from _of(spec, name, place, values)


def _of(spec: TrainingSpec, name: str, place: int, values: Numbers) -> Iterator[TileData]:
    assert spec.ensemble is not None
    quantiles = spec.ensemble.quantiles
    with warnings.catch_warnings():
        # Of no networks, or of one, there is nothing to tell: NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        variance = np.nanvar(values, axis=0, ddof=1)
        count = np.isfinite(values).sum(axis=0)
        found = {"mean": np.nanmean(values, axis=0), "variance": variance, "standard_error": np.sqrt(variance / count)}
        if quantiles:
            found["quantiles"] = np.nanquantile(values, quantiles, axis=0).reshape(-1)
    for statistic, row in found.items():
        yield TileData(f"{name}_{statistic}", place, 0, row[None], gaps=True)
