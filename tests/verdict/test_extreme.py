"""The first or the last value of a matrix that is too large for an array."""

import json

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

from spectralgrad import cli, frameworks, verdict
from spectralgrad.matrices import MatrixError
from spectralgrad.theory import krylov
from spectralgrad.verdict import extreme

#: Just too large for an array.
N = 4100


def path(n):
    """Second differences on a path, with zeros beyond its ends."""
    offsets = {-1: -np.ones(n - 1), 0: 2 * np.ones(n), 1: -np.ones(n - 1)}
    return scipy.sparse.diags_array(list(offsets.values()), offsets=list(offsets)).tocsr()


def path_values(n, k):
    return 2 - 2 * np.cos(np.pi * np.asarray(k) / (n + 1))


def path_vector(n, k):
    return np.sqrt(2 / (n + 1)) * np.sin(np.pi * k * np.arange(1, n + 1) / (n + 1))


def grid(m, n):
    """Second differences on a grid."""
    return (
        scipy.sparse.kron(path(m), scipy.sparse.eye_array(n))
        + scipy.sparse.kron(scipy.sparse.eye_array(m), path(n))
    ).tocsr()


def general(n, seed=0, dtype=float, each=4):
    """A Hermitian matrix in general position."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n * each)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(n * each)
    a = scipy.sparse.coo_array((values, rng.integers(0, n, (2, n * each))), shape=(n, n)).tocsr()
    return (a + a.conj().T).astype(dtype)


def rectangular(m, n, seed=0, each=3):
    rng = np.random.default_rng(seed)
    places = rng.integers(0, m, m * each), rng.integers(0, n, m * each)
    a = scipy.sparse.coo_array((rng.standard_normal(m * each), places), shape=(m, n))
    return (a + 20 * scipy.sparse.eye_array(m, n)).tocsr()


def ask(matrix, weights="first", **options):
    return verdict.check(matrix, weights=weights, frameworks="torch", **options)


def value(answered):
    """The value that f is."""
    valid = answered.valid
    return float(valid.values @ valid.weights)


# Closed forms


@pytest.mark.parametrize(("weights", "k"), [("first", [1, 2]), ("last", [N, N - 1])])
def test_both_ends_of_a_path(weights, k):
    answered = ask(path(N), weights)
    nearest = sorted(path_values(N, k))
    np.testing.assert_allclose(answered.valid.values, nearest, rtol=0, atol=1e-13)
    assert answered.valid.differentiable and answered.valid.weights.tolist() in ([1, 0], [0, 1])
    assert value(answered) == pytest.approx(path_values(N, k[0]), abs=1e-13)
    x, v = path_vector(N, k[0]), answered.gradient.left[:, 0]
    wrong = np.sqrt(2) * np.linalg.norm(x * np.sign(x @ v) - v)
    # The gap takes six digits of sixteen, and leaves the others.
    assert wrong < answered.allowed < 1e-7
    assert np.array_equal(answered.gradient.left, answered.gradient.right)
    assert answered.digits >= 7


@pytest.mark.parametrize("scale", [1e-140, 1e-6, 1e6, 1e140])
def test_a_grid_of_any_scale(scale):
    answered = ask(grid(64, 65) * scale)
    expected = (path_values(64, 1) + path_values(65, 1)) * scale
    assert value(answered) == pytest.approx(expected, rel=1e-11)
    assert answered.valid.differentiable and answered.digits >= 9


def test_the_laplacian_of_a_graph_whose_smallest_value_is_where_its_circles_end():
    a = path(N).tolil()
    a[0, 0] = a[N - 1, N - 1] = 1
    answered = ask(a)
    assert value(answered) == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(answered.gradient.left**2, 1 / N, rtol=1e-7)


# Ties


@pytest.mark.parametrize("weights", ["first", "last"])
@pytest.mark.parametrize(
    "block",
    [general(2100, 1), general(2100, 2, complex), grid(42, 50), general(2100, 3) * 1e-6],
    ids=["general", "complex", "grid", "small"],
)
def test_two_copies_of_a_block_have_no_gradient(block, weights):
    answered = ask(scipy.sparse.block_diag([block, block], format="csr"), weights)
    assert not answered.valid.differentiable
    assert answered.gradient is None and answered.digits == 0
    pair = "λ₁ and λ₂" if weights == "first" else "λ₄₁₉₉ and λ₄₂₀₀"
    assert answered.reason.startswith("f is not differentiable at this matrix: to a relative tol")
    assert f"{pair} are equal, and f treats them differently" in answered.reason


@pytest.mark.parametrize("seed", [8, 22, 27, 29])
def test_a_copy_that_one_run_of_lanczos_overlooks(seed):
    """Of these, ARPACK finds the two highest values, and not that the higher one is double."""
    rng, block = np.random.default_rng(seed), general(2100, seed, each=1)
    block = block / abs(block).sum(axis=1).max()
    for top in (10, 9.9):
        q = scipy.sparse.random_array((2100, 1), density=0.01, rng=rng)
        block = block + top * (q @ q.T) / q.power(2).sum()
    answered = ask(scipy.sparse.block_diag([block, block], format="csr"), "last")
    assert not answered.valid.differentiable


@pytest.mark.parametrize(("far", "tied"), [(1e-8, False), (1e-14, True)])
def test_near_to_a_tie(far, tied):
    block = general(2100, 1)
    moved = block + far * scipy.sparse.eye_array(2100)
    answered = ask(scipy.sparse.block_diag([block, moved], format="csr"))
    assert answered.valid.differentiable != tied
    assert tied or 5 <= answered.digits <= 8
    if not tied:
        assert np.diff(answered.valid.values) == pytest.approx(far, rel=1e-5)
        assert not ask(answered.matrix, rtol=1e-7).valid.differentiable


# Singular values


@pytest.mark.parametrize("weights", ["first", "last"])
@pytest.mark.parametrize("shape", [(20_000, 900), (900, 20_000)])
def test_singular_values_against_those_of_an_array(shape, weights):
    a = rectangular(*shape)
    answered = ask(a, weights)
    expected = scipy.linalg.svdvals((a @ a.T if shape[0] < shape[1] else a.T @ a).toarray()) ** 0.5
    expected = expected[-2:] if weights == "last" else expected[:2]
    np.testing.assert_allclose(answered.valid.values, expected, rtol=1e-10)
    g = answered.gradient
    assert (g.left.shape, g.right.shape) == ((shape[0], 1), (shape[1], 1))
    assert np.linalg.norm(a @ g.right - value(answered) * g.left) < 1e-9
    assert np.linalg.norm(a.T @ g.left - value(answered) * g.right) < 1e-9
    assert np.linalg.norm(g.left) == pytest.approx(1, abs=1e-9)
    assert answered.digits >= 9


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize(("weights", "k"), [("first", [N, N - 1]), ("last", [2, 1])])
def test_those_of_differences(weights, k, scale):
    a = scale * (scipy.sparse.eye_array(N) - scipy.sparse.eye_array(N, k=-1))
    answered = ask(a, weights)
    expected = 2 * scale * np.sin((2 * np.array(k) - 1) * np.pi / (4 * N + 2))
    np.testing.assert_allclose(answered.valid.values, expected, rtol=1e-8)
    at = k[0] if weights == "first" else 1
    x = np.cos((2 * at - 1) * np.pi * (np.arange(N) + 0.5) / (2 * N + 1))
    x = x / np.linalg.norm(x)
    for expected, found in ((x, answered.gradient.left), (x[::-1], answered.gradient.right)):
        wrong = expected * np.sign(expected @ found) - found[:, 0]
        assert np.linalg.norm(wrong) < answered.allowed < 1e-5


def test_one_that_lacks_a_rank():
    a = rectangular(4200, 4000).tolil()
    a[:, [7]] = a[:, [3999]]
    answered = ask(a, "last", problem="svd")
    assert value(answered) == 0
    assert not answered.valid.differentiable
    assert "σ₄₀₀₀ is zero, and f depends on it" in answered.reason
    assert ask(a, "first").valid.differentiable


def test_one_row_of_many_entries():
    row = scipy.sparse.csr_array(np.random.default_rng(0).standard_normal((1, 4000)))
    a = scipy.sparse.vstack([rectangular(4200, 4000), 10 * row], format="csr")
    assert value(ask(a)) == pytest.approx(np.linalg.norm(10 * row.toarray()), rel=0.01)


def test_a_product_of_too_many_entries_is_not_made():
    wide = scipy.sparse.csr_array(np.ones((1, 9000)))
    a = scipy.sparse.vstack([scipy.sparse.eye_array(9001, 9000), wide], format="csr")
    with pytest.raises(MatrixError, match="may have too many entries; give the weights first"):
        ask(a, "last", problem="svd")


# Precision


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision(dtype):
    a = general(N, 5, dtype)
    answered, double = ask(a), ask(a.astype(np.result_type(dtype, float)))
    assert str(answered.matrix.dtype) == dtype
    assert value(answered) == pytest.approx(value(double), rel=1e-12)
    assert answered.digits == 6 < double.digits
    assert answered.allowed > 8e-7
    # A gap that single precision does not tell.
    assert not ask(path(N).astype("float32")).valid.differentiable


# What cannot be asked


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "sum"},
        {"weights": "auto", "problem": "svd"},
        {"weights": "auto", "of": "vectors"},
        {"weights": [1.0] * N},
        {"weights": [0.0] * (N - 1) + [2.0]},
        {"weights": [0.0, 1.0] + [0.0] * (N - 2)},
    ],
)
def test_more_than_one_value_is_refused(options):
    with pytest.raises(
        MatrixError, match="too large for more than the first or the last"
    ) as caught:
        ask(path(N), **options)
    assert str(caught.value).endswith("ask for values, and give the weights first, or last")
    assert len(str(caught.value)) < 300


def test_a_list_may_name_the_first_value():
    assert value(ask(path(N), [1.0] + [0.0] * (N - 1))) == value(ask(path(N)))


def test_what_is_not_hermitian_is_named_or_has_singular_values():
    a = general(N).tolil()
    a[3, 4] = 5
    with pytest.raises(MatrixError, match=r"row 4, column 5: holds 5\.0, and its mirror image is"):
        ask(a, problem="eigh")
    assert ask(a).valid.problem == "svd"
    mended = ask(a, symmetrize=True)
    assert mended.valid.problem == "eigh"
    assert abs(mended.matrix - mended.matrix.T).max() == 0
    assert ask(general(N) + 1e-16 * scipy.sparse.eye_array(N, k=1)).valid.problem == "eigh"
    with pytest.raises(MatrixError, match="4200 × 4000; eigenvalues of a Hermitian matrix need"):
        ask(rectangular(4200, 4000), problem="eigh")


@pytest.mark.parametrize("a", [scipy.sparse.csr_array((N, N)), scipy.sparse.eye_array(N)])
def test_what_is_not_found_is_one_line(a):
    with pytest.raises(MatrixError, match="its smallest value is not found") as caught:
        ask(a)
    assert str(caught.value).isprintable()


def test_a_solver_that_stops_early_gives_no_number(monkeypatch):
    def stops(*_, **__):
        raise krylov.ConvergenceError("too early; do it")

    monkeypatch.setattr(krylov, "eigen", stops)
    with pytest.raises(MatrixError, match=r"is not found \(too early\); help spectralgrad.theory"):
        ask(path(N))


def test_another_way_is_tried_if_there_is_room(monkeypatch):
    asked = []

    def stops(_, __, where, **___):
        asked.append(where)
        raise MemoryError

    monkeypatch.setattr(krylov, "eigen", stops)
    for most in (extreme._MOST_WORK, 10):
        monkeypatch.setattr(extreme, "_MOST_WORK", most)
        with pytest.raises(MatrixError, match="MemoryError"):
            ask(path(N))
    first, number, last, *tight = asked
    assert (first, last) == ("smallest", "smallest") and number < 0
    assert tight == ["smallest", "smallest"]


def test_the_work_of_a_factorisation_is_that_within_an_envelope():
    assert extreme._work(path(N)) == N - 1
    shuffled = np.random.default_rng(0).permutation(N)
    assert extreme._work(path(N)[shuffled][:, shuffled].tocsr()) == N - 1
    assert 1e6 < extreme._work(grid(40, 100)) < 1e7 < 1e9 < extreme._work(general(N))


# What is said


def test_a_small_sparse_matrix_is_asked_as_an_array():
    a = path(5)
    answered = verdict.check(a, frameworks="autograd")
    assert isinstance(answered.matrix, np.ndarray)
    assert answered.valid.values == pytest.approx(path_values(5, range(1, 6)))


def test_every_framework_refuses_with_the_room_that_it_would_need():
    answered = verdict.check(path(20_000), frameworks="torch,jax")
    assert list(answered.answers) == ["torch", "jax"]
    for answer in answered.answers.values():
        assert (answer.verdict, answer.version, answer.gradient) == ("unsupported", "", None)
        assert answer.message == (
            "its eigh and svd take arrays: as one, this needs 3.2 GB, and its gradient as much"
        )
    large = scipy.sparse.csr_array((10**6, 10**6), dtype="float32")
    assert "needs 4.0 TB" in extreme.refusal(large)


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_that_is_so(name):
    """None of them decomposes a sparse matrix of its own."""
    pytest.importorskip(name)
    a = path(5)
    if name == "autograd":
        from autograd.numpy.linalg import eigh
    elif name == "torch":
        import torch

        a = torch.eye(5).to_sparse()
        eigh = torch.linalg.eigh
    elif name == "tensorflow":
        import tensorflow as tf

        a, eigh = tf.sparse.eye(5), tf.linalg.eigh
    else:
        from jax.experimental import sparse
        from jax.numpy.linalg import eigh

        a = sparse.BCOO.fromdense(np.eye(5))
    # Each has an error of its own for that.
    with pytest.raises(Exception):  # noqa: B017, PT011
        eigh(a)


def test_the_command_says_it_in_the_usual_words(tmp_path, capsys):
    file = tmp_path / "a.npz"
    scipy.sparse.save_npz(file, grid(64, 65))
    assert cli.main(["check", str(file), "--weights", "first"]) == 0
    head, reason, trust, empty, _, *rows = capsys.readouterr().out.splitlines()
    assert (
        head
        == f"{file}: 4160 × 4160, 20542 entries, float64. f is the smallest of 4160 eigenvalues."
    )
    assert reason.startswith("f is differentiable at this matrix: to a relative tolerance of ")
    assert "λ₁ is 6.8e-03 from the next, with a residual of " in reason
    assert trust.startswith("In float64, 1") and trust.endswith(
        " of 15 digits of an answer can be trusted."
    )
    assert empty == ""
    assert [row.split()[:3] for row in rows[:4]] == [
        [title, "–", "unsupported"] for title in frameworks.TITLES.values()
    ]
    assert "TensorFlow: its eigh and svd take arrays: as one, this needs 0.1 GB" in "\n".join(rows)
    assert rows[-2] == "autograd, PyTorch, TensorFlow and JAX refuse."
    assert rows[-1].startswith(
        "What to do: Use the gradient from theory, in two factors: spectralgrad"
    )


def test_so_it_does_of_a_tie(tmp_path, capsys):
    file = tmp_path / "a.npz"
    block = general(2100)
    scipy.sparse.save_npz(file, scipy.sparse.block_diag([block, block], format="csr"))
    assert cli.main(["check", str(file), "--weights", "last"]) == 0
    out = capsys.readouterr().out
    assert "f is the largest of 4200 eigenvalues." in out
    assert "λ₄₁₉₉ and λ₄₂₀₀ are equal, and f treats them differently." in out
    # Where there is no gradient, nothing is said of its digits, nor a number made up.
    assert "can be trusted" not in out
    assert (
        "What to do: Do not differentiate this value, but what treats it and its equals alike"
        in out
    )


def test_the_same_keys_are_in_the_json(tmp_path, capsys):
    file = tmp_path / "a.npz"
    scipy.sparse.save_npz(file, path(N))
    assert cli.main(["check", str(file), "--json", "--frameworks", "torch"]) == 0
    found = json.loads(capsys.readouterr().out)
    small = verdict.check(path(5), frameworks="torch").to_dict()
    assert list(found) == list(small)
    assert list(found["frameworks"]["torch"]) == list(small["frameworks"]["torch"])
    assert found["shape"] == [N, N] and found["weights"] == [1, 0]
    assert found["spectrum"] == pytest.approx(path_values(N, [1, 2]))
    assert [cluster["indices"] for cluster in found["clusters"]] == [[0], [1]]
    assert (found["near"], found["vector_digits"], found["regimes"]) == (None, None, [])
    v = np.array(found["gradient"]["left"])[:, 0]
    assert abs(v @ path_vector(N, 1)) == pytest.approx(1)
    assert found["gradient"]["left"] == found["gradient"]["right"]
    assert found["frameworks"]["torch"]["verdict"] == "unsupported"


def test_that_of_a_complex_tie_is_strict_too(tmp_path):
    block = general(2100, 2, complex)
    found = ask(scipy.sparse.block_diag([block, block], format="csr")).to_dict()
    assert found["gradient"] is None and found["allowed"] is None
    json.dumps(found, allow_nan=False)
    found = ask(general(N, 2, complex)).to_dict()
    assert len(found["gradient"]["left"][0][0]) == 2
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    "asked",
    [
        ["check", "a.npz", "--weights", "sum"],
        ["check", "a.npz", "--of", "vectors"],
        ["check", "a.npz", "--function", "f.py:f"],
        ["check", "a.npz", "--loss", "f.py:f", "--problem", "eigh"],
    ],
)
def test_other_questions_are_one_line(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scipy.sparse.save_npz("a.npz", path(N))
    (tmp_path / "f.py").write_text("def f(a):\n    return a\n")
    assert cli.main(asked) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("spectralgrad: a.npz: ")
