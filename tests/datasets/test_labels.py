"""Label encodings of built-in sets and of uploads."""

import io

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from datasets.labels import Encoding
from datasets.request import DatasetRequest

ENCODING = TypeAdapter(Encoding)
DIGITS = {"type": "digits", "range": [5, 35]}


def encoded(build, labels, **fields):
    return build({**DIGITS, **fields}, labels=labels).y.array()


@pytest.fixture
def digits(build):
    return encoded(build, "index")[:, 0]


def test_one_hot_always_has_ten_columns(build, digits):
    y = encoded(build, "one_hot")
    assert np.array_equal(y, np.eye(10)[digits.astype(int)])
    assert encoded(build, "one_hot", classes=[3, 8]).shape == (30, 10)


def test_one_hot_centered_is_one_hot_minus_a_tenth(build, digits):
    y = encoded(build, "one_hot_centered")
    assert np.array_equal(y, np.where(np.eye(10)[digits.astype(int)] == 1, 0.9, -0.1))


def test_plus_minus_one_of_two_classes(build):
    labels = encoded(build, "index", classes=[8, 3])
    y = encoded(build, "plus_minus_one", classes=[8, 3])
    assert np.array_equal(y, np.where(labels == 8, 1.0, -1.0))


def test_plus_minus_one_by_a_rule(build, digits):
    y = encoded(build, {"type": "plus_minus_one", "positive": [5, 6, 7, 8, 9]})
    assert np.array_equal(y[:, 0], np.where(digits >= 5, 1.0, -1.0))


@pytest.mark.parametrize("nothing", [None, "none"])
def test_no_labels(build, nothing):
    assert build(DIGITS, labels=nothing).y is None


def test_a_name_and_its_object_are_the_same_dataset(build):
    assert build(DIGITS, labels="one_hot").id == build(DIGITS, labels={"type": "one_hot"}).id


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [("plus_minus_one", "/labels"), ({"type": "plus_minus_one", "positive": [1, 12]}, "/labels/positive/1")],
)
def test_classes_that_do_not_fit_are_refused(build_refused, labels, pointer):
    problem = build_refused(DIGITS, labels=labels)
    assert (problem.status, problem.errors[0].pointer) == (422, pointer)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"source": {"type": "circle", "points": 3}, "labels": "one_hot"}, "has no labels"),
        ({"source": DIGITS, "labels": "one_hot", "targets": {"type": "x1"}}, "not both"),
        ({"source": DIGITS, "labels": "two_hot"}, "one_hot"),
        ({"source": DIGITS, "labels": 3}, "valid dictionary"),
    ],
)
def test_labels_that_cannot_be_are_refused(body, says):
    with pytest.raises(ValidationError) as caught:
        DatasetRequest.model_validate(body)
    (error,) = caught.value.errors()
    assert error["loc"] == ("labels",)
    assert says in error["msg"]


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float64, np.bool_])
def test_uploaded_labels_are_encoded_over_the_classes_that_occur(upload, dtype):
    data = npz(x=np.eye(4), y=np.array([1, 0, 0, 1], dtype=dtype))
    _, _, hot = upload(data, "a.npz", labels=ENCODING.validate_python("one_hot"))
    _, _, signs = upload(data, "a.npz", labels=ENCODING.validate_python("plus_minus_one"))
    _, _, plain = upload(data, "a.npz")
    assert np.array_equal(hot, [[0, 1], [1, 0], [1, 0], [0, 1]])
    assert np.array_equal(signs, [[1], [-1], [-1], [1]])
    assert np.array_equal(plain, [[1], [0], [0], [1]])


def test_uploaded_classes_need_not_be_consecutive(upload):
    data = npz(x=np.eye(3), y=np.array([[-5], [700], [3]]))
    _, _, index = upload(data, "a.npz", labels=ENCODING.validate_python("index"))
    assert np.array_equal(index, [[0], [2], [1]])


def test_an_encoding_wider_than_a_block_is_written_in_pieces(upload):
    y = np.arange(3000) % 500
    data = npz(x=np.zeros((3000, 1)), y=y)
    _, _, hot = upload(data, "a.npz", labels=ENCODING.validate_python("one_hot"))
    assert np.array_equal(hot, np.eye(500)[y])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "holds no y"),
        ({"y": np.array([0.5, 1, 2])}, "whole numbers"),
        ({"y": np.array([1e300, 1, 2])}, "whole numbers"),
        ({"y": np.eye(3)}, "one column"),
        ({"y": np.array([1, 1, 1])}, "two classes"),
    ],
)
def test_uploads_whose_labels_cannot_be_encoded(upload_refused, arrays, says):
    problem = upload_refused(npz(x=np.eye(3), **arrays), "a.npz", labels=ENCODING.validate_python("plus_minus_one"))
    assert (problem.status, problem.errors[0].pointer) == (422, "/labels")
    assert says in problem.detail


def test_too_many_classes_are_refused(upload_refused):
    data = npz(x=np.zeros((10_001, 1)), y=np.arange(10_001))
    problem = upload_refused(data, "a.npz", labels=ENCODING.validate_python("index"))
    assert "10,000 different labels" in problem.detail


def test_an_encoding_without_room_is_refused(upload_refused):
    data = npz(x=np.zeros((3000, 1)), y=np.arange(3000))
    problem = upload_refused(data, "a.npz", labels=ENCODING.validate_python("one_hot"))
    assert (problem.status, problem.errors[0].pointer) == (413, "/labels")
