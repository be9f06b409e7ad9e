"""Check matrices with every framework, against a judgement that is made in 50 digits."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from drawing import random_matrix, seeds, unitary
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from spectralgrad import cli, frameworks, matrices, verdict
from spectralgrad.frameworks import numpy
from spectralgrad.matrices import published
from spectralgrad.theory import exact, symmetric

framework = pytest.mark.parametrize("name", frameworks.NAMES)


def flagged(checked):
    """Whether some answer asks for a closer look."""
    return any(answer.verdict in verdict.FLAGGED for answer in checked.answers.values())


# An independent judgement


def judged_by_definition(matrix, weights, rtol, problem, gradient):
    """Whether a gradient is right: by the theorem on the set, and the bound, both in 50 digits.

    The values are those of mpmath, the clusters are found in them, and membership is tested by
    partial sums. None if it is not clear, because these do not see every distance in full.
    """
    values, left, right = decomposed(matrix, problem)
    floats = np.array([float(x) for x in values])
    size = np.abs(floats).max()
    steps = [float(abs(b - a)) for a, b in itertools.pairwise(values)]
    steps += [floats[-1]] if problem == "svd" else []
    # Which values are equal is for the tolerance to say; near its edge LAPACK's errors decide.
    assume(all(not rtol * size / 4 < step < 4 * rtol * size for step in steps))
    clusters, is_zero = grouped(floats, rtol * size, problem)
    allowed = permitted(matrix, floats, weights, clusters, is_zero, problem)
    rotated = left.conj().T @ exact.lift(gradient) @ right
    excess, rest = 0.0, rotated.copy()
    for indices, zero in zip(clusters, is_zero, strict=True):
        rows = range(indices[0], len(left)) if zero else indices
        columns = range(indices[0], len(right)) if zero else indices
        excess = max(excess, beyond(rotated[np.ix_(rows, columns)], weights[indices], zero))
        rest[np.ix_(rows, columns)] = 0
    excess = max(excess, norm(rest))
    return False if excess > allowed else True if 4 * excess < allowed else None


def permitted(matrix, values, weights, clusters, is_zero, problem):
    """The bound that `verdict.check` states."""
    p, eps = max(matrix.shape), np.finfo(matrix.dtype).eps
    slopes = [
        abs(weights[i] - weights[j]) / abs(values[i] - values[j])
        for c, d in itertools.permutations(clusters, 2)
        for i, j in itertools.product(c, d)
    ]
    if problem == "svd":
        outside = [c for c, zero in zip(clusters, is_zero, strict=True) if not zero]
        slopes += [abs(weights[i]) / values[i] for c in outside for i in c]
    steepest = max(slopes, default=0.0)
    unit = backward = 8 * p * eps
    if problem == "svd":
        backward += 2 * {2.0**-52: 49.4, 2.0**-23: 5.0}[eps] * eps
    return unit * np.abs(weights).max() + backward * np.abs(values).max() * steepest


def decomposed(matrix, problem):
    if problem == "eigh":
        values, vectors = exact.eigh(matrix)
        return values, vectors, vectors
    u, s, vh = exact.MP.svd(exact.MP.matrix(exact.lift(matrix).tolist()), full_matrices=True)
    u, s, vh = (np.array(x.tolist(), dtype=object) for x in (u, s, vh))
    return s.ravel(), u, vh.conj().T


def grouped(values, width, problem):
    """Indices of the clusters, and whether each is that of zero."""
    clusters = [[0]]
    for i in range(1, len(values)):
        if abs(values[i] - values[i - 1]) <= width:
            clusters[-1].append(i)
        else:
            clusters.append([i])
    is_zero = [problem == "svd" and c is clusters[-1] and values[c[-1]] <= width for c in clusters]
    return clusters, is_zero


def beyond(block, weights, zero):
    """How far a block is from what the theorem on the set asks of it."""
    if zero:
        parts = np.array([float(x) for x in exact.svdvals(block)])
        bounds = np.sort(np.abs(weights))[::-1]
        skew = 0.0
    else:
        hermitian, skew = (block + block.conj().T) / 2, norm(block - block.conj().T) / 2
        parts = np.array([float(x) for x in exact.eigvalsh(hermitian)])[::-1]
        bounds = np.sort(weights)[::-1]
    over = np.cumsum(parts[: len(bounds)]) - np.cumsum(bounds)
    trace = 0.0 if zero else abs(over[-1])
    return max(skew, trace, float(np.max(over)))


def norm(array):
    return float(exact.MP.sqrt(sum(abs(x) ** 2 for x in array.ravel())))


# Spectra

HOUSEHOLDER = np.eye(4) - np.ones((4, 4)) / 2  # its own inverse, without a rounding error
SPECTRA = {
    "simple": [1.0, 2.0, -3.5, 5.0],
    "tied": [2.0, 2.0, -1.0, 3.0],
    "all tied": [2.0, 2.0, 2.0, 2.0],
    "near-tied": [1.0, 2.0, 4.0, 4.0 + 2.0**-30],
    "near-tied below": [-4.0, -4.0 + 2.0**-20, 1.0, 2.0],
    "very near": [1.0, 1.0 + 2.0**-44, 0.5, -0.25],
    "very near for svd": [1.0, 1.0 + 2.0**-42, 0.5, -0.25],
    "zero": [0.0, 0.0, 0.0, 0.0],
    "rank-deficient": [3.0, 0.0, 1.0, 0.0],
    "rank one": [0.0, 0.0, 0.0, 4.0],
    "clustered": [1.0, 1.0, 1.0, -2.0],
    "graded": [1e-8, 1e-4, 1.0, 1e4],
    "nearly zero": [1e-11, 1.0, 2.0, 3.0],
}
WEIGHTS = {"sum": "sum", "first": "first", "last": "last", "unequal": [1.0, -2.0, 0.5, 3.0]}


@st.composite
def questions(draw):
    """A matrix with one of the spectra, in one of the precisions, and weights."""
    rng = np.random.default_rng(draw(seeds))
    kind = draw(st.sampled_from(sorted(SPECTRA)))
    values = np.array(SPECTRA[kind]) * 2.0 ** draw(st.integers(-6, 6))
    dtype = draw(st.sampled_from(["float64", "complex128", "float32"]))
    problem = draw(st.sampled_from(["eigh", "svd"]))
    weights = WEIGHTS[draw(st.sampled_from(sorted(WEIGHTS)))]
    complex_ = dtype.startswith("complex")
    is_exact = draw(st.booleans())
    if is_exact:
        left = right = HOUSEHOLDER[rng.permutation(4)] * np.array([1, 1j] if complex_ else [1, -1])[
            rng.integers(0, 2, 4)
        ].reshape(-1, 1)
    else:
        left, right = (unitary(rng, 4, is_complex=complex_) for _ in range(2))
    if problem == "eigh":
        matrix = symmetric.hermitian_part((left * values) @ left.conj().T)
    else:
        matrix = (left * values) @ right.conj().T
        # Wide and tall: null vectors beyond the square.
        matrix = {0: matrix, 1: matrix[:, :3], 2: matrix[:2]}[draw(st.integers(0, 2))]
    if isinstance(weights, list):
        weights = weights[: min(matrix.shape)]
    # Values that are equal but for rounding are so to a tolerance that exceeds it.
    rtol = "auto" if is_exact else 1e-12 if dtype != "float32" else 1e-4
    event(kind)
    return matrix.astype(dtype), {"problem": problem, "weights": weights, "rtol": rtol}


@framework
@settings(suppress_health_check=list(HealthCheck))
@given(question=questions(), scale=st.sampled_from([0.0, 0.02, 20.0, 1e4]), seed=seeds)
def test_the_verdict_is_that_of_50_digits(name, question, scale, seed):
    """Of what the framework returns, and of the same with an error added to it."""
    matrix, options = question
    checked = verdict.check(matrix, frameworks=[name], **options)
    answer, valid = checked.answers[name], checked.valid
    gradient = answer.gradient.conj() if answer.judgement.conjugated else answer.gradient
    gradient = gradient.astype(np.result_type(gradient, float))
    error = random_matrix(np.random.default_rng(seed), *matrix.shape, is_complex=False)
    if valid.problem == "eigh":
        gradient, error = map(symmetric.hermitian_part, (gradient, error))
    gradient = gradient + scale * valid.tolerance * error / np.linalg.norm(error)
    judged = verdict.judge(gradient, valid)
    reading = gradient.conj() if judged.conjugated else gradient
    right = judged_by_definition(checked.matrix, valid.weights, valid.rtol, valid.problem, reading)
    event(f"{judged.verdict}, by definition {right}, decided {judged.decided}")
    if right is not None:
        assert judged.verdict in (("agrees", "subgradient") if right else ("wrong",))
    if scale == 0:
        assert judged.verdict != "wrong"
        assert answer.verdict == (judged.verdict if judged.decided else "undecided")


# What is known beforehand


@framework
@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_near_ties_of_small_matrices_are_not_called_wrong(problem, name, rng):
    """LAPACK's svd stops at 49 eps, far above n · eps, and other libraries elsewhere."""
    worst = 0.0
    for _ in range(100):
        n, gap = int(rng.integers(2, 5)), 2.0 ** -rng.integers(10, 44)
        values = np.sort([1.0, 1.0 + gap, *rng.uniform(-1, 1, n - 2)])
        left, right = (unitary(rng, n, is_complex=False) for _ in range(2))
        matrix = (left * values) @ (left if problem == "eigh" else right).T
        weights = "last" if problem == "eigh" else "first"
        checked = verdict.check(
            matrix,
            problem=problem,
            weights=weights,
            symmetrize=problem == "eigh",
            frameworks=[name],
        )
        assert checked.answers[name].judgement.verdict == "agrees"
        worst = max(worst, checked.answers[name].judgement.relative_error / checked.allowed)
    assert worst < 0.5


