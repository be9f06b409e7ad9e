"""Few inputs of the many that `fuzzing.py` can make, and what more of them have found."""

import io
import json
import signal
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import fuzzing
import numpy as np
import pytest

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, binary, checks

MTX = "%%MatrixMarket matrix array real general\n"


@pytest.fixture
def place(tmp_path):
    """A folder with odd files, in which an input that takes too long is ended."""
    fuzzing.lay_out(tmp_path)
    before = signal.signal(signal.SIGALRM, fuzzing._too_slow)
    yield tmp_path
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", fuzzing.KINDS)
def test_garbage_is_refused_in_one_line_and_what_is_accepted_is_right(kind, place):
    told = fuzzing.fuzz(kind, 300, "short", place)
    assert told["findings"] == []
    # Neither the one nor the other alone would say much.
    assert (0 if kind == "name" else 10) <= told["accepted"] < 300


def test_a_process_of_its_own_tells_what_it_took():
    command = [sys.executable, fuzzing.__file__, "--limited", ".npz", "50", "short"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["inputs"], told["findings"], done.stderr) == (50, [], "")
    assert 0 <= told["memory"] < fuzzing.MEMORY / 2**20


def raises(error):
    def load(*_, **__):
        raise error

    return load


@pytest.mark.parametrize(
    ("load", "what"),
    [
        (raises(KeyError("a")), "KeyError"),
        (raises(MatrixError("two\nlines; ")), "no plain line"),
        (raises(MatrixError("no mend")), "no plain line"),
        (raises(MatrixError("; " + "a" * 9999)), "9999 characters|10001 characters"),
        (lambda *_, **__: np.array([[np.nan]]), "not finite"),
        (lambda *_, **__: np.array([[None]]), "no plain array"),
        (lambda *_, **__: np.array([[20.5]]), "of shape|of other numbers|takes what"),
    ],
)
def test_the_judge_notices(load, what, place, monkeypatch):
    monkeypatch.setattr(matrices, "load", load)
    findings = "\n".join(fuzzing.fuzz(".csv", 20, "short", place)["findings"])
    assert any(part in findings for part in what.split("|")), findings


# What was found


def npy(shape, data=b"", version=(1, 0), length=None):
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    packed = struct.pack("<H" if version == (1, 0) else "<I", length or len(head))
    return b"\x93NUMPY" + bytes(version) + packed + head + data


