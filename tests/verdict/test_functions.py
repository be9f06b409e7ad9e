"""Verdicts on functions of one's own, against gradients in closed form."""

import contextlib
import functools
import json
import sys

import numpy as np
import pytest
from drawing import random_matrix, seeds
from hypothesis import given
from hypothesis import strategies as st
from verdict import losses
from verdict.losses import AGREES, CASES, CHANCE, NAN, NONE, WRONG, anp, jnp, tf, torch

from spectralgrad import frameworks
from spectralgrad.theory import symmetric
from spectralgrad.theory.arrays import MatrixError
from spectralgrad.verdict import functions, turning
from spectralgrad.verdict.functions import FunctionError, check_function, check_functions

REGULAR = losses.REGULAR.matrix
SQUARE = losses.SQUARE.matrix


def read(found):
    """The gradient in this book's convention, Hermitian where only that counts."""
    gradient = found.gradient.conj() if found.conjugated else found.gradient
    hermitian = np.array_equal(found.matrix, found.matrix.conj().T) and found.expected is not None
    hermitian = hermitian and np.allclose(found.expected, found.expected.conj().T)
    return symmetric.hermitian_part(gradient) if hermitian else gradient


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_verdict_is_that_of_the_closed_form(case):
    found = check_function(case.loss, case.point.matrix, case.framework, **case.options)
    assert found.verdict == case.verdict, found.message
    if case.right is not None:
        size = np.linalg.norm(case.right)
        # The slopes make it, whatever the framework says.
        error = np.linalg.norm(found.expected - case.right) / size
        assert error < 1e-4
        if case.verdict != NAN:
            far = np.linalg.norm(read(found) - case.right) / size
            assert (far < 1e-4) == (case.verdict == AGREES)
            # No more digits are confirmed than are right.
            assert case.verdict != AGREES or far < 10.0 ** (1 - found.digits)
    if case.slope is not None:
        d, slope = found.worst_direction.direction, found.worst_direction
        given = slope.left, slope.right
        assert given == pytest.approx((-case.slope(-d), case.slope(d)), rel=1e-4, abs=1e-4)


def test_each_framework_has_ten_losses_and_half_of_all_have_no_right_gradient():
    for name in frameworks.NAMES:
        assert sum(case.framework == name for case in CASES) >= 10
    assert sum(case.verdict != AGREES for case in CASES) >= len(CASES) / 2
    assert {case.verdict for case in CASES} == {AGREES, WRONG, NAN, NONE, CHANCE}