@pytest.mark.parametrize(
    ("name", "problem", "expected", "regimes"),
    [
        ("blog-rank-2", "svd", "subgradient", ("rank-deficient",)),
        ("blog-full-rank", "svd", "agrees", ("regular",)),
        ("stack-overflow", "eigh", "agrees", ("regular",)),
        ("article-2x2", "svd", "agrees", ("regular",)),
    ],
)
@pytest.mark.needs
def test_the_published_matrices(name, problem, expected, regimes):
    checked = verdict.check(name)
    assert (checked.valid.problem, checked.regimes) == (problem, regimes)
    assert {a.verdict for a in checked.answers.values()} == {expected}
    conventions = [a.judgement.convention for a in checked.answers.values()]
    eigh = ["lower", "symmetric", "lower", "symmetric"]
    assert conventions == (eigh if problem == "eigh" else ["general"] * 4)
    assert not flagged(checked)


@framework
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("problem", ["eigh", "svd"])
@pytest.mark.parametrize("kind", SPECTRA)
def test_each_framework_on_each_spectrum(kind, problem, dtype, name):
    """None is wrong, and whether there is a gradient follows from the integers in the spectrum."""
    values = np.array(SPECTRA[kind])
    values = values.round() if "near" in kind else values
    rows = HOUSEHOLDER * (np.array([1, 1j, 1, 1j]) if dtype.startswith("complex") else 1)
    matrix = ((rows.conj().T * values) @ rows).astype(dtype)
    checked = verdict.check(matrix, problem=problem, frameworks=[name], weights="sum", rtol=1e-6)
    differentiable = problem == "eigh" or bool(np.all(np.abs(values) > 1e-6 * abs(values).max()))
    assert checked.valid.differentiable == differentiable
    assert checked.answers[name].verdict == ("agrees" if differentiable else "subgradient")


