"""Sparse matrices: those of files and of SciPy, small ones as arrays, large ones as they are."""

import io
import random
import warnings
import zipfile

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, checks, describe, each, load

#: Just too large for an array.
N = 4100
KINDS = ("csr", "csc", "coo", "bsr", "dia")


def draw(shape, seed=0, dtype=float, density=1e-3):
    """A matrix of any shape without a structure."""
    rng = np.random.default_rng(seed)
    return scipy.sparse.random_array(
        shape,
        density=density,
        rng=rng,
        dtype=dtype,
        data_sampler=lambda size: parts(rng, size, dtype),
    )


def parts(rng, size, dtype):
    found = rng.standard_normal(size)
    if np.dtype(dtype).kind == "c":
        found = found + 1j * rng.standard_normal(size)
    return found.astype(dtype)


def refuses(source, *texts, **options):
    with pytest.raises(MatrixError) as caught:
        load(source, **{"large": True} | options)
    message = str(caught.value)
    assert message.isprintable() and "; " in message
    for text in texts:
        assert text in message
    return message


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What is accepted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_small_one_is_the_array_that_it_stands_for(here, kind, compressed):
    a = draw((5, 3), density=0.5)
    scipy.sparse.save_npz("a.npz", a.asformat(kind), compressed=compressed)
    for options in ({}, {"large": True}, {"stack": True}):
        found = load("a.npz", **options)
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, a.toarray())
    np.testing.assert_array_equal(next(each("a.npz"))[1], a.toarray())


def test_rows_are_not_columns(here):
    """The two formats have members of the same names."""
    a = scipy.sparse.csc_array(np.triu(np.arange(1.0, 10).reshape(3, 3)))
    scipy.sparse.save_npz("a.npz", a)
    np.testing.assert_array_equal(load("a.npz"), a.toarray())


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_one_stays_as_it_is(here, kind, dtype):
    a = draw((N, N + 1), dtype=dtype)
    if kind == "dia":
        a = scipy.sparse.triu(scipy.sparse.tril(a, 9), -9)
    a = a.asformat(kind)
    scipy.sparse.save_npz("a.npz", a)
    for source in ("a.npz", a, scipy.sparse.csr_matrix(a)):
        found = load(source, large=True)
        # Of a csr_matrix a sum is a matrix again, and n numbers minus n others are n².
        assert type(found) is scipy.sparse.csr_array
        assert found.dtype == dtype and found.shape == a.shape
        assert abs(found - a).max() == 0
        assert not np.shares_memory(found.data, a.data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(5, 3), (N, N)])
def test_one_that_is_zero(here, kind, shape):
    scipy.sparse.save_npz("a.npz", scipy.sparse.coo_array(shape).asformat(kind))
    found = load("a.npz", large=True)
    assert found.shape == shape and abs(found).max() == 0


def test_other_numbers_become_doubles(here):
    for dtype in ("int32", "bool", "uint8", "longdouble"):
        a = scipy.sparse.eye_array(N + 1, dtype=dtype, format="csr")
        found = load(a, large=True)
        assert found.dtype == float and found.nnz == N + 1
    assert load(a, large=True, dtype="complex64").dtype == "complex64"


@pytest.mark.parametrize("kind", ["dia", "bsr", "lil", "dok"])
def test_of_scipy_any_format_is_taken(kind):
    a = scipy.sparse.eye_array(N).asformat(kind)
    assert abs(load(a, large=True) - a).max() == 0
    np.testing.assert_array_equal(load(scipy.sparse.eye_array(3).asformat(kind)), np.eye(3))


@pytest.mark.parametrize("symmetry", ["general", "symmetric", "skew-symmetric", "hermitian"])
@pytest.mark.parametrize("shape", [(6, 6), (N, N)])
def test_matrix_market_of_every_symmetry(here, symmetry, shape):
    g = draw(shape, dtype=complex if symmetry == "hermitian" else float, density=3 / shape[0])
    a = g
    if symmetry != "general":
        a = g - g.T if symmetry[1] == "k" else g + g.conj().T
    scipy.io.mmwrite("a.mtx", a.tocoo(), symmetry=symmetry, precision=17)
    found = load("a.mtx", large=True)
    assert isinstance(found, np.ndarray) == (shape[0] < N)
    assert abs(found - a).max() == 0


def test_a_pattern_and_entries_given_twice(here):
    banner = "%%MatrixMarket matrix coordinate"
    (here / "a.mtx").write_text(f"{banner} pattern general\n{N} {N} 2\n1 2\n% c\n\n{N} {N}\n")
    found = load("a.mtx", large=True).tocoo()
    assert [x.tolist() for x in found.coords] == [[0, N - 1], [1, N - 1]]
    assert found.data.tolist() == [1, 1]
    (here / "b.mtx").write_text(f"{banner} real general\n{N} {N} 2\n1 2 3\n1 2 4\n")
    found = load("b.mtx", large=True)
    assert (found.nnz, found[0, 1]) == (1, 7)


