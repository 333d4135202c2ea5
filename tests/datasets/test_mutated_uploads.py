"""Sound files with bytes changed: read or refused, never anything else."""

import gzip
import io
import struct
import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.problems import ProblemError
from datasets.uploads.upload import read_upload

X = np.random.default_rng(0).standard_normal((20, 3))


def written(save, *args, **members):
    file = io.BytesIO()
    save(file, *args, **members)
    return file.getvalue()


IDX = struct.pack(">BBBB3I", 0, 0, 8, 3, 5, 2, 2) + bytes(range(20))
SOUND = [
    ("x.npy", written(np.save, X)),
    ("x.npy", written(np.save, np.asfortranarray(X))),
    ("x.npz", written(np.savez, x=X, y=X[:, 0])),
    ("x.npz", written(np.savez_compressed, x=X, y=X[:, 0])),
    ("x.csv", b'a,b,y\n1,2,3\n4,"5",6\n'),
    ("x.idx", IDX),
    ("x.idx.gz", gzip.compress(IDX)),
]
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8), st.integers(0, 8)), max_size=6)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(SOUND), CHANGES)
def test_a_changed_file_is_read_or_refused(sound, changes):
    filename, data = sound
    for where, new, removed in changes:
        at = int(where * len(data))
        data = data[:at] + new + data[at + removed :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy remarks on headers of Python 2
        try:
            with read_upload(io.BytesIO(data), filename, limit=2**20) as content:
                assert np.isfinite(content.x.array()).all()
        except ProblemError as refused:
            assert refused.problem.status in {413, 422}
            assert refused.problem.errors
