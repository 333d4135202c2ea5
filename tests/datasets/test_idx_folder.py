"""MNIST's IDX files in a folder of the operator's."""

import gzip
import struct

import numpy as np
import pytest

from contracts.problems import ProblemError
from contracts.settings import Settings
from datasets.request import DatasetRequest

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8)[::-1] % 10


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def fill(folder, prefix="train", dot="-", pack=lambda data: data, suffix="", pixels=PIXELS, labels=LABELS):
    (folder / f"{prefix}-images{dot}idx3-ubyte{suffix}").write_bytes(pack(idx(pixels)))
    (folder / f"{prefix}-labels{dot}idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


def build(folder, **fields):
    body = {"source": {"type": "mnist", "first": 20, "scale": "raw", **fields}, "labels": "index"}
    return DatasetRequest.model_validate(body).build(Settings(mnist_dir=folder))


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize(("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz")])
def test_the_files_are_read_in_their_order(tmp_path, dot, pack, suffix):
    fill(tmp_path, dot=dot, pack=pack, suffix=suffix)
    content = build(tmp_path)
    assert np.array_equal(content.x.array()[..., 0], PIXELS[:20])
    assert np.array_equal(content.y.array()[:, 0], LABELS[:20])
    assert content.provenance.startswith("IDX files: train-images")


def test_train_and_test_are_different_files(tmp_path):
    fill(tmp_path)
    fill(tmp_path, prefix="t10k", pixels=255 - PIXELS)
    assert np.array_equal(build(tmp_path, split="test").x.array()[..., 0], 255 - PIXELS[:20])


def breaks(folder, refused, **fields):
    with pytest.raises(ProblemError) as caught:
        build(folder, **fields)
    assert caught.value.problem.errors[0].pointer == "/source/split"
    assert refused in caught.value.problem.detail
    assert str(folder) not in caught.value.problem.detail  # a path of the server's is not for its users


def test_a_missing_file_is_named(tmp_path):
    fill(tmp_path)
    breaks(tmp_path, "no t10k-images-idx3-ubyte", split="test")


@pytest.mark.parametrize("cut", [2, 10, 100])
def test_a_file_that_is_cut_short_is_named(tmp_path, cut):
    fill(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(PIXELS)[:cut])
    breaks(tmp_path, "train-images-idx3-ubyte")


def test_unequal_lengths_are_refused(tmp_path):
    fill(tmp_path, labels=LABELS[:-1])
    breaks(tmp_path, "30 images")


def test_labels_beyond_nine_are_refused(tmp_path):
    fill(tmp_path, labels=LABELS + np.uint8(1))
    breaks(tmp_path, "not digits")


def test_another_number_of_axes_is_refused(tmp_path):
    fill(tmp_path, pixels=PIXELS.reshape(30, 784))
    breaks(tmp_path, "3 axes")
