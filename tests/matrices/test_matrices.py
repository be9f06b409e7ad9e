import io
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, checks, describe, load, published
from spectralgrad.theory.arrays import as_inexact

NAMES = ("blog-rank-2", "blog-full-rank", "stack-overflow", "article-2x2")
SUFFIXES = (".csv", ".tsv", ".txt", ".npy", ".npz", ".json", ".mtx")
A = np.array([[1.0, -2.5, 3e-300], [4.0, 5.0, 6.0]])

PROFILE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into the current directory, which is a temporary one."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write


def refusal(source, **options):
    with pytest.raises(MatrixError) as caught:
        load(source, **options)
    message = str(caught.value)
    assert message.isprintable() and "; " in message
    return message


def refuses(source, *parts, **options):
    message = refusal(source, **options)
    for part in parts:
        assert part in message
    return message


def save(path, a):
    """Write an array in the format of the suffix, as its users would."""
    suffix = Path(path).suffix
    if suffix == ".npy":
        np.save(path, a)
    elif suffix == ".npz":
        np.savez_compressed(path, a=a)
    elif suffix == ".mtx":
        scipy.io.mmwrite(path, a, precision=17)
    elif suffix == ".json":
        Path(path).write_text(json.dumps(as_json(a)))
    elif suffix == ".txt":
        np.savetxt(path, a)
    else:
        separator = "," if suffix == ".csv" else "\t"
        rows = [separator.join(str(x) for x in row) for row in a.tolist()]
        Path(path).write_text("\n".join(rows))


def as_json(a):
    def convert(item):
        if isinstance(item, list):
            return [convert(child) for child in item]
        return str(item) if isinstance(item, complex) else item

    return convert(a.tolist())


def same(result, expected, dtype=None):
    assert isinstance(result, np.ndarray)
    assert result.dtype == (expected.dtype if dtype is None else np.dtype(dtype))
    assert result.dtype.isnative and result.flags.c_contiguous and result.flags.writeable
    np.testing.assert_array_equal(result, expected)


def arrays(dtypes, min_dims=2, max_dims=2):
    shapes = hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=1, max_side=4)
    return st.sampled_from(dtypes).flatmap(
        lambda d: hnp.arrays(d, shapes, elements={"allow_nan": False, "allow_infinity": False}).map(
            moderate
        )
    )


def moderate(a):
    """Bring the largest entry into the range that is accepted."""
    if a.dtype.kind in "fc" and np.finfo(a.dtype).maxexp > 500:
        for part in (a.real, a.imag) if a.dtype.kind == "c" else (a,):
            part[np.abs(part) > 1e150] = 1
        if 0 < np.abs(a).max() < 1e-150:
            a.flat[0] = 1
    return a


# What is accepted


@pytest.mark.parametrize("name", NAMES)
def test_published(name):
    result = load(name)
    same(result, published.MATRICES[name])
    result[:] = 0
    assert published.MATRICES[name].any()
    assert describe(name) == name


def test_names_come_before_files(write, monkeypatch):
    monkeypatch.setattr(published, "MATRICES", {"a.csv": np.eye(2), "[[1]]": np.eye(3)})
    write("a.csv", "1,2")
    same(load("a.csv"), np.eye(2))
    same(load("./a.csv"), np.array([[1.0, 2.0]]))
    same(load("[[1]]"), np.eye(3))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(PROFILE)
@given(a=arrays(("float64", "complex128")))
def test_files_give_back_what_was_saved(suffix, tmp_path, a):
    path = tmp_path / f"a{suffix}"
    save(path, a)
    same(load(path), a)
    same(load(str(path)), a)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@settings(PROFILE)
@given(a=arrays(("float32", "float64", "complex64", "complex128", ">f4", ">c16"), 2, 4))
def test_binary_files_keep_the_dtype(suffix, tmp_path, a):
    a = np.asfortranarray(a)
    path = tmp_path / f"a{suffix}"
    save(path, a)
    same(load(path, stack=True), a, a.dtype.name)


