"""Faults of a csv, each with its line and column."""

import tracemalloc

import pytest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2\n3\n", "line 2 has 1 cells, and line 1 has 2"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4 has 3 cells, and line 1 has 2"),
        ("1,2\n3,4,\n", "line 2 has 3 cells"),
        ("1,2\n3,\n", "line 2, column 2 is empty"),
        (",\n", "line 1, column 1 is empty"),
        ("1;;3\n", "line 1, column 2 is empty"),
        ("1\t\t3\n", "line 1, column 2 is empty"),
        ("1,2\n\t\n", "line 2 has 1 cells"),
        ("1,2\n3,four\n", "line 2, column 2: 'four' is not a number"),
        ("1,two\n3,4\n", "line 1, column 2: 'two' is not a number"),
        ("a,b\nc,d\n", "line 2, column 1: 'c' is not a number"),
        ("1,5;2,5\n", "line 1, column 1: '1,5' is not a number"),
        ("1,2\n3,nan\n", "line 2, column 2: 'nan' is not finite"),
        ("1,2\n-Infinity,4\n", "line 2, column 1: '-Infinity' is not finite"),
        ("1,2\n3,1e999\n", "line 2, column 2: '1e999' is not finite"),
        ("1,2\n1_000,3\n", "line 2, column 1: '1_000' is not a number"),
        ("1,2\n0x10,3\n", "line 2, column 1: '0x10' is not a number"),
        ("1,2\n1 2,3\n", "line 2, column 1: '1 2' is not a number"),
        ("1,2\n1j,3\n", "line 2, column 1: '1j' is not a number"),
        ("1,2\n١,3\n", "line 2, column 1: '١' is not a number"),
        ("1,2\n=SUM(A1),3\n", "line 2, column 1: '=SUM(A1)' is not a number"),
        ("1,2\n# remark,3\n", "line 2, column 1: '# remark' is not a number"),
        ('1,2\n"3,4\n5,6\n', "line 2 cannot be split"),
        ("1,2\r3,4\r", "line 1 cannot be split"),
        ("1,2\n3,4\0\n", "line 2"),
        ("a,,c\n1,2,3\n", "line 1, column 2 of the header is empty"),
        (",a\n0,1\n", "line 1, column 1 of the header is empty"),
        ("a,y,label\n1,2,3\n", "more than one column y or label"),
        ("y\n1\n", "a column of targets and none of inputs"),
        ("a,b\n", "no rows"),
        ("\n\n", "no rows"),
        ("\ufeff", "no rows"),
    ],
)
def test_every_fault_has_its_place(upload_refused, text, says):
    problem = upload_refused(text.encode(), "data.csv")
    assert problem.type == "/problems/unreadable-upload"
    assert problem.errors[0].pointer == "/file"
    assert says in problem.detail


def test_the_line_is_counted_across_batches(upload_refused):
    text = "1.25,2.5,3.75\n" * 50_000 + "1.25,x,3.75\n"
    assert "line 50,001, column 2: 'x'" in upload_refused(text.encode(), "data.csv").detail


@pytest.mark.parametrize("data", ["1,2\n".encode("utf-16"), b"1,2\n\xff\xfe,3\n", b"caf\xe9,b\n1,2\n"])
def test_other_encodings_are_refused(upload_refused, data):
    assert "is not UTF-8" in upload_refused(data, "data.csv").detail


def test_a_line_without_end_is_not_held(upload_refused):
    data = b"1," * 2**23
    tracemalloc.start()
    try:
        problem = upload_refused(data, "data.csv", limit=2**25)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "line 1 is longer than 8,388,608 bytes" in problem.detail
    assert peak < 2 * len(data)  # the BytesIO's own reference costs nothing; two copies of a line at the most


def test_too_many_columns_are_refused(upload_refused):
    assert "1,048,577 columns" in upload_refused(b"1" + b",1" * 2**20, "data.csv").detail


def test_what_it_unpacks_to_has_a_limit(upload_refused):
    # Two bytes a number in the file, eight as stored.
    problem = upload_refused(b"1,2\n" * 10_000, "data.csv", limit=100_000)
    assert (problem.status, problem.errors[0].pointer) == (413, "/file")
    assert "100,000" in problem.detail