def test_it_has_a_name():
    assert describe(scipy.sparse.eye_array(N)) == f"a {N} × {N} matrix given inline"


# What is refused


def test_who_does_not_ask_for_it_gets_no_large_one(here):
    scipy.sparse.save_npz("a.npz", scipy.sparse.eye_array(N, format="csr"))
    for options in ({}, {"stack": True}):
        refuses("a.npz", f"a.npz: {N} × {N} entries, over the limit", large=False, **options)
    with pytest.raises(MatrixError, match="over the limit of 16777216; pass a smaller"):
        list(each("a.npz"))


@pytest.mark.parametrize(("bad", "shown"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_not_finite_is_named_with_its_place(here, bad, shown):
    a = scipy.sparse.eye_array(N).tolil()
    a[7, 4000] = bad
    for kind in KINDS:
        scipy.sparse.save_npz("a.npz", a.asformat(kind))
        refuses("a.npz", f"a.npz: row 8, column 4001: {shown}", "replace it")
    (here / "a.mtx").write_text(
        f"%%MatrixMarket matrix coordinate real general\n{N} {N} 2\n1 1 1\n2 1 {bad}\n"
    )
    refuses("a.mtx", f"a.mtx: line 4: {shown}")


@pytest.mark.parametrize(("largest", "way"), [(1e151, "large"), (1e-151, "small")])
def test_the_largest_entry_can_be_squared(largest, way):
    refuses(scipy.sparse.eye_array(N) * largest, f"its largest entry, too {way} to be squared")
    a = scipy.sparse.eye_array(N).tolil()
    a[2, 1] = 1e300
    refuses(a, "row 3, column 2: 1e+300 is too large for float32", dtype="float32")


def test_a_limit_of_what_is_stored_and_of_rows(here, monkeypatch):
    banner = "%%MatrixMarket matrix coordinate real general\n"
    (here / "a.mtx").write_text(f"{banner}20000000 3 1\n1 1 1\n")
    refuses("a.mtx", "20000000 × 3 entries, 1 of them stored, over the limit of 16777216")
    (here / "b.mtx").write_text(f"{banner}5000 5000 20000000\n1 1 1\n")
    refuses("b.mtx", "5000 × 5000 entries, 20000000 of them stored, over the limit")
    scipy.sparse.save_npz("c.npz", scipy.sparse.eye_array(N, format="csr"))
    monkeypatch.setattr(checks, "MAX_ENTRIES", N - 1)
    refuses("c.npz", "over the limit of 4099")
    refuses(scipy.sparse.eye_array(N), f"{N} × {N} entries, {N} of them stored, over the limit")


def test_entries_on_both_sides_of_a_large_one_are_named(here):
    banner = "%%MatrixMarket matrix coordinate real symmetric\n"
    (here / "a.mtx").write_text(f"{banner}{N} {N} 2\n1 2 1\n2 1 1\n")
    refuses("a.mtx", "line 4: a damaged .mtx file (symmetric, but with entries on both sides)")


class Trap:
    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def members(**changed):
    """The archive of a diagonal matrix, with other members in the place of some."""
    a = scipy.sparse.eye_array(N, format="csr")
    found = {"indices": a.indices, "indptr": a.indptr, "format": b"csr", "shape": a.shape}
    file = io.BytesIO()
    np.savez(file, **found | {"data": a.data} | changed)
    return file.getvalue()


INDICES, POINTERS = np.arange(N), np.arange(N + 1)
DAMAGED = {
    "a column too far": ({"indices": np.append(INDICES[:-1], N)}, "damaged"),
    "a column before the first": ({"indices": INDICES - 1}, "damaged"),
    "columns that wrap around": ({"indices": INDICES + 2**32}, "damaged"),
    "of 64 bits without a sign": (
        {"indices": np.append(INDICES[:-1].astype("u8"), np.uint64(2**64 - 1))},
        "damaged",
    ),
    "broken columns": ({"indices": INDICES + 0.5}, "no whole numbers in indices"),
    "too few columns": ({"indices": INDICES[1:]}, "damaged"),
    "columns in two dimensions": ({"indices": INDICES[:, None]}, "damaged"),
    "pointers that turn": ({"indptr": POINTERS[::-1]}, "damaged"),
    "pointers beyond the end": ({"indptr": POINTERS * 2}, "damaged"),
    "a row in the middle that ends too late": (
        {"indptr": np.where(POINTERS == 5, N + 9, POINTERS)},
        "damaged",
    ),
    "too few rows": ({"indptr": POINTERS[1:]}, "damaged"),
    "another shape": ({"shape": (N, 7)}, "damaged"),
    "no rows": ({"shape": (0, N)}, "damaged|empty"),
    "a negative shape": ({"shape": (-N, -N)}, "damaged"),
    "a shape of one number": ({"shape": N}, "damaged"),
    "a shape of three": ({"shape": (N, N, 1)}, "damaged"),
    "a shape of texts": ({"shape": ("a", "b")}, "holds str"),
    "data in two dimensions": ({"data": np.ones((N, 1))}, "damaged"),
    "data that are texts": ({"data": np.full(N, "x")}, "holds str"),
    "data that are pickled": ({"data": np.array([Trap()] * N)}, "pickled data is never read"),
    "a pickled format": ({"format": np.array(Trap())}, "pickled data is never read"),
    "an unknown format": ({"format": b"<b>\n"}, "damaged"),
    "a format that is a number": ({"format": 3}, "damaged"),
    "a format that SciPy has": ({"format": b"bsr"}, "damaged"),
    "one that is not saved": ({"format": b"dok"}, "damaged"),
    "diagonals of an odd number": ({"format": b"dia", "offsets": INDICES[:2]}, "damaged"),
    "broken diagonals": ({"format": b"dia", "offsets": np.ones(1)}, "no whole numbers in offsets"),
    "a diagonal of 64 bits": (
        {"format": b"dia", "data": np.ones((1, 9)), "offsets": [2**40]},
        "diagonals outside of any matrix",
    ),
    "blocks of which there is half a one": (
        {"format": b"bsr", "data": np.ones((1, 8, 4)), "indices": [0], "indptr": [0] * 512 + [1]},
        "damaged (blocks of 8 × 4)",
    ),
    "members that no one knows": ({f"x{i}": POINTERS for i in range(1000)}, "holds 1005 arrays"),
    "rows that are missing": ({"format": b"coo"}, "damaged"),
    "rows too far": (
        {"format": b"coo", "row": INDICES + 1, "col": INDICES},
        "damaged",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_members(here, what):
    changed, text = DAMAGED[what]
    (here / "a.npz").write_bytes(members(**changed))
    message = refuses("a.npz")
    assert any(part in message for part in text.split("|")), message
    assert not Trap.sprung


def test_a_member_given_twice(here):
    """Or without the suffix, which NumPy reads too."""
    for name in ("data.npy", "data"):
        content = io.BytesIO(members())
        with zipfile.ZipFile(content, "a") as archive, warnings.catch_warnings(action="ignore"):
            archive.writestr(name, archive.read("data.npy"))
        (here / "a.npz").write_bytes(content.getvalue())
        refuses("a.npz", "arrays (indices, indptr, format, shape, data")


def test_a_header_that_promises_too_much(here):
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(header, claim)
    content = io.BytesIO(members())
    with zipfile.ZipFile(content) as before, zipfile.ZipFile("a.npz", "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, header.getvalue() + bytes(99) if name == "data.npy" else data)
    refuses("a.npz", "1000000000000 entries, over the limit")


def test_half_a_file_and_spoilt_ones(here):
    content = members()
    for length in range(1, len(content), 5001):
        (here / "a.npz").write_bytes(content[:length])
        refuses("a.npz", "a damaged .npz file")
    rng = random.Random(0)
    for _ in range(200):
        spoilt = bytearray(content)
        spoilt[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (here / "a.npz").write_bytes(spoilt)
        try:
            found = load("a.npz", large=True)
        except MatrixError as error:
            assert str(error).isprintable()
        else:
            # What is not of the members, as a time.
            assert abs(found - scipy.sparse.eye_array(N)).max() == 0


def test_a_text_that_is_spoilt_is_refused_or_read(here):
    a = draw((N, N), density=1e-5)
    scipy.io.mmwrite("a.mtx", a, precision=17)
    content = (here / "a.mtx").read_bytes()
    rng, accepted = random.Random(1), 0
    for _ in range(200):
        spoilt, at = bytearray(content), rng.randrange(len(content))
        spoilt[at : at + rng.randrange(3)] = rng.choice([b"", b"9", b"-", b"\n", b"x", b"e", b"%"])
        (here / "a.mtx").write_bytes(spoilt)
        try:
            found = load("a.mtx", large=True)
        except MatrixError as error:
            assert str(error).isprintable()
        else:
            accepted += 1
            assert isinstance(found, np.ndarray) or np.isfinite(found.data).all()
    assert 0 < accepted < 200


def test_what_is_no_matrix_of_scipy():
    refuses(scipy.sparse.coo_array(np.ones(3)), "not a matrix")
    broken = scipy.sparse.eye_array(N, format="csr")
    broken.indices[3] = 10**6
    refuses(broken, "given inline: damaged (")


def test_more_arrays_than_those_are_no_sparse_matrix(here):
    np.savez("a.npz", data=np.eye(2), shape=np.eye(2))
    refuses("a.npz", "holds 2 arrays (data, shape)")


def test_the_number_of_matrices_in_a_file(here):
    scipy.sparse.save_npz("a.npz", scipy.sparse.eye_array(N, format="csr"))
    assert matrices.count("a.npz") == 1