@settings(PROFILE)
@given(a=arrays(("float32", "float64", "complex64", "complex128"), 2, 4))
def test_arrays_are_copied(a):
    before = a.copy()
    result = load(a, stack=True)
    same(result, before)
    assert not np.shares_memory(result, a)
    result[...] = 7
    np.testing.assert_array_equal(a, before)


@settings(PROFILE)
@given(a=arrays(("float64", "complex128"), 2, 4))
def test_nested_lists(a):
    same(load(a.tolist(), stack=True), a)
    same(load(tuple(a.tolist()), stack=True), a)
    same(load(list(a), stack=True), a)
    same(load(as_json(a), stack=True), a)
    same(load(" \n" + json.dumps(as_json(a)), stack=True), a)


@settings(PROFILE)
@given(a=arrays(("bool", "int8", "uint64", "int64", "float16", "longdouble", "clongdouble")))
def test_other_dtypes_are_converted(a):
    target = {"e": "float32", "G": "complex128"}.get(a.dtype.char, "float64")
    if np.any((a != 0) & (a.astype(target) == 0)):
        refuses(a, "too small for", "row ", "scale")
    else:
        same(load(a), a.astype(target))


@pytest.mark.parametrize("dtype", "?bhilqBHILQefdgFDG")
def test_as_inexact(dtype):
    expected = {"e": "f", "f": "f", "F": "F", "D": "D", "G": "D"}.get(dtype, "d")
    assert as_inexact(np.ones((1, 1), dtype)).dtype.char == expected
    assert as_inexact([[1, 2]]).dtype == float
    array = np.ones((1, 1), np.float32)
    assert as_inexact(array) is array


@pytest.mark.parametrize("dtype", ["longdouble", "clongdouble"])
def test_too_large_for_a_double(dtype):
    largest = np.array([[1, np.finfo(dtype).max]], dtype=dtype)
    refuses(largest, "row 1, column 2", "too large for", "scale")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xef\xbb\xbf1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
        (b"1,2\r3,4", [[1, 2], [3, 4]]),
        (b"# a comment\n\n 1 , 2\n  \n#\n3,4\n\n", [[1, 2], [3, 4]]),
        (b'"1", "2"\n"3","4e0"', [[1, 2], [3, 4]]),
        (b"1+2j,3i\n(1-2i),-j", [[1 + 2j, 3j], [1 - 2j, -1j]]),
        (b"% MATLAB\n1 - 2i,3I", [[1 - 2j, 3j]]),
        (b"7", [[7]]),
        (b"1\n2\n", [[1], [2]]),
    ],
)
def test_csv(write, text, expected):
    same(load(write("a.csv", text)), np.array(expected) * 1.0)


@pytest.mark.parametrize("text", ["1 2\n3 4", "1, 2\n3 ,4", " 1\t2 \n 3   4 ", "1,2\n3 4"])
def test_txt(write, text):
    same(load(write("a.txt", text)), np.array([[1.0, 2.0], [3.0, 4.0]]))


@pytest.mark.parametrize("text", ["1,5 2,5\n3,5 4,5", "1, 2 3"])
def test_txt_with_two_separators_is_not_guessed_at(write, text):
    refuses(write("a.txt", text), "line 1: both commas and white space", "decimal commas")


@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_savetxt_default(tmp_path, delimiter):
    a = np.array([[1 - 2j, 1e-300 + 0j], [-1j, 3 + 4e10j]])
    np.savetxt(tmp_path / "a.txt", a, delimiter=delimiter, header="a b")
    same(load(tmp_path / "a.txt"), a)
    np.savetxt(tmp_path / "b.txt", A, delimiter=delimiter, header="a b")
    same(load(tmp_path / "b.txt"), A)


def test_savetxt_of_older_numpy(write):
    same(load(write("a.txt", " (1.0e+00+-2.0e+00j)")), np.array([[1 - 2j]]))


