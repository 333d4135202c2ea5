"""Files that call themselves .npy: each is refused with the reason, none is unpickled or read whole."""

import io
import pickle
import struct

import numpy as np
import pytest


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def header(text, version=1, length=None):
    data = text.encode("latin1")
    length = len(data) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", length) + data


def declared(shape="(2, 3)", descr="'<f8'", order="False", values=b"\0" * 48):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}") + values


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the upload was unpickled",))


def test_objects_are_never_unpickled(upload_refused):
    problem = upload_refused(npy(np.array([Bomb()], dtype=object), allow_pickle=True), "x.npy")
    assert (problem.status, problem.errors[0].pointer) == (422, "/file")
    assert "never unpickled" in problem.detail


@pytest.mark.parametrize("filename", ["x.npy", "x.npz", "x.csv", "x.idx", "x.pkl"])
def test_a_pickle_is_refused_under_any_name(upload_refused, filename):
    assert upload_refused(pickle.dumps(Bomb()), filename).type == "/problems/unreadable-upload"


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.ones((2, 2), complex), "complex128"),
        (np.array([["a", "b"]]), "U1"),
        (np.array([[b"a"]]), "S1"),
        (np.array([["2020-01-01"]], "M8[D]"), "datetime64"),
        (np.zeros(3, [("a", "f8"), ("b", "i4")]), "not real numbers"),
        (np.zeros(3, "V8"), "not real numbers"),
        (np.ones((2, 2), np.longdouble), "not real numbers"),
        (np.array(1.0), "0 axes"),
        (np.ones((1, 1, 1, 1, 1)), "5 axes"),
        (np.ones((0, 3)), "holds nothing: its shape is 0×3"),
        (np.ones((3, 0)), "holds nothing: its shape is 3×0"),
        (np.ones((1, 2**20 + 1), np.uint8), "rows of 1,048,577 numbers"),
    ],
)
def test_arrays_that_are_no_dataset(upload_refused, array, says):
    problem = upload_refused(npy(array), "x.npy")
    assert problem.status == 422
    assert says in problem.detail


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f2"])
def test_the_first_row_that_is_not_finite_is_named(upload_refused, value, order, dtype):
    x = np.zeros((5000, 3), dtype=dtype, order=order)
    x[[1234, 3000], [2, 0]] = value
    problem = upload_refused(npy(x), "x.npy")
    assert problem.type == "/problems/unreadable-upload"
    assert "row 1,234, counted from 0" in problem.detail


def test_the_row_is_counted_across_blocks(upload_refused):
    x = np.zeros((2**20, 1))
    x[-1] = np.nan
    assert "row 1,048,575," in upload_refused(npy(x), "x.npy").detail


@pytest.mark.parametrize("cut", [1, 7, 8, 48, 1000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_truncated_file_is_refused(upload_refused, cut, order):
    data = npy(np.ones((50, 3), order=order))
    assert upload_refused(data[:-cut], "x.npy").type == "/problems/unreadable-upload"


@pytest.mark.parametrize("size", [6, 7, 8, 9, 10, 11, 60, 127])
def test_a_file_that_ends_in_its_header_is_refused(upload_refused, size):
    assert upload_refused(npy(np.ones((50, 3)))[:size], "x.npy").type == "/problems/unreadable-upload"


def test_trailing_bytes_are_refused(upload_refused):
    assert "1,208 follow it" in upload_refused(npy(np.ones((50, 3))) + b"12345678", "x.npy").detail


@pytest.mark.parametrize(
    "data",
    [
        header(""),
        header("{'descr': '<f8'}"),
        header("[1, 2]"),
        header("__import__('os').getcwd()"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), 'more': 1}"),
        header("(" * 9_000),
        header("-" * 9_000 + "1"),
        header("\0" * 100),
        declared(descr="'O'"),
        declared(descr="'|O8'"),
        declared(descr="'<f3'"),
        declared(descr="'nonsense'"),
        declared(descr="('<f8', (3,))", shape="(2,)"),
        declared(descr="'<U100000000'"),
        declared(descr="[('a', '<f8'), ('a', '<f8')]"),
        declared(shape="(-2, -3)"),
        declared(shape="(2.0, 3)"),
        declared(shape="2"),
        declared(shape="'23'"),
        declared(shape="(2, 4)"),
        declared(shape="(2, 2)"),
        declared(shape=f"({10**400}, {10**400}, {10**4000})"),
        declared(shape=f"({2**62}, 4)"),
        declared(order="1"),
        b"\x93NUMPY\x09\x00" + b"\0" * 100,
        b"\x93NUMPY\x01",
    ],
    ids=range(26),
)
def test_headers_that_lie_or_make_no_sense(upload_refused, data):
    assert upload_refused(data, "x.npy").status in {413, 422}


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_of_gigabytes_is_refused_unread(upload_refused, version):
    problem = upload_refused(header("{", version, length=2**32 - 1), "x.npy")
    assert "declares a header of 4,294,967,295 bytes" in problem.detail


def test_the_file_has_a_limit(upload_refused):
    problem = upload_refused(npy(np.ones((50, 3))), "x.npy", limit=1000)
    assert (problem.status, problem.errors[0].pointer) == (413, "/file")
    assert "1,000" in problem.detail


def test_what_it_unpacks_to_has_a_limit(upload_refused):
    # 3,000 bytes of uint8 fit; as float64 they are 24,000.
    problem = upload_refused(npy(np.ones((1000, 3), np.uint8)), "x.npy", limit=20_000)
    assert problem.status == 413
    assert "20,000" in problem.detail


def test_a_limit_that_just_fits(upload):
    data = npy(np.ones((1000, 3)))
    assert upload(data, "x.npy", limit=len(data))[1].shape == (1000, 3)


@pytest.mark.parametrize(
    ("data", "filename", "says"),
    [
        (b"", "x.npy", "empty"),
        (b"1,2\n3,4", "x.npy", "does not begin like a file of npy"),
        (b"1,2\n3,4", "data", "no known format"),
        (b"%PDF-1.7", "paper.pdf", "no known format"),
        (npy(np.eye(2)), "x.csv", "name says csv, and its content npy"),
        (npy(np.eye(2)), "x.npz", "name says npz, and its content npy"),
        (npy(np.eye(2)), "x.idx.gz", "name says IDX, and its content npy"),
    ],
)
def test_name_and_content_must_agree(upload_refused, data, filename, says):
    problem = upload_refused(data, filename)
    assert problem.type == "/problems/unreadable-upload"
    assert says in problem.detail
