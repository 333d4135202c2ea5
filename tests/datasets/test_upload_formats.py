"""Uploads that are sound: every format, type and memory layout comes out as the same rows."""

import gzip
import io
import struct
import tempfile
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datasets.uploads.upload import read_upload

NUMBERS = np.random.default_rng(0).standard_normal((50, 3))


def npy(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version)
    return file.getvalue()


def npz(save=np.savez, **members):
    file = io.BytesIO()
    save(file, **members)
    return file.getvalue()


def idx(array, code):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def csv(array, delimiter=",", header=None, end="\n"):
    lines = [] if header is None else [header]
    lines += [delimiter.join(repr(float(value)) for value in row) for row in array]
    return end.join(lines).encode()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4"])
def test_npy_keeps_floats_to_the_bit(upload, version, order, dtype):
    given_ = np.array(NUMBERS, dtype=dtype, order=order)
    _, x, y = upload(npy(given_, version), "x.npy")
    assert x.dtype == np.dtype(dtype).newbyteorder("=")
    assert x.tobytes() == given_.astype(x.dtype).tobytes("C")
    assert y is None


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<i2", ">i4", "<u4", ">i8", "<u8", "<f2", ">f2"])
def test_other_numbers_become_float64(upload, dtype):
    given_ = np.array([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    _, x, _ = upload(npy(given_), "x.npy")
    assert x.dtype == np.float64
    assert np.array_equal(x, given_)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((6,), (6, 1)), ((3, 2), (3, 2)), ((3, 2, 5), (3, 2, 5, 1)), ((3, 2, 5, 4), (3, 2, 5, 4)), ((1, 1), (1, 1))],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes(upload, shape, expected, order):
    given_ = np.array(np.arange(np.prod(shape)).reshape(shape), dtype=np.float64, order=order)
    _, x, _ = upload(npy(given_), "x.npy")
    assert x.shape == expected
    assert np.array_equal(x.reshape(shape), given_)


@pytest.mark.parametrize("shape", [(700_000, 2), (3, 500_000), (700, 20, 37, 3), (900, 30, 50)])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "u1"])
def test_fortran_order_over_many_blocks(upload, shape, dtype):
    given_ = np.random.default_rng(0).integers(0, 256, shape).astype(dtype, order="F")
    _, x, _ = upload(npy(given_), "x.npy", limit=2**25)
    assert np.array_equal(x.reshape(shape), given_)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(upload, save, order):
    given_ = np.array(NUMBERS, order=order)
    targets = np.arange(50, dtype=np.float32)
    _, x, y = upload(npz(save, y=targets, x=given_), "data.npz")
    assert np.array_equal(x, NUMBERS)
    assert y.dtype == np.float64
    assert np.array_equal(y, targets[:, None])
    assert upload(npz(save, x=given_), "data.npz")[2] is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_csv(upload, delimiter, end, header, bom):
    data = bom + csv(NUMBERS, delimiter, delimiter.join(["a", "b c", '"d"']) if header else None, end)
    _, x, y = upload(data, "data.CSV")
    assert np.array_equal(x, NUMBERS)
    assert y is None


@pytest.mark.parametrize("name", ["y", "label", "Label", '"y"'])
def test_a_csv_column_may_be_the_target(upload, name):
    _, x, y = upload(csv(NUMBERS, header=f"a,{name},b"), "data.csv")
    assert np.array_equal(x, NUMBERS[:, [0, 2]])
    assert np.array_equal(y, NUMBERS[:, [1]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n2\n3", [[1], [2], [3]]),
        (" 1 , 2\n3,4 ", [[1, 2], [3, 4]]),
        ('"1","-2.5"\n"3e2",.5', [[1, -2.5], [300, 0.5]]),
        ("+1,2.\n-0,1E-3\n\n\n", [[1, 2], [-0.0, 0.001]]),
        ("alpha\n1\n2", [[1], [2]]),
    ],
)
def test_ways_to_write_numbers(upload, text, expected):
    _, x, _ = upload(text.encode(), "x.csv")
    assert np.array_equal(x, expected)


def test_a_csv_of_several_batches(upload):
    table = np.random.default_rng(1).standard_normal((20_000, 4))
    _, x, y = upload(csv(table, header="a,b,c,y"), "x.csv")
    assert np.array_equal(np.hstack([x, y]), table)


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x08, ">u1"), (0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx(upload, code, dtype, pack):
    images = np.arange(60).reshape(5, 4, 3).astype(dtype)
    _, x, _ = upload(pack(idx(images, code)), "images-idx3-ubyte")
    assert x.shape == (5, 4, 3, 1)
    assert x.dtype == (np.float32 if code == 0x0D else np.float64)
    assert np.array_equal(x[..., 0], images)


@pytest.mark.parametrize("filename", ["data", "", "../../etc/x", "x\n\0.npy", "наука.npy"])
def test_any_file_name_will_do_where_the_content_speaks(filename):
    with read_upload(io.BytesIO(npy(NUMBERS)), filename, limit=2**20) as content:
        assert np.array_equal(content.x.array(), NUMBERS)
        assert content.provenance.isprintable()
        assert "/" not in content.provenance


def test_a_spooled_file_and_one_on_disk_read_alike():
    ids = set()
    for make in (io.BytesIO, tempfile.TemporaryFile, partial(tempfile.SpooledTemporaryFile, max_size=10)):
        with make() as file:
            file.write(npz(x=NUMBERS))
            with read_upload(file, "x.npz", limit=2**20) as content:
                ids.add(content.id)
            assert not file.closed
    assert len(ids) == 1


def test_rows_can_be_read_again_and_side_by_side():
    big = np.arange(2**20, dtype=np.float64).reshape(-1, 2)  # 8 MiB, two blocks
    with read_upload(io.BytesIO(npy(big)), "x.npy", limit=2**24) as content:
        pairs = list(zip(content.x, content.x, strict=True))
        assert len(pairs) == 2
        assert all(np.array_equal(first, second) for first, second in pairs)
        assert np.array_equal(np.concatenate([first for first, _ in pairs]), big)


def test_leaving_closes_the_files():
    with read_upload(io.BytesIO(npz(x=NUMBERS, y=NUMBERS)), "x.npz", limit=2**20) as content:
        pass
    for rows in (content.x, content.y):
        with pytest.raises(ValueError, match="closed"):
            rows.array()


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        dtype=st.one_of(arrays.floating_dtypes(sizes=(16, 32, 64)), arrays.integer_dtypes(), arrays.boolean_dtypes()),
        shape=arrays.array_shapes(min_dims=1, max_dims=4, max_side=6),
        elements={"allow_nan": False, "allow_infinity": False},
    )
    | arrays.arrays(dtype=">i4", shape=(3, 2)),
    st.sampled_from(["C", "F"]),
    st.booleans(),
)
def test_what_goes_in_as_npy_comes_out(array, order, zipped):
    array = np.array(array, order=order)
    data = npz(np.savez_compressed, x=array) if zipped else npy(array)
    with read_upload(io.BytesIO(data), "x.npz" if zipped else "x.npy", limit=2**20) as content:
        x = content.x.array()
    expected = array.astype(np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64)
    assert x.dtype == expected.dtype
    assert x.tobytes() == expected.tobytes("C")