@pytest.mark.parametrize("kind", ["real", "symmetric", "skew", "hermitian", "complex", "integer"])
@pytest.mark.parametrize("sparse", [False, True])
def test_mtx_as_scipy_writes_it(tmp_path, kind, sparse):
    g = np.arange(16.0).reshape(4, 4) ** 2
    a = {
        "real": g[:, :3],
        "symmetric": g + g.T,
        "skew": g - g.T,
        "hermitian": g + g.T + 1j * (g - g.T),
        "complex": g + 1j * g.T,
        "integer": g.astype(int),
    }[kind]
    path = tmp_path / "a.mtx"
    scipy.io.mmwrite(path, scipy.sparse.coo_array(a) if sparse else a, comment="hello")
    same(load(path), a * 1.0)
    np.testing.assert_array_equal(load(path), load_with_scipy(path))


def load_with_scipy(path):
    a = scipy.io.mmread(path)
    return a if isinstance(a, np.ndarray) else a.toarray()


def test_mtx_pattern_and_repeated_entries(write):
    banner = "%%MatrixMarket matrix coordinate"
    name = write("a.mtx", f"{banner} pattern symmetric\n% c\n\n2 2 2\n1 1\n2 1\n")
    same(load(name), np.array([[1.0, 1.0], [1.0, 0.0]]))
    name = write("b.MTX", f"{banner} real general\n1 2 2\n1 2 3\n1 2 4\n")
    same(load(name), np.array([[0.0, 7.0]]))


def test_suffix_in_either_case(write):
    same(load(write("A.CSV", "1")), np.ones((1, 1)))


def test_relative_path_and_path_objects(write, tmp_path):
    write("a.csv", "1")
    same(load("a.csv"), np.ones((1, 1)))
    same(load(Path("a.csv")), np.ones((1, 1)))

    class Bytes:
        def __fspath__(self):
            return os.fsencode(tmp_path / "a.csv")

    same(load(Bytes()), np.ones((1, 1)))


def test_array_likes_and_odd_numbers():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return A

    same(load(Tensor()), A)
    same(load([Tensor(), Tensor()], stack=True), np.array([A, A]))
    same(load(np.matrix(A)), A)
    same(load([[True, Fraction(1, 2)], [np.float32(2), "1+i"]]), np.array([[1, 0.5], [2, 1 + 1j]]))
    same(load(np.broadcast_to(np.float64(3), (2, 2))), np.full((2, 2), 3.0))
    same(load(A[:, ::-1]), A[:, ::-1])


@pytest.mark.parametrize(
    ("data", "dtype", "target"),
    [
        ("float64", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "complex64", "complex64"),
        ("int64", "complex128", "complex128"),
        # A real dtype asks for a precision; dropping the imaginary part would change the matrix.
        ("complex128", "float32", "complex64"),
        ("complex64", "float64", "complex128"),
        ("float64", np.dtype("float32"), "float32"),
        ("float16", "float64", "float64"),
    ],
)
def test_dtype(data, dtype, target):
    a = np.array([[1, 2], [3, 4]], dtype=data)
    same(load(a, dtype=dtype), a, target)


def test_describe(write):
    assert describe([[1, 2], [3, 4]]) == "a 2 × 2 matrix given inline"
    assert describe("[[1, 2, 3]]") == "a 1 × 3 matrix given inline"
    assert describe(np.ones((4, 5, 5))) == "a stack of 4 matrices of 5 × 5 given inline"
    assert describe("some/a.csv") == describe(Path("some/a.csv")) == "some/a.csv"
    assert describe("[1") == describe(None) == describe([]) == "a matrix given inline"
    assert describe("a\nb.csv") == r"a\nb.csv"


# What is refused