# Where a framework does not answer, or not right


class Fake(numpy.Library):
    """A framework that does as it is told."""

    VERSION = "1.0"

    def __init__(self, answer):
        self.told = answer

    def eigvalsh(self, matrix, weights):
        if isinstance(self.told, Exception):
            raise self.told
        values, vectors = np.linalg.eigh(matrix)
        return values, self.told((vectors * weights) @ vectors.conj().T)


@pytest.fixture
def answering(monkeypatch):
    """Check the matrix of the question with one fake framework; PyTorch answers beside it."""
    get = frameworks.get

    def with_answer(answer, matrix="stack-overflow", **options):
        fake = lambda name: Fake(answer) if name == "jax" else get(name)  # noqa: E731
        monkeypatch.setattr(frameworks, "get", fake)
        return verdict.check(matrix, frameworks="torch,jax", problem="eigh", **options)

    return with_answer


class UnimplementedError(Exception):
    """As TensorFlow's is called."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotImplementedError("no\nrule"), "unsupported"),
        (LookupError("no rule"), "unsupported"),
        (UnimplementedError("no rule"), "unsupported"),
        (RuntimeError("no rule"), "failed"),
        (np.linalg.LinAlgError("no rule"), "failed"),
        (MemoryError("no rule"), "failed"),
    ],
)
@pytest.mark.needs("torch")
def test_what_a_framework_raises_is_its_answer_and_the_others_go_on(answering, error, expected):
    checked = answering(error)
    answer = checked.answers["jax"]
    assert (answer.verdict, answer.message, answer.version) == (expected, "no rule", "1.0")
    assert (answer.gradient, checked.digits_of(answer)) == (None, None)
    assert checked.answers["torch"].verdict == "agrees"
    assert flagged(checked)
    text = cli._as_text(checked)
    assert "JAX: no rule" in text
    assert f"JAX {'refuses' if expected == 'unsupported' else 'fails'}." in text


def test_a_message_cannot_write_on_the_terminal(answering):
    checked = answering(RuntimeError("\x1b[31mred" + "x" * 1000))
    assert checked.answers["jax"].message.startswith("\\x1b[31mredx")
    assert len(checked.answers["jax"].message) < 310


@pytest.mark.needs("torch")
def test_a_framework_that_is_not_installed_is_said_to_be_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "spectralgrad.frameworks.jax", None)
    checked = verdict.check("stack-overflow", frameworks="torch,jax")
    answer = checked.answers["jax"]
    assert (answer.verdict, answer.version) == ("not installed", "")
    assert checked.answers["torch"].verdict == "agrees"
    assert not flagged(checked)
    assert "JAX is not installed." in cli._as_text(checked)


def test_wrong_answers_are_called_wrong(answering):
    doubled = answering(lambda g: 2 * g - np.diag(np.diag(g)))
    assert doubled.answers["jax"].verdict == "wrong"
    assert doubled.digits_of(doubled.answers["jax"]) == 0
    assert flagged(doubled)
    assert "not what JAX returns" in cli._as_text(doubled)
    slightly = answering(lambda g: g + 1e-9 * np.eye(4))
    assert slightly.answers["jax"].verdict == "wrong"
    assert slightly.digits_of(slightly.answers["jax"]) == 8
    single = answering(lambda g: g + 1e-9 * np.eye(4), dtype="float32")
    assert single.answers["jax"].verdict == "agrees"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(answering, bad):
    checked = answering(lambda g: g * bad)
    assert checked.answers["jax"].verdict == "not finite"
    written = json.loads(json.dumps(checked.to_dict(), allow_nan=False))
    assert written["frameworks"]["jax"]["relative_error"] is None
    assert written["frameworks"]["jax"]["gradient"][0][0] is None
    assert "JAX returns numbers that are not finite." in cli._as_text(checked)


def test_a_shape_of_another_matrix_is_a_failure(answering):
    assert answering(lambda g: g[:2]).answers["jax"].verdict == "failed"


# Options


def test_the_defaults_follow_the_matrix():
    eigh = verdict.check([[2.0, 1], [1, 3]], frameworks="torch")
    assert (eigh.valid.problem, eigh.valid.weights.tolist()) == ("eigh", [1, 0])
    svd = verdict.check([[2.0, 1, 0], [0, 3, 0]], frameworks="torch")
    assert (svd.valid.problem, svd.valid.weights.tolist()) == ("svd", [1, 1])
    forced = verdict.check([[2.0, 1], [1, 3]], problem="svd", frameworks="torch")
    assert (forced.valid.problem, forced.valid.weights.tolist()) == ("svd", [1, 1])


def test_the_hermitian_part_is_taken_where_it_is_asked_for():
    checked = verdict.check([[2.0, 1], [3, 3]], symmetrize=True, frameworks="torch")
    assert checked.matrix.tolist() == [[2, 2], [2, 3]]
    assert checked.valid.problem == "eigh"


@pytest.mark.needs("torch")
def test_a_tolerance_makes_values_equal():
    matrix = np.diag([1.0, 1.001, 5.0])
    near = verdict.check(matrix, frameworks="torch")
    tied = verdict.check(matrix, frameworks="torch", rtol="1e-3")
    assert (near.valid.differentiable, near.regimes) == (True, ("regular",))
    assert (tied.valid.differentiable, tied.regimes) == (False, ("tie",))
    assert tied.answers["torch"].verdict == "subgradient"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problem": "eig"}, r"problem: 'eig' will not do; choose from auto, eigh, svd"),
        ({"frameworks": "torch,theano"}, r"unknown framework 'theano'; choose from autograd"),
        ({"frameworks": ""}, r"unknown framework ''"),
        ({"frameworks": []}, r"unknown framework ''"),
        ({"weights": [1, 2, 3]}, r"article-2x2: weights: \[1.0, 2.0, 3.0\] .* for 2 values; give"),
        ({"weights": "[1, 2, 3]"}, r"will not do for 2 values; give sum, .* of 2 finite numbers"),
        ({"weights": "most"}, r"weights: 'most' will not do; give sum, first, last, or a list of"),
        ({"weights": [1e200, 1]}, r"weights: 1e\+200 is the largest, too large for float64; scale"),
        ({"weights": [0, -1e-200]}, r"weights: 1e-200 is the largest, too small for float64"),
        (
            {"weights": [1e31, 0], "dtype": "float32"},
            r"1e\+31 is the largest, too large for float32",
        ),
        ({"weights": '["a", 1]'}, r"weights: '\[\"a\", 1\]' will not do"),
        ({"dtype": "half"}, r"dtype: 'half' will not do; choose from auto, float32"),
        ({"dtype": None}, r"dtype: 'None' will not do"),
        ({"symmetrize": "no"}, r"symmetrize: 'no' will not do; choose from False, True"),
        ({"rtol": "small"}, r"rtol: 'small' will not do; give a number from 0 to below 1"),
        ({"rtol": -1}, r"rtol: -1 will not do"),
        ({"rtol": float("nan")}, r"rtol: nan will not do"),
        ({"rtol": None}, r"rtol: None will not do"),
        ({"problem": "eigh"}, r"row 1, column 2: holds 2.0.*\(‖A − Aᵀ‖ is 2.6e-01 times ‖A‖\)"),
        ({"problem": "svd", "symmetrize": True}, r"symmetrize: is for eigenvalues"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        verdict.check("article-2x2", **options)
    assert "\n" not in str(caught.value)


def test_a_rectangle_has_no_hermitian_part():
    for options in ({"problem": "eigh"}, {"symmetrize": True}):
        with pytest.raises(matrices.MatrixError, match="is 1 × 2; eigenvalues"):
            verdict.check([[1.0, 2]], **options)


def test_how_far_from_hermitian_a_complex_matrix_is():
    with pytest.raises(matrices.MatrixError, match=r"not the conjugate \(‖A − Aᴴ‖ is 1.4e\+00"):
        verdict.check([["1", "1j"], ["1j", "1"]], problem="eigh")


# Stacks


def test_a_stack_is_checked_matrix_by_matrix():
    stack = np.stack([np.diag([1.0, 2.0]), [[1.0, 2.0], [3.0, 4.0]]])
    first, second = verdict.check_stack(stack, frameworks="torch")
    assert (first.place, second.place) == ("matrix 1", "matrix 2")
    assert (first.valid.problem, second.valid.problem) == ("eigh", "svd")
    assert first.source == "a stack of 2 matrices of 2 × 2 given inline"
    (only,) = verdict.check_stack(stack[0], frameworks="torch")
    assert only.place == ""
    with pytest.raises(matrices.MatrixError, match=r"matrix 2: row 1, column 2: holds 2.0"):
        verdict.check_stack(stack, problem="eigh", frameworks="torch")
    with pytest.raises(matrices.MatrixError, match="is a stack of 2 matrices"):
        verdict.check(stack, frameworks="torch")


# JSON


def is_strict(value):
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_strict(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(is_strict, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (str, int, bool)


def test_json_has_what_the_design_fixes():
    checked = verdict.check(np.array([[1, 1j], [-1j, 1]]), frameworks="jax")
    written = checked.to_dict()
    assert is_strict(written)
    assert written | {"reason": "", "frameworks": {}, "gradient": []} == {
        "source": "a 2 × 2 matrix given inline",
        "place": "",
        "python": "",
        "shape": [2, 2],
        "dtype": "complex128",
        "of": "values",
        "problem": "eigh",
        "weights": [1.0, 0.0],
        "spectrum": pytest.approx([0.0, 2.0]),
        "rtol": 8 * 2 * 2.0**-52,
        "clusters": [
            {"value": pytest.approx(0.0), "indices": [0]},
            {"value": pytest.approx(2.0), "indices": [1]},
        ],
        "rank": 2,
        "regimes": ["regular"],
        "differentiable": True,
        "reason": "",
        "near": None,
        "allowed": pytest.approx(8 * 2 * 2.0**-52 * 2),
        "digits": 14,
        "vector_digits": 14,
        "gradient": [],
        "frameworks": {},
    }
    gradient = np.array(written["gradient"])
    assert gradient[..., 0] == pytest.approx(np.eye(2) / 2)
    assert gradient[..., 1] == pytest.approx(np.array([[0, -0.5], [0.5, 0]]))
    answer = written["frameworks"]["jax"]
    assert np.array(answer.pop("gradient")) == pytest.approx(gradient * [1, -1])
    assert answer.pop("relative_error") < 1e-15
    assert answer == {
        "version": frameworks.get("jax").VERSION,
        "verdict": "agrees",
        "convention": "symmetric",
        "also": [],
        "conjugated": True,
        "digits": 14,
        "message": "",
    }


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_json_is_strict_everywhere(kind, problem):
    checked = verdict.check(np.diag(SPECTRA[kind]), problem=problem, frameworks="autograd")
    assert is_strict(checked.to_dict())
    assert json.loads(json.dumps(checked.to_dict(), allow_nan=False)) == checked.to_dict()


# Digits and regimes


@pytest.mark.parametrize(
    ("error", "dtype", "expected"),
    [
        (0.0, float, 15),
        (1e-30, float, 15),
        (1e-30, np.float32, 6),
        (3e-9, float, 8),
        (0.2, float, 0),
        (1.0, float, 0),
        (1e9, float, 0),
        (np.inf, float, 0),
    ],
)
def test_digits(error, dtype, expected):
    assert verdict.digits(error, dtype) == expected


@pytest.mark.needs("torch")
def test_no_framework_has_more_digits_than_can_be_trusted():
    checked = verdict.check(np.diag([1.0, 1 + 1e-9, 2]), weights="first", frameworks="torch")
    assert checked.answers["torch"].judgement.relative_error == 0
    assert checked.digits == checked.digits_of(checked.answers["torch"])
    assert checked.digits == 4  # 8 · 3 · eps · 2 / 1e-9 is 1e-5


# The command


def command(*arguments, capsys):
    status = cli.main(["check", *arguments])
    printed = capsys.readouterr()
    assert printed.err == ""
    return status, printed.out


def test_the_text_has_the_verdict_the_reason_and_what_to_do(capsys):
    status, text = command("stack-overflow", capsys=capsys)
    assert status == 0
    assert text.startswith("stack-overflow: 4 × 4, float64. f is the smallest of 4 eigenvalues.\n")
    assert "f is differentiable at this matrix: to a relative tolerance of 7.1e-15" in text
    assert "In float64, 13 of 15 digits of an answer can be trusted." in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("autograd ", "JAX "))]
    assert [row[2:5] for row in rows] == [["agrees", "lower", "13"], ["agrees", "symmetric", "13"]]
    assert "What to do: Replace G by (G + Gᴴ)/2, if it is from autograd or TensorFlow" in text
    assert "\x1b" not in text
    gradient = np.array([line.strip("[] ").split() for line in text.splitlines()[-4:]], dtype=float)
    expected = published.find("stack-overflow", "gradient of the smallest eigenvalue")["numpy"]
    assert gradient == pytest.approx(expected.values, abs=6e-4)


@pytest.mark.parametrize("no_color", [False, True])
@pytest.mark.needs("torch")
def test_colour_is_for_terminals(no_color, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    _, text = command("[[1, 2], [2, 1]]", "--frameworks", "torch", capsys=capsys)
    assert ("\x1b[32magrees" in text) == (not no_color)


@pytest.mark.needs("torch")
def test_json_of_a_matrix_is_an_object_and_of_a_stack_a_list(capsys):
    options = ("--frameworks", "torch", "--json")
    _, text = command("[[1, 2], [2, 1]]", *options, capsys=capsys)
    assert json.loads(text)["frameworks"]["torch"]["verdict"] == "agrees"
    _, text = command("[[[1, 2], [2, 1]]]", *options, capsys=capsys)
    (only,) = json.loads(text)
    assert only["place"] == "matrix 1"


def test_a_stack_in_text_names_each_matrix(capsys):
    stack = "[[[1, 2], [2, 1]], [[0, 1], [1, 0]]]"
    _, text = command(stack, "--frameworks", "torch", capsys=capsys)
    assert ": matrix 1: 2 × 2" in text
    assert ": matrix 2: 2 × 2" in text


@pytest.mark.needs("torch")
def test_a_large_gradient_is_not_printed(capsys, tmp_path):
    np.save(tmp_path / "a.npy", np.diag(np.arange(1.0, 21)))
    path = str(tmp_path / "a.npy")
    _, text = command(path, "--frameworks", "torch", "--rtol", "1e-9", capsys=capsys)
    assert "from theory" not in text
    _, text = command(path, "--frameworks", "torch", "--json", capsys=capsys)
    assert len(json.loads(text)["gradient"]) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nofile.csv"], "nofile.csv: no such file"),
        (["[[1, 2], [3]]"], "row 2: 1 number instead of 2 numbers"),
        (["[[[1, 2]], [[3, NaN]]]"], "matrix 2, row 1, column 2: NaN"),
        (["[[1, 2], [3, 4]]", "--problem", "eigh"], "its mirror image is 3.0 (‖A − Aᵀ‖ is 2.6e-01"),
        (
            ["[[1, 2], [3, 4]]", "--problem", "eigh"],
            "take its Hermitian part (symmetrize), or ask for its singular values (problem svd)",
        ),
        (["[[1, 2]]", "--symmetrize"], "is 1 × 2"),
        (["[[1, 2]]", "--weights", "[1, 2]"], "will not do for 1 values"),
        (["[[1, 2]]", "--weights", "[NaN]"], "a list of finite numbers, one for each value"),
        (["[[1, 2]]", "--frameworks", "numpy"], "unknown framework 'numpy'; choose from autograd"),
        (["[[1, 2]]", "--rtol", "1"], "rtol: '1' will not do"),
        (["[[1, 2]]", "--dtype", "int"], "dtype: 'int' will not do; choose from auto, float32"),
    ],
)
def test_bad_input_is_one_line_with_status_2(arguments, message, capsys):
    assert cli.main(["check", *arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("spectralgrad: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.slow
def test_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m spectralgrad check '[[1, 2]]' --frameworks torch | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(("gap", "digits"), [(1e-13, 0), (1e-12, 1)])
@pytest.mark.needs("torch")
def test_where_no_digit_can_be_trusted_there_is_no_verdict(gap, digits):
    checked = verdict.check(np.diag([1.0, 1 + gap, 2]), frameworks="torch")
    assert checked.digits == digits
    assert checked.answers["torch"].verdict == ("agrees" if digits else "undecided")
    assert checked.valid.differentiable
    assert flagged(checked) == (not digits)
    text = cli._as_text(checked)
    assert ("There is no verdict on PyTorch" in text) == (not digits)
    assert ("no digit of an answer can be trusted" in text) == (not digits)
    rtol = f"with --rtol {checked.near.rtol}"
    if digits:
        assert f"known no better than that, count λ₁ and λ₂ as equal, {rtol}." in text
    else:
        assert f"What to do: Count λ₁ and λ₂ as equal, {rtol}, or change the function: " in text


# What was overlooked

#: A cycle of five vertices: its smallest eigenvalue, (−1 − √5)/2, is exactly double.
PENTAGON = np.array(
    [[0, 0, 0, 1, 1], [0, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0]]
)

#: Eigenvalues 1, 1 and 2 of a matrix given to eight decimals.
ROUNDED_TIE = [
    [1.2561573, -0.41878993, 0.12310863],
    [-0.41878993, 1.68467697, -0.20126951],
    [0.12310863, -0.20126951, 1.05916573],
]


@framework
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_smallest_eigenvalue_of_a_pentagon_is_double(name, dtype, capsys):
    text = json.dumps(PENTAGON.tolist())
    _, text = command(text, "--dtype", dtype, "--frameworks", name, "--json", capsys=capsys)
    found = json.loads(text)
    assert (found["differentiable"], found["near"]) == (False, None)
    assert "λ₁ and λ₂ are equal, and f treats them differently" in found["reason"]
    assert found["frameworks"][name]["verdict"] == "subgradient"
    # Half of the projector, which is a polynomial in the matrix.
    beside, across = np.eye(5) + PENTAGON, -(1 + np.sqrt(5)) / 20
    expected = np.eye(5) / 5 + across * PENTAGON + (np.sqrt(5) - 1) / 20 * (1 - beside)
    assert np.array(found["gradient"]) == pytest.approx(expected, abs=1e-15)


def test_a_tie_that_was_rounded_is_named_with_a_tolerance_that_makes_it_one(capsys):
    options = ("--weights", "[1, 2, 3]", "--frameworks", "torch")
    matrix = json.dumps(ROUNDED_TIE)
    _, text = command(matrix, *options, capsys=capsys)
    assert (
        "λ₁ and λ₂, which f treats differently, are only 2.4e-09 apart, 1.2e-09 times the largest: "
        "if your matrix is known no better than that, count λ₁ and λ₂ as equal, with --rtol 2e-09."
    ) in text
    near = json.loads(command(matrix, *options, "--json", capsys=capsys)[1])["near"]
    assert near["indices"] == [0, 1]
    _, text = command(matrix, *options, "--rtol", str(near["rtol"]), "--json", capsys=capsys)
    found = json.loads(text)
    assert (found["differentiable"], found["near"]) == (False, None)
    assert [c["indices"] for c in found["clusters"]] == [[0, 1], [2]]


def test_in_single_precision_a_wide_gap_may_leave_no_digit():
    """It is above √eps, but below 16 times the error that a program is allowed."""
    values = np.append([0.1, 0.1004], np.linspace(0.2, 1, 58))
    checked = verdict.check(np.diag(values).astype("float32"), frameworks="torch")
    assert (checked.digits, checked.regimes) == (0, ("regular",))
    assert checked.near.indices == (0, 1)


def test_the_json_says_how_an_answer_reads():
    diagonal = verdict.check(np.diag([1.0, 2.0, 4.0]), frameworks="autograd").to_dict()
    answer = diagonal["frameworks"]["autograd"]
    # A diagonal gradient reads the same in all three.
    assert [answer["convention"], *answer["also"]] == ["symmetric", "lower", "upper"]
    assert answer["conjugated"] is False
    a = random_matrix(np.random.default_rng(0), 3, 3, is_complex=True)
    conjugated = verdict.check(a, problem="svd", frameworks="autograd").to_dict()
    assert conjugated["frameworks"]["autograd"]["conjugated"] is True
    assert conjugated["frameworks"]["autograd"]["also"] == []


def test_what_is_not_finite_is_in_no_convention_and_not_conjugated():
    _, valid = verdict.Question().pose(np.diag([1.0, 2.0]))
    judged = verdict.judge(np.full((2, 2), np.nan + 0j), valid)
    assert (judged.verdict, judged.convention, judged.conjugated) == ("not finite", "", False)