def npz(content, name="a.npy"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def damaged(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


FOUND = {
    "in parentheses it may be -5": (".csv", b"1,(5)", "'(5)' is not a number"),
    "a real one became complex": (".csv", b"1,- 5", "'- 5' is not a number"),
    "an exponent of two signs": (".csv", b"1,1e+-5", "'1e+-5' is not a number"),
    "an exponent apart": (".csv", b"1,2e - 5j", "'2e - 5j' is not a number"),
    "behind a quote, 1 and 2 became 12": (".csv", b'"1"2,3', "line 1: "),
    "an open quote": (".tsv", b'1\t"2', "line 1: unexpected end of data"),
    "spaces without end": (".csv", b"1" + b" " * 100_000 + b"2", "is not a number"),
    "spaces in JSON": (".json", b'[["1' + b" " * 200_000 + b'2"]]', "is not a number"),
    "of no version": (".npy", npy((1, 1), bytes(8), (255, 255)), "of version 255.255"),
    "70 dimensions": (".npy", npy((1,) * 70, bytes(8)), "an impossible shape"),
    "a size that cannot be written": (".npy", npy(f"(0x{'f' * 4000}, 1)"), "an impossible shape"),
    "a size of 2^63": (".npy", npy((2**63, 1)), "an impossible shape"),
    "two arrays, one behind the other": (".npy", npy((1, 1), bytes(8)) * 2, "more data than"),
    "a place of thousands of digits": (
        *(".mtx", f"{MTX.replace('array', 'coordinate')}1 1 1\n{'9' * 5000} 1 1\n".encode()),
        "is no place in the matrix",
    ),
    "more than the array": (".npz", npz(npy((1, 1), bytes(9))), "more data than"),
    "a member with a long name": (".npz", npz(b"", "x" * 60_000 + ".npy"), "damaged"),
    "a check sum behind the array": (
        *(".npz", damaged(npz(npy((1, 1), bytes(8) + b"x" * 9999)), 9000)),
        "damaged",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_found(what, tmp_path):
    suffix, content, part = FOUND[what]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert fuzzing.judge(path) is None
    with pytest.raises(MatrixError) as caught:
        matrices.load(path, stack=True)
    assert part in str(caught.value)
    with pytest.raises(MatrixError) as caught:
        list(matrices.each(path))
    assert part in str(caught.value)
    assert matrices.count(path) == 1


def test_the_names_of_members_are_shortened(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for letter in "ab":
            archive.writestr(letter * 60_000 + ".npy", b"")
    with pytest.raises(MatrixError, match="holds 2 arrays") as caught:
        matrices.load(path)
    assert len(str(caught.value)) < 500


def test_a_count_is_of_what_the_file_can_hold(tmp_path):
    """The bar of a survey cannot show more than a float can hold."""
    path = tmp_path / "a.npy"
    path.write_bytes(npy((10**18, 10**18, 2, 2), bytes(32)))
    assert matrices.count(path) == 1
    path.write_bytes(npy((10**18, 0, 2)))
    assert matrices.count(path) == 1
    path.write_bytes(npy((3, 2, 2), bytes(96)))
    assert matrices.count(path) == 3


def peak(function, *arguments):
    """Most memory that a call had at once; what it raises does not matter."""
    tracemalloc.start()
    try:
        function(*arguments)
    except MatrixError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    "read", [matrices.load, matrices.count, lambda path: list(matrices.each(path))]
)
def test_a_header_of_four_gigabytes_is_not_waited_for(read, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(npy((1, 1), version=(2, 0), length=2**32 - 1))
    assert peak(read, path) < 2**20


@pytest.mark.parametrize(
    ("suffix", "head", "unit"),
    [
        *((suffix, "", "1 1 " if suffix == ".txt" else "1\t" if suffix == ".tsv" else "0,")
          for suffix in (".csv", ".tsv", ".txt")),
        (".mtx", MTX + "1 1\n", "1 "),
        (".json", "[[0", ",0"),
        (".json", "[", "[],"),
        (".json", "[", '{"a":0},'),
        (".json", "[", "[[[[]]]],"),
    ],
)  # fmt: skip
def test_a_text_of_too_much_is_refused_before_it_is_taken_apart(
    suffix, head, unit, tmp_path, monkeypatch
):
    monkeypatch.setattr(checks, "MAX_ENTRIES", 2**16)
    path = tmp_path / f"a{suffix}"
    path.write_text(head + unit * (2**20 // len(unit)), encoding="utf-8")
    with pytest.raises(MatrixError, match="more numbers than the limit of 65536; pass a smaller"):
        matrices.load(path)
    # Taken apart, it would be twenty times as large.
    assert peak(matrices.load, path) < 8 * 2**20


def test_an_archive_of_very_many_members_is_refused_before_they_are_listed(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(MatrixError, match="holds 1000 arrays"):
        matrices.load(path)
    monkeypatch.setattr(binary, "_LONGEST_LIST", 50_000)
    monkeypatch.setattr(zipfile, "ZipFile", lambda _: pytest.fail("was listed"))
    with pytest.raises(MatrixError, match="holds too many members; save one matrix alone"):
        matrices.load(path)


def test_objects_in_json_take_no_memory(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + '{"a":0},' * 2**16 + "0]", encoding="utf-8")
    with pytest.raises(MatrixError, match="entry 1: an object is not a number"):
        matrices.load(path)
    assert peak(matrices.load, path) < 4 * path.stat().st_size


def test_lines_are_not_copied(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("# a comment\n" * 2**18 + "1,2\n", encoding="utf-8")
    assert matrices.load(path).tolist() == [[1, 2]]
    assert peak(matrices.load, path) < 1.2 * path.stat().st_size


def test_the_place_of_what_is_no_text_is_found_far_behind(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n" * 20_000 + b"\xff\n")
    with pytest.raises(MatrixError, match="line 20001: not UTF-8 text"):
        matrices.load(path)


def test_every_format_has_its_garbage():
    assert set(fuzzing.FILES) == set(matrices.SUFFIXES)