def test_missing_and_unreadable_files(write, tmp_path, monkeypatch):
    assert refuses("no.csv", "no such file", "check the path", str(tmp_path)).startswith("no.csv: ")
    refuses(Path("blog-rank-2"), "no such file")
    refuses("no/such", "no such file")
    refuses("a\0b", "cannot be read", r"a\x00b")
    refuses("x" * 5000, "cannot be read", "too long")
    (tmp_path / "folder.csv").mkdir()
    refuses("folder.csv", "a directory", "path of a file")
    os.mkfifo(tmp_path / "pipe.csv")
    refuses("pipe.csv", "not a regular file", "copy")
    write("a.csv", "1")
    refuses("a.csv/b.csv", "no such file")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    for name in ("read_bytes", "stat"):
        # Undone at once, because pytest asks for the state of files, too.
        with monkeypatch.context() as patched:
            patched.setattr(Path, name, denied)
            refuses("a.csv", "a.csv: cannot be read (Permission denied)", "permissions")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_permissions(write, tmp_path):
    (tmp_path / write("a.npy", b"x")).chmod(0)
    refuses("a.npy", "cannot be read (Permission denied)", "permissions")


def test_unknown_name():
    refuses("blog-rank2", "blog-rank2: unknown matrix", "did you mean blog-rank-2?")
    refuses("Stack-Overflow", "did you mean stack-overflow?")
    refuses("zzz", "unknown matrix", *NAMES)
    assert refuses("", "unknown matrix").startswith("'': ")