@given(seeds, st.integers(1, 6), st.booleans(), st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_smooth_trace_function_agrees_and_times_a_factor_is_wrong(seed, n, is_complex, scale):
    """Of exp and a cubic polynomial, at a random matrix, Hermitian or not."""
    rng = np.random.default_rng(seed)
    a = random_matrix(rng, n, n, is_complex=is_complex)
    a = symmetric.hermitian_part(a) if rng.random() < 0.5 else a
    a, (b, c, factor) = scale * a / np.linalg.norm(a), rng.uniform(0.3, 2, 3)
    factor += 0.2 if factor > 1 else -0.2

    def function(x, factor=1.0):
        y = x / scale
        value = torch.trace(torch.matrix_exp(y) + b * y @ y @ y + c * y @ y.mH).real
        return factor * value + (1 - factor) * value.detach()

    right = check_function(function, a)
    assert right.verdict == AGREES, right.message
    assert right.digits >= 8
    assert check_function(lambda x: function(x, factor), a).verdict == WRONG


def lower(a):
    """Of which JAX's own function takes both triangles."""
    return jnp.linalg.eigvalsh(jnp.tril(a) + jnp.tril(a, -1).T.conj())[0].real


@pytest.mark.parametrize(
    ("framework", "loss", "convention"),
    [
        ("torch", lambda a: torch.linalg.eigvalsh(a)[0], "symmetric"),
        ("torch", lambda a: torch.linalg.eigvalsh(a, UPLO="U")[0], "symmetric"),
        ("tensorflow", lambda a: tf.math.real(tf.linalg.eigvalsh(a)[0]), "lower"),
        ("autograd", lambda a: anp.linalg.eigh(a)[0][0], "lower"),
        ("jax", lambda a: jnp.linalg.eigvalsh(a)[0], "symmetric"),
        ("jax", lower, "lower"),
        ("jax", lambda a: lower(a.T.conj()), "upper"),
        ("torch", lambda a: (a * torch.arange(16.0).reshape(4, 4)).sum().real, "general"),
    ],
)
def test_a_convention_is_told(framework, loss, convention):
    found = check_function(loss, losses.COMPLEX.matrix, framework)
    assert (found.verdict, found.convention) == (AGREES, convention)
    assert found.conjugated == (framework in ("jax", "autograd"))
    assert ("(G + Gᴴ)/2" in found.advice) == (convention in ("lower", "upper"))
    assert ("conjugate" in found.advice) == found.conjugated


def test_along_which_directions_is_found_from_the_matrix_or_said():
    along = {
        len(check_function(lambda a: a.sum(), REGULAR, symmetric=choice).slopes)
        for choice in (None, True)
    }
    assert along == {15 + 3}
    assert len(check_function(lambda a: a.sum(), REGULAR, symmetric=False).slopes) == 25 + 3
    assert len(check_function(lambda a: a.sum(), SQUARE).slopes) == 16 + 3
    with pytest.raises(MatrixError, match="inline: row"):
        check_function(lambda a: a.sum(), SQUARE, symmetric=True)


def test_of_a_large_matrix_some_directions_are_tried(rng):
    a = rng.standard_normal((30, 20))
    found = check_function(lambda a: torch.linalg.svdvals(a).sum(), a)
    assert (found.verdict, len(found.slopes), found.expected) == (AGREES, 20 + 3, None)
    wrong = check_function(lambda a: (a * a.detach()).sum(), a)
    assert wrong.verdict == WRONG


@pytest.mark.parametrize(
    ("loss", "where", "words"),
    [
        (lambda a: torch.linalg.eigh(a)[1][0, 1], REGULAR, "λ₂ has another sign"),
        (lambda a: torch.linalg.eigh(a)[1][0, 2:].prod(), REGULAR, "another sign"),
        (
            lambda a: torch.linalg.eigh(a)[1][:, 1].pow(4).sum(),
            losses.TIED.matrix,
            "λ₂ and λ₃ have another basis",
        ),
        (lambda a: torch.svd(a)[0][0, 0], SQUARE, "σ₁ has another sign"),
        (lambda a: torch.linalg.qr(a)[0].sum(), SQUARE, "q"),
        (
            lambda a: torch.linalg.svd(a)[2][-1].pow(4).sum(),
            losses.general(3, 5, 3.0, 2.0, 1.0).matrix,
            "right vectors beyond the rank",
        ),
        # Where both are negative, each alone changes nothing.
        (
            lambda a: torch.relu(against(a, 0)) * torch.relu(against(a, 1)),
            REGULAR,
            "several vectors",
        ),
    ],
    ids=["sign", "product", "basis", "svd", "qr", "null", "both"],
)
def test_what_the_value_depends_on_is_named(loss, where, words):
    found = check_function(loss, where)
    assert found.verdict == CHANCE
    assert words in found.message


@functools.cache
def here():
    return torch.linalg.eigh(torch.tensor(REGULAR))[1]


def against(a, k):
    """A vector, along minus the one that is found for this matrix."""
    return -(here()[:, k] @ torch.linalg.eigh(a)[1][:, k])


def test_a_sign_that_is_fixed_afterwards_is_none_to_depend_on():
    assert check_function(losses.t_fixed_sign, REGULAR).verdict == AGREES


def test_two_calls_for_one_matrix_return_the_same():
    b = torch.tensor(losses.weights(5))

    def twice(a):
        return torch.linalg.eigh(a)[1][:, 1] @ b @ torch.linalg.eigh(a)[1][:, 1]

    found = check_function(twice, REGULAR)
    assert (found.verdict, found.calls) == (AGREES, ("eigh",))


def test_a_call_that_is_mapped_is_left_as_it_is():
    def loss(a):
        b = jnp.stack([a, 2 * a])
        inside = losses.jax.vmap(lambda a: jnp.linalg.eigh(a)[0][0])(b).sum()
        return inside + (jnp.linalg.eigh(a)[1] ** 2).sum()

    def mapped(a):
        b = torch.stack([a, 2 * a])
        inside = torch.vmap(lambda a: torch.linalg.eigh(a)[0][0])(b).sum()
        return inside + (torch.linalg.eigh(a)[1] ** 2).sum()

    for name, function in (("jax", loss), ("torch", mapped)):
        found = check_function(function, REGULAR, name)
        assert found.verdict == AGREES, found.message


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("name", ["eigh", "eig", "svd", "qr"])
def test_other_factors_are_those_of_the_same_matrix(name, is_complex, rng):
    a = random_matrix(rng, 4, 4, is_complex=is_complex)
    a = symmetric.hermitian_part(a) if name == "eigh" else a
    stack = np.stack([a, 2 * a])
    count = 0
    for _, factors in turning.turned(name, [*getattr(np.linalg, name)(stack)]):
        first, *_, last = factors
        if name == "svd":
            made = (first * factors[1][:, None]) @ last
        elif name == "qr":
            made = first @ last
        else:
            made = (last * first[:, None]) @ np.linalg.inv(last)
        assert made == pytest.approx(stack)
        count += 1
    assert count >= 2 * 4


@pytest.mark.parametrize("columns", [3, 5])
def test_vectors_of_zeros_are_exchanged(columns):
    point = losses.general(4, columns, *[2.0, 1.0, 0.0, 0.0][: min(4, columns)])
    given = [*np.linalg.svd(point.matrix, full_matrices=False)]
    *_, left, right = (factors for _, factors in turning.turned("svd", given))
    for factors, side in ((left, 0), (right, 2)):
        basis = factors[side] if side == 0 else factors[side].T
        before = given[side] if side == 0 else given[side].T
        assert basis.T @ basis == pytest.approx(np.eye(basis.shape[1]))
        assert basis[:, :2] == pytest.approx(before[:, :2])
        assert np.abs(basis[:, 2:] - before[:, 2:]).max() > 1e-3


def test_in_single_precision_differences_are_double_where_the_function_allows():
    a = losses.SINGLE.matrix
    double = check_function(lambda a: torch.linalg.eigvalsh(a)[0], a)
    assert double.verdict == AGREES
    assert double.digits == 6
    assert "single" not in double.message
    b = torch.eye(4)
    single = check_function(lambda a: torch.linalg.eigvalsh(a @ b)[0], a)
    assert single.verdict == AGREES
    assert 2 <= single.digits < 6
    assert "single precision" in single.message
    # Inside it is rounded, and the result does not say so.
    hidden = check_function(lambda a: torch.linalg.eigvalsh(a.float())[0].double(), REGULAR)
    assert hidden.verdict == AGREES
    assert hidden.digits < 6


def test_what_rounding_hides_is_undecided():
    far = check_function(lambda a: torch.linalg.eigvalsh(a)[0] + 1e13, REGULAR)
    assert (far.verdict, far.digits) == ("undecided", 0)
    assert "only" in far.message


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_what_is_computed_in_half_precision_is_undecided(half):
    loss = check_function(lambda a: (a.to(half) ** 2).sum(), REGULAR)
    assert loss.verdict == "undecided"


def test_a_constant_in_single_precision_does_not_jump():
    """Where differences are double, the value moves less far than by rounding in single."""

    def polar(a):
        u, _, vh = torch.linalg.svd(a)
        return (u @ vh).sum()

    found = check_function(polar, losses.POSITIVE.matrix.astype(np.float32))
    assert found.verdict == AGREES


def test_a_gradient_whose_norm_overflows_is_undecided():
    huge = check_function(lambda a: 1e200 * (a * a.detach()).sum(), REGULAR)
    assert (huge.verdict, huge.digits) == ("undecided", 0)


def test_beside_a_pole_nothing_is_wrong():
    for seed in range(1, 4):
        q = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 5)))[0]
        pole = check_function(lambda a: torch.linalg.slogdet(a)[1], q * [0, 1, 2, 3, 4] @ q.T)
        assert pole.verdict in ("undecided", CHANCE)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_constant_has_the_gradient_0(value):
    found = check_function(lambda a: value + 0 * a.sum(), REGULAR)
    assert (found.verdict, found.relative_error) == (AGREES, 0)
    vectors = check_function(lambda a: (torch.linalg.eigh(a)[1] ** 2).sum(), REGULAR)
    assert vectors.verdict == AGREES
    wrong = check_function(lambda a: value + 0 * a.sum() + (a - a.detach()).sum(), REGULAR)
    assert wrong.verdict == WRONG


