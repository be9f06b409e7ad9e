"""The loss on vectors: its gradient in integers, and verdicts on what is right, wrong and luck."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from absent import ABSENT
from drawing import unitary

from spectralgrad import cli, frameworks, verdict
from spectralgrad.matrices import MatrixError
from spectralgrad.theory import spectrum, symmetric
from spectralgrad.verdict import vectors

TIE = 6.0 * np.eye(3) - np.ones((3, 3))
DTYPES = ("float64", "complex128", "float32", "complex64")
# TensorFlow puts x/(x² + 1e-20) for 1/x, which is another thing than rounding.
DIVIDING = [name for name in ("autograd", "torch", "jax") if name not in ABSENT]
INSTALLED = [name for name in frameworks.NAMES if name not in ABSENT]
problems = pytest.mark.parametrize("problem", ["eigh", "svd"])


def with_values(values, rng, problem="eigh", dtype="float64", shape=None):
    """A matrix in general position that has them."""
    m, n = shape or (len(values), len(values))
    u, v = (unitary(rng, size, is_complex=np.dtype(dtype).kind == "c") for size in (m, n))
    u, v = u[:, : len(values)], v[:, : len(values)]
    v = u if problem == "eigh" else v
    matrix = (u * np.array(values)) @ v.conj().T
    return (symmetric.hermitian_part(matrix) if problem == "eigh" else matrix).astype(dtype)


def loss_at(matrix, problem="eigh"):
    return verdict.Question(problem, of="vectors").pose(matrix)[1]


def asked(matrix, problem="eigh", names=INSTALLED):
    return verdict.check(matrix, problem=problem, of="vectors", frameworks=names)


def verdicts(checked):
    return {name: answer.verdict for name, answer in checked.answers.items()}


# The gradient, and what a program goes through


@pytest.mark.parametrize(("problem", "shape"), [("eigh", (4, 4)), ("svd", (4, 3)), ("svd", (2, 4))])
@pytest.mark.parametrize("is_complex", [False, True])
def test_the_gradient_is_that_of_the_product_in_integers(problem, shape, is_complex, rng):
    a, b, e = (
        rng.integers(-9, 9, shape) + 1j * is_complex * rng.integers(-9, 9, shape) for _ in "abc"
    )
    if problem == "eigh":
        a, b, e = (x + x.conj().T for x in (a, b, e))
        change = a @ e + e @ a
    else:
        change = e @ a.conj().T @ a + a @ e.conj().T @ a + a @ a.conj().T @ e
    a, b, e = (x if is_complex else x.real for x in (a, b, e))
    found = vectors.gradient(a, b, problem)
    assert np.vdot(found, e).real == np.vdot(b, change).real
    if problem == "eigh":
        assert np.array_equal(found, found.conj().T)


@pytest.mark.parametrize("name", frameworks.NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("problem", "shape"), [("eigh", (3, 3)), ("svd", (3, 3)), ("svd", (5, 3)), ("svd", (3, 5))]
)
def test_each_framework_has_it_where_values_are_apart(problem, shape, dtype, name, rng):
    checked = asked(with_values([3.0, 2.0, 1.0], rng, problem, dtype, shape), problem, [name])
    answer = checked.answers[name]
    assert answer.verdict == "agrees"
    assert answer.judgement.relative_error < checked.allowed / 4
    assert checked.digits >= (4 if dtype in ("float32", "complex64") else 12)
    triangle = problem == "eigh" and name in ("autograd", "tensorflow")
    form = "general" if problem == "svd" else "lower" if triangle else "symmetric"
    assert answer.judgement.convention == form
    assert answer.judgement.conjugated == (dtype[0] == "c" and name in ("autograd", "jax"))


def test_b_is_always_the_same_and_of_the_kind_of_the_matrix():
    for problem, dtype in itertools.product(("eigh", "svd"), DTYPES):
        one, other = (loss_at(np.eye(3, dtype=dtype), problem).cotangent for _ in range(2))
        assert np.array_equal(one, other)
        assert one.dtype == dtype
        assert np.array_equal(one, one.conj().T) == (problem == "eigh")


def test_jax_compiles_once_for_a_shape():
    """It knows a function by its identity."""
    library = frameworks.get("jax")
    assert library.product("svd") is library.product("svd")


# What a gap allows


@problems
@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-9])
def test_the_bound_is_the_one_that_is_stated(problem, gap, rng):
    """With the largest pair, not the closest: that of the small values is closer still."""
    values = np.array([1.0, 1 - gap, 0.5, gap / 10, gap / 20])
    loss = loss_at(with_values(values, rng, problem), problem)
    power = 2 if problem == "eigh" else 3
    c = spectrum.default_rtol((5, 5), float, singular=problem == "svd")
    size = np.linalg.norm(loss.cotangent)
    lost = max(
        max(x, y) ** power / abs(x - y) for x, y in itertools.combinations(values.tolist(), 2)
    )
    assert loss.tolerance == pytest.approx(c * size * (2 * lost + power), rel=1e-3, abs=0)
    assert loss.limit == loss.tolerance
    assert loss.rounding == pytest.approx(c * size * power, rel=1e-9, abs=0)


@problems
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 20])
def test_no_framework_that_divides_by_the_gap_exceeds_it(n, dtype, problem, rng):
    """And the bound is not idle: errors grow as the gap shrinks, to a hundredth of it or more."""
    eps, worst = float(np.finfo(dtype).eps), 0.0
    for gap in np.geomspace(1e-2, 1e4 * eps, 4):
        values = np.append([1.0, 1.0 - gap], np.linspace(0.1, 0.8, n - 2))
        checked = asked(with_values(values, rng, problem, dtype), problem, DIVIDING)
        for name, answer in checked.answers.items():
            assert answer.verdict == "agrees", (name, gap)
            worst = max(worst, answer.judgement.relative_error / checked.allowed)
    assert 1e-4 < worst < 0.5


@problems
@pytest.mark.needs("tensorflow")
def test_a_framework_that_regularises_is_silently_wrong(problem, rng):
    checked = asked(with_values([1.0, 1 - 1e-9, 0.5], rng, problem), problem)
    assert checked.digits >= 4
    assert verdicts(checked) == dict.fromkeys(DIVIDING, "agrees") | {"tensorflow": "wrong"}


@problems
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_changes_nothing_but_the_gradient(problem, scale, rng):
    matrix = with_values([1.0, 0.9, 0.5], rng, problem)
    one, other = (loss_at(x, problem) for x in (matrix, scale * matrix))
    power = scale ** (1 if problem == "eigh" else 2)
    for name in ("tolerance", "limit", "rounding"):
        assert getattr(other, name) == pytest.approx(power * getattr(one, name), rel=1e-6, abs=0)
    assert verdicts(asked(scale * matrix, problem, ["jax"])) == {"jax": "agrees"}


@problems
def test_zeros_that_are_tied_cost_this_loss_nothing(problem, rng):
    """Both products are 0 there; another loss has no digit left."""
    checked = asked(with_values([1.0, 0.5, 0.0, 0.0], rng, problem), problem)
    assert set(verdicts(checked).values()) == {"agrees"}
    assert checked.digits >= 12
    assert checked.vector_digits == 0


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@problems
def test_the_zero_matrix_has_the_gradient_zero(problem, dtype):
    loss = loss_at(np.zeros((2, 2), dtype), problem)
    assert not loss.exact.any()
    assert (loss.tolerance, loss.limit) == (0, 0)
    assert verdict.judge(loss.exact, loss).verdict == "agrees"


# At a tie


def at_a_tie(n, rng):
    """The loss where the two largest of n are equal, and its gradient between their vectors."""
    loss = loss_at(with_values([1.0, 1.0, *np.linspace(-0.5, 0.5, n - 2)], rng))
    v = loss.right[:, -2:]
    block = v.conj().T @ loss.exact @ v
    return loss, v @ (block - np.diag(np.diag(block))) @ v.conj().T


@pytest.mark.parametrize("n", [2, 3, 20])
@pytest.mark.parametrize(
    ("part", "expected"),
    [(0, "undecided"), (0.05, "undecided"), (0.2, "wrong"), (1, "wrong"), (-3, "wrong")],
)
def test_who_leaves_out_what_the_gap_divides_is_wrong_and_who_has_it_is_lucky(
    n, part, expected, rng
):
    """Even where that is a small part of all: of 20 × 20 entries, it is two."""
    loss, between = at_a_tie(n, rng)
    judged = verdict.judge(loss.exact - part * between, loss)
    assert judged.relative_error == pytest.approx(
        abs(part) * np.linalg.norm(between) / np.linalg.norm(loss.exact), abs=1e-12
    )
    assert verdict.Answer("1.0", loss.exact, judged).verdict == expected


@pytest.mark.parametrize(("times", "excused"), [(20, True), (5, False)])
def test_where_the_gap_leaves_a_digit_its_bound_holds(times, excused, rng):
    gap = times * spectrum.default_rtol((20, 20), float)
    loss = loss_at(with_values([1.0, 1.0 - gap, *np.linspace(-0.5, 0.5, 18)], rng))
    assert (loss.limit == loss.tolerance) == excused


def test_a_tie_excuses_nothing_elsewhere(rng):
    loss, between = at_a_tie(5, rng)
    v = loss.right[:, :2]
    error = v @ [[0, 1], [1, 0]] @ v.T
    error *= np.linalg.norm(between) / 5
    assert verdict.judge(loss.exact + error, loss).verdict == "wrong"


@pytest.mark.needs("torch", "tensorflow")
def test_a_tie_of_integers():
    """TensorFlow leaves out what it cannot divide; nobody else has a digit, or says so."""
    checked = asked(TIE)
    assert checked.digits == checked.vector_digits == 0
    found = verdicts(checked)
    assert found.pop("tensorflow") == "wrong"
    assert set(found.values()) <= {"wrong", "undecided", "not finite"}
    assert verdicts(asked(6 * np.eye(3), names=["torch", "tensorflow"])) == {
        "torch": "not finite",
        "tensorflow": "wrong",
    }


@pytest.mark.parametrize(("scale", "expected"), [(0.5, "agrees"), (2, "wrong")])
@problems
def test_away_from_a_tie_the_tolerance_decides(problem, scale, expected, rng):
    loss = loss_at(with_values([1.0, 0.7, 0.2], rng, problem), problem)
    error = symmetric.hermitian_part(rng.standard_normal((3, 3)))
    error *= scale * loss.tolerance / np.linalg.norm(error)
    judged = verdict.judge(loss.exact + error, loss)
    assert verdict.Answer("1.0", loss.exact, judged).verdict == expected


# The digits that the nearest gap leaves, whatever is asked


@pytest.mark.parametrize(
    ("problem", "values", "dtype", "shape", "rtol", "expected"),
    [
        ("eigh", [1, 1.5, 2], "float64", None, "auto", 13),
        ("eigh", [1, 1.00001, 2], "float64", None, "auto", 8),
        ("eigh", [1, 1.00001, 2], "float32", None, "auto", 0),
        ("eigh", [1, 1, 2], "float64", None, "auto", 0),
        ("eigh", [0, 1e-5, 2], "float64", None, "auto", 8),
        ("eigh", [1e-5, 1, 2], "float64", None, "auto", 14),
        ("eigh", [1, 1.1, 2], "float64", None, 1e-3, 1),
        ("eigh", [3], "float64", None, "auto", 14),
        ("eigh", [0, 0], "float64", None, "auto", 0),
        ("svd", [2, 1, 1e-5], "float64", None, "auto", 13),
        ("svd", [2, 1, 1e-5], "complex128", None, "auto", 8),
        ("svd", [2, 1, 1e-5], "float64", (4, 3), "auto", 8),
        ("svd", [2, 1, 1e-5], "float64", (3, 4), "auto", 8),
        ("svd", [2, 1.00001, 1], "float64", None, "auto", 8),
    ],
)
def test_the_digits_that_the_nearest_gap_leaves(problem, values, dtype, shape, rtol, expected, rng):
    matrix = with_values(values, rng, problem, dtype, shape)
    for of in ("values", "vectors"):
        checked = verdict.check(matrix, problem=problem, of=of, rtol=rtol, frameworks=["torch"])
        assert abs(checked.vector_digits - expected) <= (0 if expected in (0, 1) else 1)
        assert checked.to_dict()["vector_digits"] == checked.vector_digits


# The question, and what is said


def test_a_loss_on_vectors_has_no_weights():
    with pytest.raises(ValueError, match="weights: are for sums of values, not for a loss on vect"):
        verdict.Question(weights="sum", of="vectors")
    with pytest.raises(ValueError, match="of: 'vector' will not do; choose from values, vectors"):
        verdict.Question(of="vector")
    assert cli.main(["check", "[[1]]", "--of", "vectors", "--weights", "[1]"]) == 2


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e80, "float64"), (1e-80, "float64"), (1e10, "float32")]
)
def test_a_matrix_whose_fourth_power_is_no_number_is_refused_in_one_line(size, dtype):
    with pytest.raises(MatrixError, match=r"^mine: has the value 1e.*; scale the matrix") as caught:
        verdict.Question(of="vectors", dtype=dtype).pose(size * np.eye(2), "mine")
    assert "\n" not in str(caught.value)


def test_the_json_names_the_question():
    written = asked(TIE, names="jax").to_dict()
    assert (written["of"], written["weights"], written["differentiable"]) == ("vectors", None, True)
    assert np.allclose(written["gradient"], loss_at(TIE).exact)
    json.dumps(written, allow_nan=False)
    none = asked(6 * np.eye(3), names="jax").to_dict()
    assert none["allowed"] is None
    json.dumps(none, allow_nan=False)


def test_the_nearest_pair_is_named_without_a_proposal():
    near = asked(np.diag([1.0, 1 + 1e-10, 3]), names="jax")
    assert near.near.indices == (0, 1)
    assert "λ₁ and λ₂ are only 1.0e-10 apart, 3.3e-11 times the largest." in cli._as_text(near)
    # To zero the loss is smooth.
    assert asked(np.diag([2.0, 1, 1e-10]), "svd", "jax").near is None
    assert asked(np.diag([2.0, 2 - 1e-10, 1]), "svd", "jax").near.indices == (0, 1)


@pytest.mark.parametrize("problem", ["eigh", "svd"])
@pytest.mark.parametrize("values", [[3, 2, 1], [3, 2, 2], [3, 2, 2 - 1e-10], [3, 0, 0], [1e-6] * 3])
def test_no_sentence_is_about_a_sum_of_values(values, problem, rng):
    text = cli._as_text(asked(with_values(values, rng, problem), problem))
    for of_sums in ("weight", "sum of", "treats", "smallest norm", "depends on", "--rtol"):
        assert of_sums not in text
    loss = {"eigh": "V Λ² Vᴴ⟩, through", "svd": "U Σ³ Vᴴ⟩, through"}[problem]
    assert loss in text
    assert "f is differentiable at every matrix; at this one, to a relative" in text
    assert "To another loss on vectors, the nearest gap leaves" in text


@pytest.mark.needs("torch")
def test_advice_at_a_tie_is_a_rule_that_does_not_divide():
    text = cli._as_text(asked(TIE, names="tensorflow"))
    assert "Do not take what TensorFlow returns; write the loss as a function of the matrix" in text
    assert "invariant_eigh of spectralgrad.recipes" in text
    apart = cli._as_text(asked(np.diag([1.0, 2.0]), names="torch"))
    assert "invariant" not in apart


def test_a_loss_can_be_copied():
    """`dataclasses.replace` keeps what it adds to the class of all valid answers."""
    loss = loss_at(TIE)
    assert dataclasses.replace(loss, rtol=0.5).minimum_norm is loss.exact