def test_unknown_suffix(write):
    refuses("a.cvs", "a.cvs: unknown suffix '.cvs'", "did you mean .csv?", *SUFFIXES)
    refuses(write("a.xlsx", "1"), "unknown suffix '.xlsx'", *SUFFIXES)
    refuses(write("plain", "1"), "without a suffix", *SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file(write, suffix):
    refuses(write(f"a{suffix}", ""), f"a{suffix}: an empty file", "put a matrix")


@pytest.mark.parametrize(
    "source", [[], [[]], "[]", "[[], []]", np.zeros((0, 3)), np.zeros((2, 0)), [[[]]]]
)
def test_empty(source):
    refuses(source, "empty", "at least one row", stack=True)


def test_text_without_numbers(write):
    refuses(write("a.csv", "# only\n\n"), "no line with numbers", "a row per line")


def test_ragged(write):
    refuses(write("a.csv", "# c\n1,2\n\n3\n"), "line 4: 1 number, where line 2 has 2", "equally")
    refuses([[1, 2], [3, 4, 5]], "row 2: 3 numbers instead of 2 numbers", "equally long")
    refuses("[[1, 2], [3]]", "row 2: 1 number instead of 2", "equally long")
    refuses("[[1, 2], 3]", "row 2: a float instead of 2 numbers", "equally")
    refuses([[1, 2], [3, [4]]], "row 2, column 2: a list is not a number")
    refuses([[[1, 2]], [[1, 2], [3, 4]]], "matrix 2: 2 rows instead of 1 row", stack=True)
    refuses([1, [2]], "entry 2: a list")


def test_no_number(write):
    csv, txt = "write one number per cell, separated by commas", "white space or commas"
    refuses(write("a.csv", "1,2\n3,x y"), "a.csv: line 2, column 2: 'x y' is not a number", csv)
    refuses(write("b.csv", "1,2\n3,"), "line 2, column 2: an empty cell", csv)
    refuses(write("c.csv", "1;2\n3;4"), "'1;2' is not a number")
    refuses(write("d.csv", "1\n1_000"), "line 2, column 1: '1_000' is not a number")
    refuses(write("e.csv", "1\n" + "y" * 99), f"'{'y' * 39}…' is not")
    refuses(write("f.txt", "1 2\n1,,2"), "line 2, column 2: an empty cell", txt)
    refuses(write("g.tsv", "1\t2\n1 2"), "line 2, column 1: '1 2'", "separated by tabs")
    refuses(write("h.csv", '1\n"a\nb"'), "line 2: unexpected end of data", csv)
    refuses(write("i.csv", "1\n\x1b[31m"), r"'\x1b[31m'")
    refuses(write("j.csv", "1," + "9" * 200_000), "line 1: field larger")
    refuses([[1, "x"]], "given inline: row 1, column 2: 'x' is not a number", '"1+2j"')
    refuses([[1, None]], "row 1, column 2: None is not a number")
    refuses([[1, {}]], "row 1, column 2: a dict is not a number")


def test_header_row(write):
    refuses(write("a.csv", "# c\na,b\n1,2"), "line 2, column 1: 'a'", "remove the header row")
    # Whoever removed this line would lose numbers.
    for suffix, text in ((".csv", "1;2\n3;4"), (".csv", "1 2\n3 4"), (".tsv", "1,5\t2,5")):
        message = refusal(write(f"c{suffix}", text))
        assert "remove the header row" not in message
        assert "separated by" in message
    refuses(write("b.csv", ",0,1\n0,1,2"), "line 1, column 1: an empty cell", "no header row")


@pytest.mark.parametrize(("bad", "shown"), [(math.nan, "NaN"), (-math.inf, "infinity")])
def test_not_finite(write, tmp_path, bad, shown):
    refuses([[1, 2], [3, bad]], "row 2, column 2: " + shown, "replace it")
    refuses(np.array([[1, bad * 1]]), "row 1, column 2: " + shown)
    refuses(np.array([[1, complex(0, bad)]]), "row 1, column 2: " + shown)
    stack = np.ones((2, 2, 2))
    stack[1, 0, 1] = bad
    refuses(stack, "matrix 2, row 1, column 2: " + shown, stack=True)
    refuses(stack[None], "matrix (1, 2), row 1, column 2: " + shown, stack=True)
    refuses(write("a.csv", f"# c\n1,{bad}"), "line 2, column 2: " + shown, "replace it")
    refuses(write("a.json", f"[[1, {json.dumps(bad)}]]"), "a.json: row 1, column 2: " + shown)
    np.save("a.npy", [[1.0, bad]])
    refuses("a.npy", "row 1, column 2: " + shown)
    refuses(write("a.mtx", MTX + f"1 2\n1\n{bad}\n"), "line 4: " + shown)


@pytest.mark.parametrize("source", [[1, 2], "[1, 2]", np.ones(2)])
def test_vector(source):
    refuses(source, "a vector of 2 numbers", "two dimensions", stack=True)


def test_scalar(tmp_path):
    refuses(np.float64(3), "a single number", "two dimensions")
    refuses(3, "a single number")
    np.save(tmp_path / "a.npy", 3.0)
    refuses(tmp_path / "a.npy", "a single number")


def test_stack():
    a = np.ones((4, 5, 5))
    refuses(a, "is a stack of 4 matrices of 5 × 5; pass one of them")
    refuses(a.tolist(), "is a stack of 4 matrices of 5 × 5; pass one of them")
    refuses(a[:1], "is a stack of 1 matrix of 5 × 5; reshape it to 5 × 5")
    refuses([[[1, 2], [3, 4]]] * 2, "is a stack of 2", 'not as pairs but complex ones as "1+2j"')


class Trap:
    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_pickles_are_never_run(write, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[Trap()]]), allow_pickle=True)
    np.savez(tmp_path / "a.npz", np.array([[Trap()]]))
    refuses("a.npy", "a.npy: holds Python objects", "never read", ".astype(float)")
    refuses("a.npz", "a.npz: holds Python objects", "never read")
    for suffix in SUFFIXES:
        refusal(write(f"b{suffix}", pickle.dumps(Trap())))
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("a", "kind"),
    [
        (np.array([["1", "2"]]), "str"),
        (np.array([[b"1"]]), "bytes"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), "datetime64"),
        (np.array([[1]], dtype="timedelta64[s]"), "timedelta64"),
        (np.zeros((1, 1), dtype=[("a", float)]), "void"),
    ],
)
def test_other_kinds(tmp_path, a, kind):
    np.save(tmp_path / "a.npy", a)
    mend = ".astype(float)" if kind in ("str", "bytes") else "a plain array of numbers"
    for source in (a, tmp_path / "a.npy"):
        refuses(source, f"holds {kind}", "not numbers", mend)


