"""Execute the chapters with papermill, as a reader does, and hold what they say against truth."""

import re

import numpy as np
import pytest
from executing import KERNEL, execute, execute_afresh, shown
from writing import write_chapter

from spectralgrad.book import building, reporting


def symmetric_matrix(n, dtype=float):
    a = np.random.default_rng(n).standard_normal((n, n))
    return (a + a.T).astype(dtype)


def hermitian_matrix(n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return a + a.conj().T


SVD_MATRICES = {
    "1x1": np.array([[-2.0]]),
    "2x2": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "50x50": symmetric_matrix(50),
    "wide": np.random.default_rng(1).standard_normal((3, 6)),
    "tall-deficient": np.outer(np.arange(1.0, 6.0), [1.0, 2.0, 3.0]),
    "identity": np.eye(4),
    "zero": np.zeros((3, 3)),
    "complex": np.outer([1, 1j, 2], [1, 1j, 0]),
}


IN_DOUBLE = ("wide", "complex")
SVD_CASES = [(name, "auto" if name in IN_DOUBLE else "float32") for name in SVD_MATRICES]


@pytest.mark.parametrize(("name", "dtype"), SVD_CASES)
def test_svd_example_with_other_matrices(name, dtype, tmp_path):
    matrix = SVD_MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("svd_example", tmp_path, matrix="my.npy", dtype=dtype)
    rank = np.linalg.matrix_rank(matrix)
    full = rank == min(matrix.shape)
    assert facts["name"] == ("article-2x2" if name == "2x2" else None)
    assert facts["rank"] == rank
    assert facts["differentiable"] == full
    assert set(facts["verdicts"].values()) == {"agrees" if full else "subgradient"}
    titles = [t.split()[0] for t in facts["conjugated"]]
    assert titles == (["autograd", "JAX"] if name == "complex" else [])
    # The sentences, against the rank that NumPy finds.
    assert ("f is differentiable at this matrix" in text) == full
    assert ("f is not differentiable" in text) == (not full)
    assert ("f has a kink here" in text) == (not full)
    assert ("has full rank" in facts["orthogonality"]) == full
    assert ("all of its singular values are 1, to" in facts["orthogonality"]) == (not full)
    assert "post's: there is nothing to compare with" in text
    # A matrix of float64 is computed in float64, unless the reader says otherwise.
    double = "float64" if name != "complex" else "complex128"
    assert (facts["dtype"] == double) == (dtype == "auto")
    assert ("compute in double precision, whatever they are given" in text) == (dtype == "float32")
    assert facts["digits"] == []
    slopes = np.array(facts["slopes"])
    assert slopes[:, 0] == pytest.approx(slopes[:, 1], abs=1e-4)
    # Whatever the page was given, the post's second matrix has its one answer.
    assert all(facts["statements"].values())


def rotated(values):
    """A symmetric matrix with these eigenvalues."""
    q = np.linalg.qr(np.random.default_rng(7).standard_normal((len(values), len(values))))[0]
    matrix = (q * np.array(values)) @ q.T
    return (matrix + matrix.T) / 2


def test_svd_example_where_no_step_shows_the_slope(tmp_path):
    np.save(tmp_path / "my.npy", rotated([1e-12, 1.0, 2.0, 3.0]))
    facts, text, _ = execute("svd_example", tmp_path, matrix="my.npy", dtype="float64")
    assert facts["differentiable"]
    assert set(facts["verdicts"].values()) == {"agrees"}
    assert "The two slopes are opposite, as a gradient requires. The finite differences" in text
    assert "as far as that can be told" in text


def test_eigh_example_at_a_near_tie(tmp_path):
    """Rounding errors turn the eigenvector; the form of a gradient shows in spite of them."""
    np.save(tmp_path / "my.npy", rotated([1.0, 1.0 + 1e-12, 2.0, 3.0]))
    facts, text, _ = execute("eigh_example", tmp_path, matrix="my.npy")
    assert facts["differentiable"]
    assert set(facts["verdicts"].values()) == {"agrees"}
    forms = {n.split()[0]: conventions for n, conventions in facts["conventions"].items()}
    assert forms["PyTorch"] == forms["JAX"] == ["symmetric"]
    assert forms["TensorFlow"] == forms["autograd"] == ["lower"]
    assert "as far as that can be told" in text
    assert "No descent" in text
    off = abs(np.subtract(*facts["derivative"]))
    assert ("the nearest other eigenvalue is only" in text) == (off > 1e-4)


def test_svd_example_as_published(tmp_path):
    facts, text, _ = execute("svd_example", tmp_path)
    assert (facts["name"], facts["dtype"]) == ("blog-rank-2", "float32")
    assert (facts["rank"], facts["differentiable"]) == (2, False)
    assert set(facts["verdicts"].values()) == {"subgradient"}
    assert len(facts["verdicts"]) == 6
    assert len(facts["digits"]) == 4
    # The numbers of the post come after all others.
    before, after = text.split(facts["digits"][0])
    assert "(printed)" not in before
    assert "autograd (printed) and TensorFlow (printed) return valid answers." in after
    assert "all of its singular values are 1, to the accuracy" in facts["orthogonality"]
    determinants = facts["determinants"]
    assert determinants["autograd (printed)"] == pytest.approx(1, abs=1e-3)
    assert determinants["TensorFlow (printed)"] == pytest.approx(-1, abs=1e-3)
    assert {round(abs(d), 3) for d in determinants.values()} == {1.0}


def test_the_sentence_about_printed_digits_follows_the_precision(tmp_path):
    """In float64 no library repeats the noise that float32 printed."""
    facts, _, _ = execute("svd_example", tmp_path, dtype="float64")
    about_tensorflow = [s for s in facts["digits"] if s.startswith("TensorFlow")]
    assert all("differs from the printed" in sentence for sentence in about_tensorflow)


def test_a_gradient_printed_for_another_function_is_not_compared(tmp_path):
    """The question prints gradients of an eigenvalue; this chapter is about singular values."""
    facts, text, _ = execute("svd_example", tmp_path, matrix="stack-overflow")
    assert (facts["name"], facts["dtype"]) == ("stack-overflow", "float64")
    assert not [n for n in facts["verdicts"] if "printed" in n]
    assert "there is nothing to compare with" in text


def test_where_anything_would_pass_there_is_no_verdict(tmp_path):
    np.save(tmp_path / "my.npy", rotated([1.0, 1.0 + 1e-13, 2.0, 3.0]))
    _, text, cells = execute("eigh_example", tmp_path, matrix="my.npy")
    assert "There is no verdict on any of them: at this matrix rounding errors alone" in text
    assert "undecided" in str(cells)
    assert "return the gradient" not in text


def test_nearly_diagonal_is_not_called_diagonal(tmp_path):
    _, text, _ = execute("eigh_example", tmp_path, matrix="[[1, 1e-9], [1e-9, 2]]")
    assert "The doubled form is off by" in text
    assert "is diagonal here" not in text


def test_svd_example_with_the_other_published_matrix(tmp_path):
    facts, text, _ = execute("svd_example", tmp_path, matrix="blog-full-rank")
    assert facts["differentiable"]
    assert facts["dtype"] == "float32"
    assert set(facts["verdicts"].values()) == {"agrees"}
    assert len(facts["digits"]) == 4
    assert all("meets every printed digit" in sentence for sentence in facts["digits"])
    assert "f is not differentiable" not in text


EIGH_MATRICES = {
    "1x1": (np.array([[-2.0]]), 0),
    "diagonal": (np.diag([3.0, 1.0, 2.0]), 1),
    "50x50": (symmetric_matrix(50), 25),
    "float32": (symmetric_matrix(5, np.float32), -1),
    "zero": (np.zeros((3, 3)), 1),
    "rank-1": (np.ones((4, 4)), 0),
    "rank-1-last": (np.ones((4, 4)), -1),
    "hermitian": (hermitian_matrix(4), 1),
}


@pytest.mark.parametrize("name", EIGH_MATRICES)
def test_eigh_example_with_other_matrices(name, tmp_path):
    matrix, index = EIGH_MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("eigh_example", tmp_path, matrix="my.npy", eigenvalue=index)
    values = np.linalg.eigvalsh(matrix.astype(complex))
    k = index % len(values)
    simple = np.sum(np.abs(values - values[k]) < 1e-5) == 1
    diagonal = np.abs(matrix - np.diag(np.diag(matrix))).max() == 0
    assert facts["index"] == k
    assert facts["differentiable"] == simple
    assert set(facts["verdicts"].values()) == {"agrees" if simple else "subgradient"}
    assert ("f is differentiable" in text) == simple
    assert ("f is not differentiable" in text) == (not simple)
    assert ("They need not agree" in text) == (not simple)
    assert ("has no derivative here" in text) == (not simple)
    assert len(facts["conjugated"]) == (2 if name == "hermitian" else 0)
    for title, conventions in facts["conventions"].items():
        one = "symmetric" if title.split()[0] in ("PyTorch", "JAX") else "lower"
        if diagonal:
            assert conventions == ["symmetric", "lower", "upper"]
        elif simple:
            assert conventions == [one]
    assert facts["changes"] == []
    assert "not those of the question" in text
    assert facts["symeig"].startswith("RuntimeError: This function was deprecated")
    # The descent, and the sentence about it, from the definition of the runs.
    assert bool(facts["same"]) == simple
    if simple:
        alike = {"symmetric", "lower, then symmetrised"}
        assert {n for n, s in facts["same"].items() if s} == (
            set(facts["same"]) if diagonal else alike
        )
        others = np.delete(values, k)
        gap = np.abs(others - values[k]).min() if others.size else np.abs(values[k])
        assert facts["distance"]["symmetric"] == pytest.approx(gap / 4, rel=1e-4)
        assert max(facts["missed"].values()) < 1e-4 * gap
        assert ("farther from the start" in facts["descent"]) == (not diagonal)
        # df is what the three conventions have in common and the doubled form has not.
        slopes = facts["slopes"]
        assert slopes["lower"] == pytest.approx(slopes["symmetric"], abs=1e-5)
        assert slopes["upper"] == pytest.approx(slopes["symmetric"], abs=1e-5)
        assert facts["derivative"][0] == pytest.approx(facts["derivative"][1], abs=1e-4)
        assert ("So does the doubled form" in text) == diagonal
    else:
        assert "No descent" in text


def test_eigh_example_as_published(tmp_path):
    facts, _, _ = execute("eigh_example", tmp_path)
    assert facts["name"] == "stack-overflow"
    assert set(facts["verdicts"].values()) == {"agrees"}
    assert facts["conventions"]["PyTorch 1.0.1 (printed)"] == ["upper"]
    assert facts["conventions"]["TensorFlow 1.14.0 (printed)"] == ["lower"]
    torch_change, tensorflow_change = facts["changes"]
    assert "“upper”; the gradient of PyTorch" in torch_change
    assert "is in “symmetric”" in torch_change
    assert "“lower”, and so is the gradient of TensorFlow" in tensorflow_change
    assert set(map(tuple, facts["symmetrised"].values())) == {("agrees", "symmetric")}
    assert facts["slopes"]["symmetric"] == pytest.approx(facts["derivative"][1], abs=1e-6)


def test_another_eigenvalue_of_the_published_matrix_is_not_compared_with_print(tmp_path):
    facts, text, _ = execute("eigh_example", tmp_path, eigenvalue=1)
    assert facts["changes"] == []
    assert not [n for n in facts["verdicts"] if "printed" in n]
    assert "not those of the question" in text


def test_an_inline_list_and_a_csv(tmp_path):
    """By both routes of `executing`: one kernel for all pages makes of them what papermill does."""
    facts, text, _ = execute("svd_example", tmp_path, matrix="[[2, 1], [1, 3]]", dtype="float32")
    assert facts["shape"] == [2, 2]
    assert "a 2 &#215; 2 matrix" in text or "a 2 × 2 matrix given inline" in text
    (tmp_path / "my.csv").write_text("1,2,3\n2,5,6\n3,6,7\n", encoding="utf-8")
    parameters = {"matrix": "my.csv", "eigenvalue": -1}
    facts, text, cells = execute_afresh("eigh_example", tmp_path, **parameters)
    assert (facts["shape"], facts["index"]) == ([3, 3], 2)
    assert "my&#46;csv" in text
    *again, cells_again = execute("eigh_example", tmp_path, **parameters)
    assert again == [facts, text]
    assert list(shown(cells_again)) == list(shown(cells))


SET = """
import os, warnings
import jax, matplotlib.pyplot as plt, mpmath, numpy as np, pandas as pd, torch
left = os.environ["LEFT"] = "over"
os.chdir("/")
np.set_printoptions(precision=2)
np.seterr(divide="ignore")
pd.set_option("display.max_rows", 3)
plt.rcParams["font.size"] = 30
jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.set_printoptions(precision=2)
torch.manual_seed(1)
mpmath.mp.dps = 50
warnings.simplefilter("ignore")
"""
SHOW = """
import json, os
import jax, matplotlib.pyplot as plt, mpmath, numpy as np, pandas as pd, torch
print(
    *("left" in globals(), "LEFT" in os.environ, os.getcwd()),
    *(np.array([1 / 3]), np.geterr()["divide"], pd.get_option("display.max_rows")),
    *(plt.rcParams["font.size"], jax.config.jax_enable_x64, mpmath.mp.dps),
    *(torch.get_default_dtype(), torch.is_grad_enabled(), torch.tensor(1 / 3), torch.rand(1)),
    sep="\\n",
)
exec("import warnings; warnings.warn('once a place')", vars(json))
"""


def test_one_page_leaves_nothing_to_the_next(small_book, tmp_path):
    """Each line that the second page prints differs; the kernel is as new for the third."""
    write_chapter(small_book, "one", SHOW)
    write_chapter(small_book, "two", SET, SHOW)
    before, during, after = (
        "".join(text for text, _ in shown(KERNEL.execute(path, tmp_path, {"matrix": "[[1]]"})))
        for path in (building.chapters()[name] for name in ("one", "two", "one"))
    )
    assert before == after
    assert "UserWarning: once a place" in after
    lines = zip(before.splitlines(), during.splitlines(), strict=False)
    assert all(old != new for old, new in lines)


def test_a_page_that_fails_is_reported_with_its_traceback(small_book, tmp_path):
    write_chapter(small_book, "one", "lost = 1", "lost / 0")
    with pytest.raises(AssertionError, match=r"one.ipynb: (.|\n)*ZeroDivisionError"):
        KERNEL.execute(building.chapters()["one"], tmp_path, {"matrix": "[[1]]"})


THEORY_MATRICES = {
    "1x1": np.array([[-2.0]]),
    "diagonal": np.diag([3.0, 1.0, 2.0]),
    "25x25": symmetric_matrix(25),
    # Its decomposition is exact, so that tied eigenvalues are equal.
    "identity": np.eye(2),
    "hermitian": hermitian_matrix(4),
    "large": 1e100 * symmetric_matrix(3),
}


def check_comparisons(facts, largest=20):
    """Each gradient against finite differences and, unless the matrix is large, 50 digits."""
    for name, (formula, difference) in facts["differences"].items():
        assert formula == pytest.approx(difference, rel=1e-5, abs=1e-9 * abs(formula) + 1e-12), name
    errors = list(facts["checks"].values())
    if max(facts["shape"]) > largest:
        assert errors == [None] * len(errors)
    else:
        assert max(errors) < 1e-14 / min(facts.get("gap", 1.0), 1.0)


@pytest.mark.parametrize("name", [n for n in THEORY_MATRICES if n != "diagonal"])
def test_theory_eigen(name, tmp_path):
    matrix = THEORY_MATRICES[name]
    n, is_complex = len(matrix), np.iscomplexobj(matrix)
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("theory_eigen", tmp_path, matrix="my.npy", eigenvalue=-1)
    assert facts["index"] == n - 1
    assert facts["moved"] == (name == "identity")
    assert ("the page goes on with the matrix" in text) == facts["moved"]
    assert ("too large for 50 digits" in text) == (n > 20)
    check_comparisons(facts)
    second, difference, error = facts["second"]
    assert abs(second - difference) <= 50 * error + 1e-9 * abs(second)
    # Along a line, the largest eigenvalue bends upwards.
    assert second >= 0
    # A sign does not show in one cotangent; this phase does, and both show in another basis.
    assert facts["one_call"].startswith("GaugeError" if is_complex else "no objection")
    assert facts["in_other_bases"].startswith("no objection" if n == 1 else "GaugeError")
    for answer in ("invariant_vjp", "function_vjp"):
        assert facts["tie"][answer] < 1e-13
    assert facts["one_pullback"].startswith("no objection" if n == 1 else "GaugeError")
    assert facts["worst"]["divided differences"] < 1e-14
    if n > 1:
        assert 1e-10 < facts["crossing"] < 1e-6
        assert facts["worst"]["divide by the gap"] > 1e6 * facts["worst"]["divided differences"]
    if name == "identity":
        assert facts["tie"]["PyTorch, through eigh"] is None
        assert "PyTorch, through eigh: not finite" in text


SVD_THEORY = {
    "1x1": np.array([[-2.0]]),
    "wide": np.random.default_rng(1).standard_normal((3, 6)),
    "tall-deficient": np.outer(np.arange(1.0, 6.0), [1.0, 2.0, 3.0]),
    "complex": hermitian_matrix(3),
    "tall-complex": hermitian_matrix(5)[:, :2],
    "25x22": symmetric_matrix(25)[:, :22],
    "large": 1e100 * symmetric_matrix(3),
}


@pytest.mark.parametrize("name", SVD_THEORY)
def test_theory_svd(name, tmp_path):
    matrix = SVD_THEORY[name]
    m, k = len(matrix), min(matrix.shape)
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("theory_svd", tmp_path, matrix="my.npy")
    assert facts["moved"] == (name == "tall-deficient")
    assert ("the page goes on with the matrix" in text) == facts["moved"]
    check_comparisons(facts)
    square = np.arange(9.0).reshape(3, 3)
    assert np.array(facts["at_identity"]) == pytest.approx((square - square.T) / 2)
    # The sum of all entries of U depends on signs, unless U is 1 × 1.
    assert facts["in_other_bases"].startswith("no objection" if m == 1 else "GaugeError")
    # A left null vector is free but for its phase if the thin decomposition holds all of them.
    free = m > k or np.iscomplexobj(matrix)
    assert facts["last_column"].startswith("GaugeError" if free else "no objection")
    assert ("one vector of many" in text) == (m > k)
    assert ("determined up to its sign" in text) == (not free)
    assert ("up to its phase" in text) == (free and m == k)
    assert max(facts["blocks"].values()) < 1e-13
    assert facts["one_pullback"].startswith("no objection" if k == 1 else "GaugeError")
    assert facts["polar"]["polar factor"] < 1e-13
    if name in ("wide", "complex", "large"):
        assert facts["polar"]["through svd"] > 1e-4


@pytest.mark.parametrize("name", ["1x1", "diagonal", "25x25", "hermitian"])
def test_theory_symmetric(name, tmp_path):
    matrix = THEORY_MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, _, _ = execute("theory_symmetric", tmp_path, matrix="my.npy", eigenvalue=0)
    diagonal = np.abs(matrix - np.diag(np.diag(matrix))).max() == 0
    assert facts["moved"] == (name == "identity")
    check_comparisons(facts | {"differences": {}})
    # Programs that read one triangle, or both, return what the theorem says.
    assert list(facts["distance"]) == ([] if len(matrix) > 20 else ["lower", "symmetric"])
    assert max(facts["distance"].values(), default=0.0) < 1e-13
    names = ["symmetric", "lower", "upper"]
    for form in names:
        assert facts["misses"][form] < 1e-14
        assert facts["recognised"][form] == (names if diagonal else [form])
    assert (facts["misses"]["doubled"] > 1e-6) == (not diagonal)
    assert facts["recognised"]["doubled"] == (names if diagonal else ["symmetric"])
    # What each framework reads, and what it returns, which does not follow from it.
    n = len(matrix)
    reads = {name: read for name, (read, _) in facts["behaviour"].items()}
    both, lower = ("lower and upper", "lower") if n > 1 else ("", "")
    assert reads == {"autograd": lower, "torch": lower, "tensorflow": lower, "jax": both}
    forms = {name: form for name, (_, form) in facts["behaviour"].items()}
    one = {"autograd": "lower", "torch": "symmetric", "tensorflow": "lower", "jax": "symmetric"}
    assert forms == {name: names if diagonal else [form] for name, form in one.items()}
    sizes = facts["sizes"]
    assert sizes["lower"] == pytest.approx(sizes["upper"])
    assert 1 - 1e-12 <= sizes["lower"] / sizes["symmetric"] <= np.sqrt(2)


SUBGRADIENT_CASES = {
    "published": (),
    "negative-weights": (np.diag([2.0, 2.0, 0.0]), "svd", "[1, -2, -1]"),
    "wide-complex": (np.outer([1, 1j], [1, 2, 1j]), "svd", "sum"),
    "zero": (np.zeros((2, 3)), "svd", "last"),
    "largest-at-a-tie": (np.diag([1.0, 3.0, 3.0]), "eigh", "last"),
    "not-convex": (np.diag([1.0, 1.0, 1.0, 5.0]), "eigh", "[1, 3, 1, 0]"),
    "symmetric-function": (np.diag([1.0, 2.0, 2.0]), "eigh", "[0, 1, 1]"),
    "25x25": (symmetric_matrix(25), "eigh", "first"),
}
SMOOTH = ("symmetric-function", "25x25")


@pytest.mark.parametrize("name", SUBGRADIENT_CASES)
def test_theory_subgradient(name, tmp_path):
    parameters = {}
    if name != "published":
        matrix, problem, weights = SUBGRADIENT_CASES[name]
        np.save(tmp_path / "my.npy", matrix)
        parameters = {"matrix": "my.npy", "problem": problem, "weights": weights}
    facts, text, _ = execute("theory_subgradient", tmp_path, **parameters)
    smooth = name in SMOOTH
    assert facts["differentiable"] == smooth
    assert ("f is differentiable at this matrix" in text) == smooth
    there, back = facts["slopes"]
    if smooth:
        assert there == pytest.approx(-back, abs=1e-12)
    assert ("as a gradient requires" in text) == smooth
    if name == "25x25":
        assert facts["quotients"] is None
    else:
        assert facts["slopes"] == pytest.approx(facts["quotients"], abs=5 * facts["blur"] + 1e-12)
    # What autodiff returns is valid, extreme, and of the largest norm; the smallest is neither.
    assert all(facts["inside"].values())
    smallest, *frameworks = facts["extreme"]
    assert facts["extreme"][smallest] == smooth
    largest = np.linalg.norm(facts["weights"])
    for framework in frameworks:
        assert facts["extreme"][framework]
        assert facts["norms"][framework] == pytest.approx(largest, rel=1e-6)
    assert ("returns an extreme point" in text) == (not smooth)
    assert facts["norms"][smallest] <= largest * (1 + 1e-9)
    assert facts["descent"][smallest] == pytest.approx(-facts["norms"][smallest], abs=1e-9)
    lowest, slope, highest = facts["bounds"]
    assert lowest - 1e-12 <= slope <= highest + 1e-12
    assert facts["attained"] == pytest.approx([lowest, highest], abs=1e-12)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"problem": "svdvals"}, "problem: 'svdvals' will not do; choose from auto, eigh, svd"),
        ({"weights": "[1, 2]"}, "weights: [1.0, 2.0] will not do for 5 values"),
        ({"problem": "eigh"}, "take its Hermitian part"),
    ],
)
def test_theory_subgradient_refuses_in_one_line(parameters, message, tmp_path):
    given = [(name, value) for name, value in parameters.items()]
    with pytest.raises((ValueError, building.CommandError), match=re.escape(message)):
        reporting.report(
            "blog-rank-2", chapter="theory_subgradient", given=given, output=tmp_path / "x"
        )
    assert list(tmp_path.iterdir()) == []