def no_loss(a):
    raise RuntimeError("two\nlines")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (no_loss, f"{no_loss.__code__.co_firstlineno + 1}: no_loss: RuntimeError: two lines"),
        (lambda a: a, "returns an array of 4 × 4, not one real number"),
        (lambda a: a.sum()[None], "returns an array of 1, not one"),
        (lambda a: torch.linalg.eigvals(a)[0], "returns complex128, not one"),
        (lambda a: None, "returns NoneType, not one real number"),
        (lambda a: "one", "not one real number"),
        (lambda a: a.sum() * np.nan, "returns nan at the matrix"),
        (lambda a: a.sum().abs() / 0, "returns inf at the matrix"),
        (lambda a, b: a.sum(), "missing a required argument: 'b'"),
        (lambda: 1.0, "too many positional arguments"),
        (lambda a: sys.exit(), "SystemExit"),
        # No Exception either.
        (lambda a: pytest.skip("not here"), "Skipped: not here"),
        (5, "not a callable"),
    ],
)
def test_what_returns_no_number_is_refused_in_one_line_with_its_place(loss, words):
    with pytest.raises(FunctionError) as refusal:
        check_function(loss, SQUARE)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert loss == 5 or str(refusal.value).startswith(f"{__file__}:")


def test_a_function_may_have_no_signature_or_end_where_the_matrix_has_changed():
    assert check_function(torch.det, SQUARE).verdict == AGREES
    ends = check_function(lambda a: a.sum() if a[0, 0] <= SQUARE[0, 0] else sys.exit(), SQUARE)
    assert ends.verdict == NONE