def test_objects():
    refuses(np.array([[1, None]], dtype=object), "holds Python objects", ".astype(float)")
    for source in (None, {}, {1}, object(), iter([])):
        refuses(source, f"a {type(source).__name__}, not a matrix", "a path, a nested list")
    refuses(np.ma.masked_less(A, 0), "masked entries", ".filled(value)")
    refuses(b"[[1]]", "not numbers")

    class Refusing:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call\ndetach() first")

    refuses(Refusing(), "a Refusing that NumPy cannot read", r"call detach() first", "pass")
    refuses([[Refusing()]], r"call detach() first")


def test_npz_of_several_or_no_arrays(write, tmp_path):
    np.savez(tmp_path / "a.npz", left=A, right=A)
    refuses("a.npz", "a.npz: holds 2 arrays (left, right)", "save one matrix alone")
    np.savez(tmp_path / "b.npz")
    refuses(tmp_path / "b.npz", "holds no arrays")
    np.savez(tmp_path / "c.npz", **{f"x{i}": A for i in range(12)})
    refuses(tmp_path / "c.npz", "12 arrays", "x9, …")
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.npy", npy(A))
    refuses(tmp_path / "d.npz", "unusual method", "numpy.savez")


def npy(a):
    file = io.BytesIO()
    np.save(file, a)
    return file.getvalue()


MTX = "%%MatrixMarket matrix array real general\n"
TRIANGLE = "%%MatrixMarket matrix coordinate {}\n2 2 2\n"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".mtx"])
def test_truncated(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save(path, A)
    content = path.read_bytes()
    for length in range(1, len(content) - (suffix == ".mtx") * 19, 7):
        path.write_bytes(content[:length])
        refuses(path, "not valid JSON" if suffix == ".json" else f"a damaged {suffix} file")


def test_damaged_npz(tmp_path):
    np.savez(tmp_path / "a.npz", A)
    content = (tmp_path / "a.npz").read_bytes()
    at = content.index(A.tobytes())
    (tmp_path / "a.npz").write_bytes(content[:at] + b"\0\1" + content[at + 2 :])
    refuses(tmp_path / "a.npz", "a damaged .npz file", "CRC", "numpy.savez")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("1 2\n3 4\n", ("line 1", "no Matrix Market banner")),
        (MTX, ("line 2", "no line of sizes")),
        (MTX + "2 x\n", ("line 2", "no line of sizes")),
        (MTX + "-2 2\n", ("line 2", "no line of sizes")),
        (MTX + "2 1\n1\n", ("line 3", "ends after 1 of the 2 entries")),
        (MTX + "2 1\n1\n2\n3\n", ("line 5", "more entries than promised")),
        (MTX + "2 1\n1\n1 2\n", ("line 4", "not 1 numbers")),
        (MTX + '1 2\n1\n5"', ("line 4", "'5\"' is not a number")),
        (MTX + "1 2\n1\n2+1j", ("line 4", "'2+1j' is not a number")),
        (MTX.replace("general", "symmetric") + "1 2\n1\n2\n", ("line 2", "symmetric, but 1 × 2")),
        (MTX.replace("array", "coordinate") + "1 2 1\n2 1 5\n", ("line 3", "'2 1' is no place")),
        (MTX.replace("array", "coordinate") + "1 2 1\n0 1 5\n", ("line 3", "'0 1' is no place")),
        (TRIANGLE.format("real skew-symmetric") + "1 1 7\n", ("line 3", "on its diagonal")),
        (TRIANGLE.format("complex hermitian") + "1 1 7 3\n", ("line 3", "on its diagonal")),
        (TRIANGLE.format("real symmetric") + "1 2 7\n2 1 5\n", ("line 4", "on both sides")),
    ],
)
def test_damaged_mtx(write, content, parts):
    refuses(write("a.mtx", content), "a damaged .mtx file", "scipy.io.mmwrite", *parts)
    refuses(write("b.mtx", MTX + "0 2\n"), "empty")


