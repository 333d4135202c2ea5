"""IDX files that lie, and gzip streams that swell."""

import gzip
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest


def header(*shape, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


IMAGES = header(5, 4, 3) + bytes(range(60))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "data",
    [
        IMAGES[:-1],
        IMAGES + b"\0",
        IMAGES[:3],
        IMAGES[:10],
        IMAGES[:16],
        header(0, 4, 3),
        header(5, 0, 3),
        header(5, 4, code=0x0A) + bytes(20),
        header(5, 4, code=0x0F) + bytes(160),
        b"\0\0\x08\0" + bytes(20),
        header(1, 1, 1, 1, 1) + b"\0",
        b"\x01" + IMAGES[1:],
        header(2, 2**20 + 1),
    ],
    ids=range(13),
)
def test_what_is_not_a_sound_idx_is_refused(upload_refused, pack, data):
    problem = upload_refused(pack(data), "images-idx3-ubyte.gz" if pack is gzip.compress else "images-idx3-ubyte")
    assert problem.type == "/problems/unreadable-upload"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_too_much_is_refused_at_once(upload_refused, pack):
    assert upload_refused(pack(header(2**32 - 1, 1000, 1000)), "x.idx").status == 413


@pytest.mark.parametrize("code", [0x0D, 0x0E])
def test_values_that_are_not_finite(upload_refused, code):
    values = np.zeros((6, 2), ">f4" if code == 0x0D else ">f8")
    values[3, 1] = np.nan
    assert "row 3," in upload_refused(header(6, 2, code=code) + values.tobytes(), "x.idx").detail


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(IMAGES)[:-1],
        gzip.compress(IMAGES)[:-8],
        gzip.compress(IMAGES)[:20],
        gzip.compress(IMAGES)[:5],
        gzip.compress(IMAGES)[:-8] + bytes(8),
        gzip.compress(IMAGES) + b"\0",
        gzip.compress(IMAGES) + gzip.compress(b"more"),
        gzip.compress(gzip.compress(IMAGES)),
        gzip.compress(b"1,2\n3,4\n"),
        gzip.compress(b""),
        b"\x1f\x8b" + bytes(50),
    ],
    ids=range(11),
)
def test_damaged_gzip_is_refused(upload_refused, data):
    assert upload_refused(data, "x.idx.gz").type == "/problems/unreadable-upload"


@pytest.mark.parametrize("declared", [2**23, 2**29], ids=["hidden behind a small header", "declared"])
def test_a_gzip_bomb_costs_next_to_nothing(upload_refused, declared):
    pack = zlib.compressobj(9, wbits=31)
    data = pack.compress(header(declared // 2**10, 2**10)) + b"".join(pack.compress(bytes(2**20)) for _ in range(512))
    data += pack.flush()
    assert len(data) < 2**20
    tracemalloc.start()
    begin = time.process_time()
    try:
        problem = upload_refused(data, "x.idx.gz", limit=2**26)
        seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem.status == (422 if declared == 2**23 else 413)
    assert peak < 16 * 2**20  # a block of raw bytes, the same as float64, and what checks them
    assert seconds < 2


def test_a_gzip_header_of_megabytes_is_passed_over(upload):
    plain = gzip.compress(IMAGES, mtime=0)
    named = plain[:3] + b"\x08" + plain[4:10] + b"n" * 2**22 + b"\0" + plain[10:]
    _, x, _ = upload(named, "x.idx.gz")
    assert x.shape == (5, 4, 3, 1)