def test_what_a_framework_refuses_or_fails_at_is_said():
    full = check_function(lambda a: anp.linalg.svd(a)[0][0, 0] ** 2, SQUARE, "autograd")
    assert (full.verdict, full.gradient) == ("unsupported", None)
    assert "full_matrices" in full.message
    assert full.expected is not None
    failed = check_function(lambda a: float(a[0, 0]) ** 2, SQUARE, "jax")
    assert failed.verdict == "failed"
    assert check_function(lambda a: a[0, 0].item() ** 2, SQUARE, "torch").verdict == WRONG


def test_numpy_has_slopes_and_no_gradient():
    found = check_function(lambda a: np.linalg.eigvalsh(a)[0], REGULAR, "numpy")
    assert (found.verdict, found.gradient, found.calls) == ("unsupported", None, ("eigvalsh",))
    right = losses.of_values(losses.REGULAR, [1, 0, 0, 0, 0])
    assert found.expected == pytest.approx(right, abs=1e-10)


def test_a_framework_may_be_missing(monkeypatch):
    def get(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(functions.libraries, "get", get)
    found = check_function(lambda a: a.sum(), SQUARE, "torch")
    assert (found.verdict, found.message) == ("not installed", "No module named 'torch'")


def test_each_matrix_of_a_stack_is_checked():
    stack = np.stack([REGULAR, losses.TIED.matrix])
    found = check_functions(lambda a: torch.linalg.eigvalsh(a)[1], stack)
    assert [v.verdict for v in found] == [AGREES, NONE]
    assert [v.place for v in found] == ["matrix 1", "matrix 2"]
    with pytest.raises(MatrixError, match="stack"):
        check_function(lambda a: a.sum(), stack)


@pytest.mark.parametrize("framework", frameworks.NAMES)
def test_the_json_is_strict(framework):
    cases = [c for c in CASES if c.framework == framework and c.verdict in (NAN, NONE, WRONG)]
    for case in cases[:3]:
        found = check_function(case.loss, case.point.matrix, framework, **case.options)
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert set(told) == {
            *("source", "place", "shape", "dtype", "framework", "version", "verdict", "digits"),
            *("value", "gradient", "expected", "convention", "conjugated", "relative_error"),
            *("slopes", "worst_direction", "message", "calls", "advice"),
        }
        assert {"left", "right", "derivative", "error", "framework"} == set(told["slopes"][0])
        assert told["message"]
        assert told["advice"]


@pytest.mark.parametrize("case", [c for c in CASES if c.verdict == WRONG], ids=str)
def test_three_lines_show_what_is_wrong(case):
    found = check_function(case.loss, case.point.matrix, case.framework, **case.options)
    printed = []
    modules = {"torch": torch, "tf": tf, "jnp": jnp, "jax": losses.jax, "anp": anp}
    names = {**modules, "autograd": losses.agrad, "print": lambda *x: printed.extend(x)}
    name = getattr(case.loss, "__name__", "f")
    names["f" if "lambda" in name else name] = case.loss
    assert len(found.reproducer.splitlines()) == 3
    with losses.jax.enable_x64(True) if case.framework == "jax" else contextlib.nullcontext():
        exec(found.reproducer, names)
    claimed, true = (float(x) for x in printed)
    worst = found.worst_direction
    assert claimed == pytest.approx(found.predicted(worst), rel=1e-6, abs=1e-9)
    assert true == pytest.approx(worst.derivative, abs=0.3 * abs(claimed - true))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (losses.t_root, "spectralgrad.recipes.torch: replace eigh"),
        (lambda a: torch.linalg.det(a.detach()) + a.sum(), "No recipe replaces det"),
        (lambda a: (a * a.detach()).sum(), "no decomposition"),
        (lambda a: torch.linalg.eigvalsh(a)[0], "No program can find"),
        (lambda a: torch.linalg.eigh(a)[1][0, 0], "projector"),
    ],
)
def test_what_to_do_is_found_from_what_was_called(loss, words):
    assert words in check_function(loss, losses.EQUAL.matrix).advice