def test_mtx_that_adds_up_to_too_much(write):
    content = TRIANGLE.format("real general") + "1 1 1e308\n1 1 1e308\n"
    refuses(write("a.mtx", content), "row 1, column 1: infinity")


def test_not_utf8(write):
    for suffix in (".csv", ".tsv", ".txt", ".json", ".mtx"):
        refuses(write(f"a{suffix}", b"1\n\n\xff"), "line 3: not UTF-8 text (byte 0xff)", "UTF-8")
    refuses(write("b.csv", "1,2".encode("utf-16")), "line 1: not UTF-8 text", "as text in UTF-8")


def test_json(write):
    refuses(write("a.json", "[[1, 2],\n [3, }]"), "a.json: line 2, column 6: not valid JSON")
    refuses("[[1, 2]", "line 1, column 8: not valid JSON", "nested list")
    refuses(write("b.json", '{"a": 1}'), "not a nested list", "list of rows")
    refuses(write("c.json", "3"), "not a nested list")
    refuses("[[1, true]]", "row 1, column 2: true is not a number")
    refuses("[[1, null]]", "row 1, column 2: null is not a number")
    refuses('[[1, {"a": 1}]]', "row 1, column 2: an object is not a number")
    refuses("[" * 100_000, "nested too deeply")
    refuses("[" * 100 + "]" * 100, "nested too deeply", "list of rows")
    same(load(write("d.json", '[["1+2i", 3]]')), np.array([[1 + 2j, 3]]))


def test_a_list_within_itself():
    a = []
    a.append(a)
    refuses(a, "nested too deeply")


def test_too_large_for_a_float(write):
    refuses([[1, 10**400]], "row 1, column 2: too large for a float64", "scale")
    refuses(f"[[1, 1{'0' * 5000}]]", "row 1, column 2: infinity, or too large")
    refuses(write("a.csv", f"1\n1{'0' * 400}"), "line 2, column 1: infinity, or too large")


def test_overflow_in_the_cast():
    small = "row 1, column 2: 1e-300 is too small for float32; scale the matrix up, or use float64"
    refuses([[1, 1e-300]], small, dtype="float32")
    assert load([[1.0, 0.0]], dtype="float32").tolist() == [[1.0, 0.0]]
    refuses([[1, 1e300]], "row 1, column 2: 1e+300 is too large for float32", "use float64",
            dtype="float32")  # fmt: skip
    refuses([[1, 1e300j]], "too large for complex64", "use complex128", dtype="float32")
    refuses([[1, 1e300]], "too large for complex64", "use complex128", dtype="complex64")
    refuses([[1 + 1e-50j]], "too small for complex64", "use complex128", dtype="complex64")


@pytest.mark.parametrize(
    ("largest", "way"), [(1.7e308, "large"), (1e151, "large"), (9e-151, "small"), (1e-310, "small")]
)
def test_the_largest_entry_can_be_squared(largest, way):
    matrices = ([[0, largest]], [[0, 1j * largest]])
    for matrix in matrices:
        refuses(matrix, f"{largest:.2g} is its largest entry, too {way} to be squared", "scale")
    same(load([[0, 1e-310, 1]]), np.array([[0, 1e-310, 1]]))
    same(load([[0.0]]), np.zeros((1, 1)))


