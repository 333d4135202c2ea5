"""An uploaded column of class labels, encoded by name."""

import numpy as np

from contracts.problems import INVALID_REQUEST
from datasets.labels import Classes, EncodingModel
from datasets.rows import Rows, rows_per_block
from datasets.uploads.refusals import Budget
from datasets.uploads.spool import Spool

MAX_CLASSES = 10_000


def encode(y: Rows, encoding: EncodingModel, into: Spool, budget: Budget) -> None:
    """Write the targets n×k of the labels y (n×1); the classes are the different labels that occur, rising.

    Raises ProblemError (INVALID_REQUEST, /labels) where y is not one column of whole numbers.
    """
    known = _classes(y)
    classes = Classes(known, known)
    encoding.check(classes)
    columns = encoding.columns(classes)
    budget.take(y.shape[0] * columns * 8, "/labels")
    step = rows_per_block((y.shape[0], columns))
    for block in y:
        labels = block[:, 0].astype(np.int64)
        for start in range(0, len(labels), step):
            into.write(encoding.encode(labels[start : start + step], classes))


def _classes(y: Rows) -> tuple[int, ...]:
    if y.shape[1] != 1:
        raise INVALID_REQUEST.error(f"labels are one column, and y has {y.shape[1]:,}", "/labels")
    known = np.empty(0)
    for block in y:
        if not ((block == np.rint(block)) & (np.abs(block) < 2**53)).all():
            raise INVALID_REQUEST.error("labels are whole numbers, and y holds others", "/labels")
        known = np.union1d(known, block)
        if len(known) > MAX_CLASSES:
            detail = f"y holds more than {MAX_CLASSES:,} different labels"
            raise INVALID_REQUEST.error(detail, "/labels")
    return tuple(int(label) for label in known)
