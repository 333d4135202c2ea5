"""Archives that bite: bombs, lies, objects, encryption, strangers."""

import io
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

X = np.arange(300.0).reshape(100, 3)


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def archive(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, data in members:
            target.writestr(name, data)
    return file.getvalue()


def patched(data, offset, layout, value):
    """The archive with a field of each member's central directory entry replaced."""
    data = bytearray(data)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into(layout, data, at + offset, value)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def test_objects_are_never_unpickled(upload_refused):
    problem = upload_refused(archive([("x.npy", npy(np.array([{}]), allow_pickle=True))]), "x.npz")
    assert "never unpickled" in problem.detail
    assert problem.errors[0].pointer == "/file/x"


def test_faults_of_y_point_at_y(upload_refused):
    y = np.zeros(100)
    y[7] = np.nan
    problem = upload_refused(archive([("x.npy", npy(X)), ("y.npy", npy(y))]), "x.npz")
    assert problem.errors[0].pointer == "/file/y"
    assert "row 7," in problem.detail


@pytest.mark.parametrize(
    ("y", "says"),
    [(np.ones(99), "99 rows, and x 100"), (np.ones((100, 2, 2)), "3 axes"), (np.array(3.0), "0 axes")],
)
def test_y_must_fit_x(upload_refused, y, says):
    problem = upload_refused(archive([("x.npy", npy(X)), ("y.npy", npy(y))]), "x.npz")
    assert problem.errors[0].pointer == "/file/y"
    assert says in problem.detail


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "it holds nothing"),
        (["y.npy"], "needs an array x; it holds 'y'"),
        (["x"], "needs an array x"),
        (["x.npy", "z.npy"], "also holds 'z'"),
        (["x.npy", "../../etc/passwd"], "also holds '../../etc/passwd'"),
        (["x.npy", "a/"], "also holds 'a/'"),
        (["x.npy", *(f"{n}.npy" for n in range(20))], "and 15 more"),
    ],
)
def test_strangers_are_named(upload_refused, names, says):
    problem = upload_refused(archive([(name, npy(X)) for name in names]), "x.npz")
    assert problem.type == "/problems/unreadable-upload"
    assert says in problem.detail


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_given_twice_is_refused(upload_refused):
    data = archive([("x.npy", npy(X)), ("x.npy", npy(-X))])
    assert "more than once" in upload_refused(data, "x.npz").detail


def test_an_encrypted_member_is_refused(upload_refused):
    data = patched(archive([("x.npy", npy(X))]), 8, "<H", 1)
    assert "encrypted" in upload_refused(data, "x.npz").detail


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(upload_refused, method):
    assert "deflate" in upload_refused(archive([("x.npy", npy(X))], method), "x.npz").detail


def test_an_archive_in_an_archive_is_no_array(upload_refused):
    problem = upload_refused(archive([("x.npy", archive([("x.npy", npy(X))]))]), "x.npz")
    assert "does not begin like a .npy" in problem.detail


@pytest.mark.parametrize("declared", [0, 100, 2527, 2529, 10**6, 2**32 - 2])
def test_a_false_size_in_the_directory_is_refused(upload_refused, declared):
    data = patched(archive([("x.npy", npy(X))]), 24, "<I", declared)
    assert len(npy(X)) == 2528
    assert upload_refused(data, "x.npz").type == "/problems/unreadable-upload"


@pytest.mark.parametrize("offset", [1, 1000, 2**31])
def test_a_false_offset_in_the_directory_is_refused(upload_refused, offset):
    data = patched(archive([("x.npy", npy(X))]), 42, "<I", offset)
    assert upload_refused(data, "x.npz").type == "/problems/unreadable-upload"


def test_damaged_data_is_refused(upload_refused):
    data = archive([("x.npy", npy(X))])
    for at in range(40, len(data) - 100, 7):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        assert upload_refused(broken, "x.npz").type in {"/problems/unreadable-upload", "/problems/payload-too-large"}


@pytest.mark.parametrize("keep", [4, 30, 100, 1000, -1, -22, -50])
def test_a_truncated_archive_is_refused(upload_refused, keep):
    data = archive([("x.npy", npy(np.random.default_rng(0).standard_normal((100, 3))))])
    assert upload_refused(data[:keep], "x.npz").type == "/problems/unreadable-upload"


def bomb(declared, actual):
    """A member whose header declares `declared` float64 values, followed by `actual` zeros; a thousand to one."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (declared, 1)})
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
        target.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(head.getvalue())
        for _ in range(actual // 2**17):
            member.write(bytes(2**20))
    return file.getvalue()


@pytest.mark.parametrize(
    ("declared", "status"),
    [(2**26, 413), (2**20, 422), (2**40, 413)],
    ids=["an honest bomb", "a header that says less", "a header that says more"],
)
def test_a_bomb_costs_next_to_nothing(upload_refused, declared, status):
    data = bomb(declared, actual=2**26)  # half a GiB in about 0.5 MB
    assert len(data) < 2**20
    tracemalloc.start()
    begin = time.process_time()
    try:
        problem = upload_refused(data, "x.npz")
        seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem.status == status
    # It is refused by its header, of which a first buffer of a few hundred KiB is unpacked at the most.
    assert peak < 4 * 2**20
    assert seconds < 1


def test_a_bomb_that_lies_in_its_directory_too(upload_refused):
    data = bomb(2**20, actual=2**26)
    honest = archive([("x.npy", npy(np.zeros((2**20, 1))))])
    assert upload_refused(honest, "x.npz", limit=2**22).status == 413
    size = len(npy(np.zeros((2**20, 1))))
    at = data.find(b"PK\x01\x02")
    lying = bytearray(data)
    struct.pack_into("<I", lying, at + 24, size)
    assert upload_refused(bytes(lying), "x.npz").type == "/problems/unreadable-upload"


def test_the_arrays_share_one_budget(upload_refused, upload):
    data = archive([("x.npy", npy(X)), ("y.npy", npy(X))])
    assert upload(data, "x.npz", limit=4800)[2].shape == (100, 3)
    assert upload_refused(data, "x.npz", limit=4799).errors[0].pointer == "/file/y"


def test_a_directory_of_very_many_members_is_not_read(upload_refused):
    entry = b"PK\x01\x02" + bytes(42)
    count = 100_000
    directory = entry * count
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(directory), 4, 0)
    tracemalloc.start()
    try:
        problem = upload_refused(b"PK\x03\x04" + directory + end, "x.npz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "directory is longer" in problem.detail
    # The file itself is 4.6 MB, held once by the test's BytesIO; 100,000 entries would take some 50 MB.
    assert peak < 12 * 2**20