@pytest.mark.parametrize("dtype", ["float16", "int", "f4", "x\ny", np.float32, 3, []])
def test_unknown_dtype(dtype):
    refuses(A, "dtype ", "unknown", "float32, float64, complex64, complex128", dtype=dtype)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_size_limit(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    save(path, np.ones((4, 4)))
    monkeypatch.setattr(checks, "MAX_ENTRIES", 16)
    assert load(path).shape == (4, 4)
    monkeypatch.setattr(checks, "MAX_ENTRIES", 15)
    refuses(path, "over the limit of", "smaller matrix")


def test_size_limit_inline(monkeypatch):
    monkeypatch.setattr(checks, "MAX_ENTRIES", 15)
    for source in (np.ones((4, 4)), np.ones((4, 4)).tolist(), str(np.ones((4, 4)).tolist())):
        refuses(source, "4 × 4 entries, over the limit of 15", "smaller matrix")


def test_size_limit_of_text_is_checked_before_reading(write, monkeypatch):
    write("a.csv", "1" + " " * 32)
    monkeypatch.setattr(checks, "MAX_ENTRIES", 1)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("was read"))
    refuses("a.csv", "33 bytes, over the limit of 32", "smaller matrix, or save it as .npy")


def test_headers_that_claim_too_much(write, tmp_path):
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, claim)
    write("a.npy", header.getvalue())
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(10**7))
    write("a.mtx", MTX + "1000000 1000000\n")
    for suffix in (".npy", ".npz", ".mtx"):
        refuses(f"a{suffix}", "1000000 × 1000000 entries", "over the limit of 16777216")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(10**7))
    refuses("b.npz", "a damaged .n")
    write("c.npy", header.getvalue().replace(b"1000000, 1000000", b"     -1,  -2    "))
    refuses("c.npy", "a damaged .npy file")
    refuses(np.broadcast_to(0.0, (10**6, 10**6)), "over the limit")
    refuses([np.broadcast_to(0.0, 10**12)], "over the limit")


def test_file_names_are_escaped(write):
    name = write("a\n<script>\x1b[1m\u202e.csv", "x")
    message = refuses(name, r"a\n<script>\x1b[1m\u202e.csv: line 1, column 1: 'x'")
    assert describe(name) == message.split(": ")[0]
    refuses("b\nc.csv", r"b\nc.csv: no such file")
    refuses(os.fsdecode(b"\xff.csv"), r"\udcff.csv: no such file")


# Nothing but MatrixError


def fuzz(source):
    try:
        result = load(source, stack=True)
    except MatrixError as error:
        assert str(error).isprintable()
    else:
        assert np.isfinite(result).all() and result.ndim >= 2
    assert describe(source).isprintable()


VALID = {}
with tempfile.TemporaryDirectory() as folder:
    for suffix in SUFFIXES:
        save(f"{folder}/a{suffix}", A)
        VALID[suffix] = Path(f"{folder}/a{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(PROFILE)
@given(
    content=st.binary(max_size=200),
    text=st.text("0123456789+-.eEijnaf_,;:#%\"'()[]{} \t\r\n", max_size=60),
    at=st.integers(0, 600),
    cut=st.integers(0, 4),
)
def test_any_bytes(suffix, tmp_path, content, text, at, cut):
    path = tmp_path / f"a{suffix}"
    valid = VALID[suffix]
    spoilt = valid[:at] + text.encode()[:3] + valid[at + cut :]
    for data in (content, text.encode(), spoilt, valid[:at] + content):
        path.write_bytes(data)
        try:
            assert np.isfinite(load(path, stack=True)).all()
        except MatrixError as error:
            assert str(error).isprintable()


@settings(PROFILE)
@given(st.one_of(st.text(), st.text('[]{}0123456789.eE+-ij", ').map("[".__add__)))
def test_any_text(text):
    fuzz(text)


@settings(PROFILE)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
        | st.text(max_size=3) | st.binary(max_size=3) | st.just({}) | st.just(np.ones(2)),
        lambda children: st.lists(children, max_size=3) | st.tuples(children, children),
    )
)  # fmt: skip
def test_any_object(source):
    fuzz(source)


def test_import_is_light():
    code = (
        "import sys, numpy; before = set(sys.modules); import spectralgrad.matrices;"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(Path(matrices.__file__).parents[1])},
    )  # fmt: skip
    assert not {"scipy", "json", "zipfile"} & set(done.stdout.split())
