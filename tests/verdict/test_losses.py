"""Losses of eigenvectors and singular vectors, each with a truth that no decomposition gave.

The right gradients are sums of products, in 50 digits; a framework's gradient is called wrong, or
not, by its distance from that.
"""

import functools
import importlib
import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
from cases import CASES
from drawing import random_matrix, unitary

from spectralgrad import frameworks
from spectralgrad.theory import exact
from spectralgrad.theory.exact import MP
from spectralgrad.verdict import mending
from spectralgrad.verdict.functions import FunctionError
from spectralgrad.verdict.losses import check_loss, check_losses

NAMES = ("autograd", "torch", "tensorflow", "jax")


@functools.cache
def functions(name):
    """The array functions of a framework; those of autograd are NumPy's, too."""
    with frameworks.quiet():
        return importlib.import_module(
            f"spectralgrad.recipes.{name.replace('numpy', 'autograd')}"
        ).xp


def adjoint(a):
    return a.conj().T


def inner(xp, b, x):
    """Re⟨B, X⟩."""
    return xp.sum(xp.real(xp.conj(xp.asarray(b, x)) * x))


def mp(a):
    return MP.matrix(a.tolist())


def array(a):
    return np.array(a.tolist(), dtype=object)


def inverse(a):
    return array(mp(a) ** -1)


def real(x):
    return sum((MP.re(z) for z in x.ravel()), MP.zero)


def hermitian(a):
    return (a + adjoint(a)) / 2


def derivative_of_sign(a, b):
    """That of sign(A) along B, by Newton's iteration for a matrix that holds both."""
    size = max(abs(x) for x in a.ravel())
    x = np.block([[a, b], [0 * a, a]]) / size
    for _ in range(16):
        x = (x + inverse(x)) / 2
    return x[: len(a), len(a) :]


def derivative_of_exp(a, b):
    x = MP.expm(mp(np.block([[a, b], [0 * a, a]])))
    return array(x)[: len(a), len(a) :]


# Losses that are functions of the matrix, and their gradients as functions of A and B.


def cube(xp, b):
    return lambda values, v: inner(xp, b, (v * xp.cast(values**3, v)) @ xp.adjoint(v))


def of_cube(a, b):
    return b @ a @ a + a @ b @ a + a @ a @ b


def squared_exp(xp, b):
    def loss(values, v):
        return inner(xp, b, (v * xp.cast(xp.exp(values), v)) @ xp.adjoint(v)) ** 2

    return loss


def of_squared_exp(a, b):
    x = real(b.conj() * array(MP.expm(mp(a))))
    return 2 * x * derivative_of_exp(a, b)


def log_det_mix(xp, b):
    def loss(values, v):
        inverse = (v * xp.cast(1 / values, v)) @ xp.adjoint(v)
        return xp.sum(xp.log(values)) + inner(xp, b, inverse)

    return loss


def of_log_det_mix(a, b):
    x = inverse(a)
    return x - x @ b @ x


def projector(xp, b):
    """On the eigenvectors of the values above 0."""

    def loss(values, v):
        kept = xp.cast(xp.cast(values > 0, values), v)
        return inner(xp, b, (v * kept) @ xp.adjoint(v))

    return loss


def of_projector(a, b):
    return derivative_of_sign(a, b) / 2


def traces(xp, b):
    return lambda values, v: xp.sum(values**3) * xp.sum(xp.exp(values))


def of_traces(a, b):
    e = array(MP.expm(mp(a)))
    return 3 * np.trace(e) * (a @ a) + np.trace(a @ a @ a) * e


def odd(xp, b):
    """The square of ⟨B, A AᴴA⟩, and a linear one."""

    def loss(u, s, vh):
        x = inner(xp, b, (u * xp.cast(s**3, u)) @ vh)
        return x**2 + inner(xp, b, (u * xp.cast(s, u)) @ vh)

    return loss


def of_odd(a, b):
    h = adjoint(a)
    x = real(b.conj() * (a @ h @ a))
    return 2 * x * (b @ h @ a + a @ adjoint(b) @ a + a @ h @ b) + b


def even(xp, b):
    """Of the left vectors alone."""

    def loss(u, s, vh):
        return inner(xp, b @ adjoint(b), (u * xp.cast(s**2, u)) @ xp.adjoint(u)) + xp.sum(s**4)

    return loss


def of_even(a, b):
    return 2 * b @ adjoint(b) @ a + 4 * a @ adjoint(a) @ a


def column_space(xp, b):
    """The projector onto the columns of a tall matrix of full rank."""
    return lambda u, s, vh: inner(xp, b @ adjoint(b), u @ xp.adjoint(u))


def of_column_space(a, b):
    pinv = inverse(adjoint(a) @ a) @ adjoint(a)
    return 2 * (b @ adjoint(b) - a @ pinv @ b @ adjoint(b)) @ adjoint(pinv)


TRUTH = {
    cube: of_cube,
    squared_exp: of_squared_exp,
    log_det_mix: of_log_det_mix,
    projector: of_projector,
    traces: of_traces,
    odd: of_odd,
    even: of_even,
    column_space: of_column_space,
}


def with_spectrum(values, shape, *, is_complex, hermitian, seed=3):
    rng, k = np.random.default_rng(seed), len(values)
    left, right = (unitary(rng, n, is_complex=is_complex)[:, :k] for n in shape)
    right = left if hermitian else right
    matrix = (left * np.array(values, float)) @ right.conj().T
    return (matrix + matrix.conj().T) / 2 if hermitian else matrix


@dataclass(frozen=True)
class Smooth:
    """A loss with a gradient, at one matrix."""

    loss: object
    values: tuple
    shape: tuple
    is_complex: bool = False

    @property
    def problem(self):
        return "svd" if self.loss in (odd, even, column_space) else "eigh"

    @property
    def matrix(self):
        hermitian = self.problem == "eigh"
        return with_spectrum(
            self.values, self.shape, is_complex=self.is_complex, hermitian=hermitian
        )

    @property
    def b(self):
        b = random_matrix(np.random.default_rng(5), *self.shape, is_complex=self.is_complex)
        b = b / np.linalg.norm(b)
        return (b + b.conj().T) / 2 if self.problem == "eigh" else b

    @functools.cached_property
    def truth(self):
        with MP.workdps(60):
            found = TRUTH[self.loss](exact.lift(self.matrix), exact.lift(self.b))
        return found.astype(complex if self.is_complex else float)

    def check(self, name, **options):
        loss = self.loss(functions(name), self.b)
        return check_loss(loss, options.pop("matrix", self.matrix), self.problem, name, **options)


def far(verdict, case):
    """How far a framework's gradient is from the truth, however it writes it."""
    given = verdict.gradient
    given = given.conj() if verdict.framework in ("jax", "autograd") else given
    given = hermitian(given) if case.problem == "eigh" else given
    return exact.relative_error(given, case.truth)


def ramp(n, last=2.0):
    return tuple(np.linspace(1, last, n))


# Ties of two, of three, of all; zeros; tall and wide.
SMOOTH = {
    "cube, tie": Smooth(cube, (1, 1, 2), (3, 3)),
    "cube, triple": Smooth(cube, (-1, 1, 1, 1, 2), (5, 5), is_complex=True),
    "cube, zeros": Smooth(cube, (0, 0, 0, 1, 2), (5, 5)),
    "cube, regular": Smooth(cube, (1, 2, 4), (3, 3)),
    "cube, large": Smooth(cube, (1,) * 7 + ramp(10) + (3,) * 3, (20, 20)),
    "exp, all": Smooth(squared_exp, (1, 1, 1), (3, 3), is_complex=True),
    "exp, pairs": Smooth(squared_exp, (-1, -1, 0, 2, 2), (5, 5)),
    "log det, tie": Smooth(log_det_mix, (1, 2, 2), (3, 3), is_complex=True),
    "log det, pairs": Smooth(log_det_mix, (1, 1, 2, 3, 3), (5, 5)),
    "projector": Smooth(projector, (-2, -2, -1, 1, 1), (5, 5)),
    "projector, complex": Smooth(projector, (-1, -1, -1, 2, 2, 2), (6, 6), is_complex=True),
    "traces": Smooth(traces, (1, 1, 2), (3, 3)),
    "one": Smooth(cube, (2,), (1, 1), is_complex=True),
    "two": Smooth(squared_exp, (1, 1), (2, 2)),
    "odd, tie": Smooth(odd, (2, 1, 1), (3, 3)),
    "odd, zeros": Smooth(odd, (2, 0, 0), (3, 3)),
    "odd, tall": Smooth(odd, (2, 2, 1, 0, 0), (7, 5), is_complex=True),
    "odd, wide": Smooth(odd, (1, 1, 1), (3, 5)),
    "odd, large": Smooth(odd, ramp(10)[::-1] + (1,) * 7 + (0,) * 3, (20, 21)),
    "even, wide": Smooth(even, (2, 1, 1, 0), (4, 6), is_complex=True),
    "even, zeros": Smooth(even, (1, 1, 0, 0), (4, 4)),
    "columns": Smooth(column_space, (2, 1, 1), (5, 3), is_complex=True),
    "columns, all": Smooth(column_space, (1, 1, 1), (6, 3)),
}

FEW = (
    "cube, tie",
    "cube, triple",
    "cube, regular",
    "log det, tie",
    "projector",
    "traces",
    "odd, tall",
    "odd, wide",
    "even, zeros",
    "columns",
)


@pytest.mark.parametrize(
    ("framework", "name"),
    [("torch", x) for x in SMOOTH] + [(f, x) for f in NAMES if f != "torch" for x in FEW],
)
def test_the_right_gradient_and_what_a_framework_makes_of_it(framework, name):
    case = SMOOTH[name]
    found = case.check(framework)
    assert exact.relative_error(found.right, case.truth) < 1e-12
    assert found.right_digits >= 12
    if not np.all(np.isfinite(found.gradient)):
        assert found.verdict == "not finite"
    else:
        off = far(found, case)
        assert found.verdict == ("wrong" if off > 1e-7 else "agrees")
        assert found.relative_error == pytest.approx(off, rel=1e-3, abs=1e-12)
        assert found.digits >= (12 if found.verdict == "agrees" and off < 1e-13 else 0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_frameworks_fail_where_the_right_gradient_holds():
    """The comparison above would be empty if they did not."""
    found = [
        SMOOTH[name].check("torch").verdict for name in ("cube, tie", "projector", "odd, wide")
    ]
    assert set(found) <= {"wrong", "not finite"}


# Losses that depend on what a decomposition leaves open.


def tied(is_complex=False, hermitian=True):
    values = (1, 1, 2, 3) if hermitian else (3, 2, 1, 1)
    return with_spectrum(values, (4, 4), is_complex=is_complex, hermitian=hermitian)


def deficient(shape=(4, 4)):
    return with_spectrum((2, 1, 0, 0), shape, is_complex=False, hermitian=False)


def vector(xp, b):
    """Of the first eigenvector, whatever its sign."""
    return lambda values, v: inner(xp, b, v[:, :1] @ xp.adjoint(v[:, :1]))


def sign(xp, b):
    return lambda values, v: xp.sum(xp.real(v[:, 2]))


def two_signs(xp, b):
    return lambda values, v: xp.sum(xp.asarray(b, v) * (v[:, 2:3] @ xp.adjoint(v[:, 3:4])))


def left_alone(xp, b):
    """U without V."""
    return lambda u, s, vh: xp.sum(xp.asarray(b, u) * (u * xp.cast(s, u)))


def null_vector(xp, b):
    """The span of a left vector of a zero, of which there are more."""
    return lambda u, s, vh: inner(xp, b, u[:, 3:] @ xp.adjoint(u[:, 3:]))


def null_space(xp, b):
    """Of a tall matrix, the thin decomposition has a part of it."""
    return lambda u, s, vh: inner(xp, b, u[:, 2:] @ xp.adjoint(u[:, 2:]))


def polar(xp, b):
    """The polar factor, for which null vectors of one side need those of the other."""
    return lambda u, s, vh: inner(xp, b, u @ vh)


# What is named: one vector, or a pair.
OPEN = {
    "vector beside a tie": (vector, tied(), "eigh", "λ₁ and λ₂"),
    "vector beside a tie, complex": (vector, tied(is_complex=True), "eigh", "λ₁ and λ₂"),
    "sign": (sign, tied(), "eigh", "λ₃"),
    "phase": (sign, tied(is_complex=True), "eigh", "λ₃"),
    "two signs": (two_signs, tied(), "eigh", "λ₃"),
    "left alone": (left_alone, tied(hermitian=False), "svd", "σ₁"),
    "null vector": (null_vector, deficient(), "svd", "rank"),
    "part of a null space": (null_space, deficient((5, 4)), "svd", "rank"),
    "polar factor": (polar, deficient(), "svd", "rank"),
}


@pytest.mark.parametrize(
    ("framework", "name"),
    [(f, x) for x in OPEN for f in ("torch", "numpy")]
    + [(f, x) for f in ("autograd", "tensorflow", "jax") for x in ("vector beside a tie", "phase")],
)
def test_a_loss_that_depends_on_the_choice_is_no_function_of_the_matrix(framework, name):
    loss, matrix, problem, named = OPEN[name]
    b = np.random.default_rng(8).standard_normal((matrix.shape[0], matrix.shape[0]))
    found = check_loss(loss(functions(framework), hermitian(b)), matrix, problem, framework)
    assert found.verdict == "not a function of the matrix"
    assert named in found.message
    assert found.right is None
    assert found.digits == 0


@pytest.mark.parametrize("framework", NAMES)
def test_a_phase_that_no_cotangent_shows(framework):
    """LAPACK makes the first row of the vectors real, where the loss is stationary."""
    case = CASES["phase-unseen"]
    matrix = np.array(case["matrix"]) @ [1, 1j]
    xp = functions(framework)
    found = check_loss(lambda values, v: xp.sum(xp.real(v[0])), matrix, "eigh", framework)
    assert found.verdict == case["verdict"]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_sign_that_shows_in_other_matrices_only(framework):
    """At this one, the entry is 0, and the slopes are those of a function of the values."""
    matrix = np.zeros((4, 4))
    matrix[:2, :2], matrix[2:, 2:] = [[2, 1], [1, 3]], [[5, 1], [1, 7]]
    found = check_loss(lambda values, v: v[0, 3] ** 3 + values[0], matrix, "eigh", framework)
    assert (found.verdict, found.digits) == ("not a function of the matrix", 0)
    assert "λ₄" in found.message and "another matrix" in found.message


def given(values, v):
    """The loss of the reproducer below."""
    import torch

    b = torch.arange(float(len(v) ** 2), dtype=v.dtype).reshape(v.shape)
    return torch.sum(b * ((v * values**3) @ v.T))


def test_what_to_do_and_three_lines_that_show_it(capsys):
    import torch

    found = check_loss(given, tied(), "eigh", "torch")
    assert found.verdict == "wrong"
    assert "recipes.torch.invariant_eigh" in found.advice
    exec(found.reproducer, {"torch": torch, "given": given})
    shown = re.findall(r"tensor\(([-\d.e+]+)", capsys.readouterr().out)
    slope, right = map(float, shown)
    assert abs(slope - right) > 1e-3 * abs(right)
    assert found.worst_direction.derivative == pytest.approx(right, rel=1e-3)


@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_the_lines_for_tensorflow_decompose_as_the_verdict_does(problem):
    import tensorflow as tf

    names = {"tf": tf, "f": lambda *factors: [np.shape(x) for x in factors]}
    code = mending.of_matrix("f", problem, "tensorflow")
    found = eval(code, names)(tf.constant(np.ones((3, 3) if problem == "eigh" else (4, 3))))
    assert found == ([(3,), (3, 3)] if problem == "eigh" else [(4, 3), (3,), (3, 3)])


# Losses that have no gradient, or one that is hard to tell.


@pytest.mark.parametrize("framework", [*NAMES, "numpy"])
def test_one_of_two_equal_values_has_no_gradient(framework):
    found = check_loss(lambda values, v: values[0], tied(), "eigh", framework)
    assert found.verdict == "no gradient here"
    assert found.right is None


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_smallest_singular_value_has_a_kink_at_zero(framework):
    found = check_loss(lambda u, s, vh: s[2], deficient(), "svd", framework)
    assert found.verdict == "no gradient here"


class TestNearTies:
    """The values are 1, 1 + gap and 2."""

    @staticmethod
    def matrix(gap):
        return with_spectrum((1, 1 + gap, 2), (3, 3), is_complex=False, hermitian=True)

    @pytest.mark.parametrize("gap", [1e-12, 1e-10, 1e-8, 1e-4])
    def test_a_smooth_loss_is_not_disturbed(self, gap):
        case = Smooth(cube, (1, 1 + gap, 2), (3, 3))
        found = case.check("torch")
        error = exact.relative_error(found.right, case.truth)
        assert error < 1e-7
        assert found.right_digits >= 7
        assert error < 10.0 ** (1 - found.right_digits)
        assert found.verdict == "agrees"
        assert found.relative_error == pytest.approx(far(found, case), rel=0.1, abs=1e-7)

    def test_a_function_that_tells_them_apart_keeps_the_digits_that_the_gap_leaves(self):
        b, matrix = np.diag([1.0, 2.0, 4.0]), self.matrix(1e-9)
        found = check_loss(vector(functions("torch"), b), matrix, "eigh", "torch")
        exactly = exact.lift(matrix)
        truth = exact.gradient(
            lambda a: inner(Exact, b, np.outer(*2 * [exact.eigh(a)[1][:, 0]])),
            exactly,
            hermitian=True,
        ).astype(float)
        error = exact.relative_error(found.right, truth)
        assert np.linalg.norm(truth) > 1e7
        assert 10.0 ** (-found.right_digits - 3) < error < 10.0 ** (1 - found.right_digits)
        assert found.verdict == "agrees"
        assert 4 <= found.right_digits <= 8


class Exact:
    """What a loss of vectors needs, of mpmath's numbers."""

    sum = staticmethod(lambda x: sum(x.ravel()))
    real = staticmethod(np.vectorize(MP.re, otypes=[object]))
    conj = staticmethod(np.conj)
    asarray = staticmethod(lambda x, like: x)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_what_the_loss_hides_from_the_framework_is_wrong_and_not_right(framework):
    """Its own cotangents are no help: the values alone decide."""
    case, xp = SMOOTH["cube, regular"], functions(framework)

    def loss(values, v):
        return cube(xp, case.b)(values, xp.stop(v))

    found = check_loss(loss, case.matrix, "eigh", framework)
    assert found.verdict == "wrong"
    assert found.right is None
    assert found.right_digits == 0
    assert "detach" in found.advice
    assert found.expected == pytest.approx(case.truth, rel=1e-6, abs=1e-6)


@pytest.mark.needs("torch")
def test_where_the_framework_raises_the_right_gradient_is_at_hand():
    def loss(values, v):
        if v.grad_fn:
            v.register_hook(lambda _: 1 / 0)
        return (values * v[0] ** 2).sum()

    found = check_loss(loss, tied(), "eigh", "torch")
    assert found.verdict == "failed"
    assert "recipes.torch.invariant_eigh" in found.advice


def test_a_tie_at_which_the_values_alone_decide():
    """The loss hides its vectors, and so cotangents in other bases contradict one another."""
    case, xp = SMOOTH["exp, pairs"], functions("torch")
    loss = squared_exp(xp, case.b)
    found = check_loss(lambda values, v: loss(values, xp.stop(v)), case.matrix, "eigh", "torch")
    assert found.verdict == "wrong"
    assert found.right is None


def test_a_loss_without_a_gradient_for_its_factors():
    """√ at 0; as a function of the matrix, it has one by rounding errors only."""
    matrix = with_spectrum((0, 1, 2), (3, 3), is_complex=False, hermitian=True)
    xp = functions("torch")
    found = check_loss(lambda values, v: xp.sum(xp.sqrt(xp.abs(values))), matrix)
    assert found.right is None
    assert found.verdict == "no gradient here"


# NumPy, which has a pullback or none.


def pullback(b):
    """Of `cube`."""

    def cotangents(values, v):
        diagonal = np.einsum("ij,ij->j", v.conj(), b @ v).real
        return 3 * values**2 * diagonal, 2 * b @ v * values**3

    return cotangents


@pytest.mark.parametrize("name", ["cube, tie", "cube, triple", "cube, large"])
def test_numpy_has_the_gradient_of_a_pullback(name):
    case = SMOOTH[name]
    found = case.check("numpy", pullback=pullback(case.b))
    assert found.verdict == "agrees"
    assert exact.relative_error(found.right, case.truth) < 1e-12
    assert found.gradient is found.right
    assert found.digits >= 6


def test_numpy_without_a_pullback_has_value_and_slopes():
    case = SMOOTH["cube, tie"]
    found = case.check("numpy")
    assert found.verdict == "unsupported"
    assert found.right is None and found.gradient is None
    assert found.expected == pytest.approx(case.truth, rel=1e-6, abs=1e-6)


def test_a_pullback_that_is_wrong_is_told():
    case = SMOOTH["cube, tie"]
    good = pullback(case.b)

    def wrong(values, v):
        values_bar, v_bar = good(values, v)
        return values_bar, v_bar / 2

    found = case.check("numpy", pullback=wrong)
    assert found.verdict == "wrong"
    assert found.right is None


def test_a_pullback_of_the_singular_value_decomposition():
    case = Smooth(even, (2, 1, 1, 0), (4, 6))
    c = case.b @ case.b.T

    def cotangents(u, s, vh):
        return 2 * c @ u * s**2, 2 * s * np.einsum("ij,ij->j", u, c @ u) + 4 * s**3, 0

    found = case.check("numpy", pullback=cotangents)
    assert found.verdict == "agrees"
    assert exact.relative_error(found.right, case.truth) < 1e-12


# What is no loss, stacks and single precision.


def raises(values, v):
    raise RuntimeError("this\nand that")


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda values: values[0], "positional argument"),
        (lambda values, v: v, "not one real number"),
        (lambda values, v: v[0, 0] + 1j, "not one real number"),
        (lambda values, v: values[0] * float("nan"), "nan"),
        (raises, "this and that"),
    ],
)
@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_what_is_no_loss_is_refused_in_one_line(loss, said, framework):
    with pytest.raises(FunctionError, match=said) as refusal:
        check_loss(loss, tied(), "eigh", framework)
    assert "\n" not in str(refusal.value)
    assert f"test_losses.py:{loss.__code__.co_firstlineno}" in str(refusal.value) or loss is raises


def test_a_matrix_that_is_not_hermitian_has_no_such_factors():
    with pytest.raises(ValueError, match=r"Hermitian|symmetric"):
        check_loss(lambda values, v: values[0], deficient(), "eigh", "torch")


def test_each_matrix_of_a_stack_has_a_verdict():
    case = SMOOTH["cube, tie"]
    stack = np.stack([case.matrix, np.diag([1.0, 2.0, 4.0])])
    loss = cube(functions("torch"), case.b)
    first, second = check_losses(loss, stack, "eigh", "torch")
    assert (first.place, second.place) == ("matrix 1", "matrix 2")
    assert first.verdict in ("wrong", "not finite")
    assert second.verdict == "agrees"
    assert exact.relative_error(first.right, case.truth) < 1e-12
    with pytest.raises(ValueError, match="stack"):
        check_loss(loss, stack)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_single_precision_is_decomposed_in_double(framework):
    xp, case = functions(framework), Smooth(cube, (1, 2, 2, 4), (4, 4))

    def loss(values, v):
        return cube(xp, case.b)(values, v)

    matrix = case.matrix.astype(np.float32)
    found = check_loss(loss, matrix, "eigh", framework)
    exactly, b = exact.lift(hermitian(matrix.astype(float))), exact.lift(case.b)
    assert exact.relative_error(found.right, of_cube(exactly, b).astype(float)) < 1e-8
    assert found.right.dtype == float


def test_a_loss_that_takes_single_precision_only():
    import torch

    case = Smooth(cube, (1, 2, 4), (3, 3))
    b = torch.tensor(case.b, dtype=torch.float32)

    def loss(values, v):
        return torch.trace(b @ ((v * values**3) @ v.T))

    found = check_loss(loss, case.matrix.astype(np.float32), "eigh", "torch")
    assert found.verdict == "agrees"
    assert found.right.dtype == np.float32
    assert exact.relative_error(found.right, case.truth) < 1e-5
    assert 3 <= found.right_digits <= 6


# Where one part of the verdict alone decides.


def test_a_loss_that_is_defined_near_the_matrix_only():
    """Elsewhere it is NaN, which says nothing about signs."""
    xp, matrix = (
        functions("torch"),
        with_spectrum((1, 2, 4), (3, 3), is_complex=False, hermitian=True),
    )
    v = np.linalg.eigh(matrix)[1][:, 2:]
    b = v @ v.T - 0.9 * np.eye(3)
    found = check_loss(
        lambda values, v: xp.log(inner(xp, b, v[:, 2:] @ xp.adjoint(v[:, 2:]))), matrix
    )
    assert found.verdict == "agrees"


def test_a_constant_has_the_gradient_0():
    xp = functions("torch")
    found = check_loss(lambda values, v: 1e3 * xp.sum(v * v * values), tied(), "eigh", "torch")
    regular = with_spectrum((1, 2, 4), (3, 3), is_complex=False, hermitian=True)
    trace = check_loss(lambda values, v: 1e3 * xp.sum(v * v), regular, "eigh", "torch")
    assert found.right == pytest.approx(1e3 * np.eye(4), abs=1e-9)
    assert trace.verdict == "agrees"
    assert np.linalg.norm(trace.right) < 1e-9


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_kink_of_the_loss_alone(framework):
    """Cotangents in all bases agree, on one side of it."""
    xp = functions(framework)
    found = check_loss(
        lambda values, v: xp.abs(values[3] - 3) + values[2], tied(), "eigh", framework
    )
    assert found.verdict == "no gradient here"
    assert found.right is None


def test_a_loss_that_is_smooth_but_has_cotangents_that_are_not_finite():
    import torch

    def loss(values, v):
        return torch.sum(torch.where(values < 9, values**2, torch.sqrt(values - 9)))

    found = check_loss(loss, tied(), "eigh", "torch")
    assert found.verdict == "not finite"
    assert found.right is None
    assert "no finite gradient for its factors" in found.message


def test_a_smooth_loss_that_a_near_tie_disturbs_is_wrong():
    """Rounding in the framework's formula explains it; but the gradient itself is not disturbed."""
    case = Smooth(squared_exp, (1, 1 + 5e-14, 2), (3, 3))
    found = case.check("torch")
    assert far(found, case) > 2e-4
    assert found.verdict == "wrong"
    assert exact.relative_error(found.right, case.truth) < 1e-12


@pytest.mark.parametrize("gap", [1e-12, 2e-13, 1e-13])
@pytest.mark.parametrize("loss", [squared_exp, log_det_mix])
def test_rounding_explains_no_more_than_a_quarter_of_the_digits(loss, gap):
    case = Smooth(loss, (1, 1 + gap, 2), (3, 3))
    found = case.check("torch")
    assert (found.verdict == "wrong") == (far(found, case) > np.finfo(float).eps ** 0.25)
    off, explained = map(float, re.findall(r"[\d.]+e-\d+", found.message))
    assert (found.verdict == "wrong") <= (off > explained)


@pytest.mark.parametrize(
    ("gap", "verdict", "digits"),
    [(1e-12, "agrees", 4), (1e-13, "agrees", 3), (3e-14, "undecided", 1)],
)
def test_a_function_that_rounding_disturbs_is_not_wrong(gap, verdict, digits):
    """Of the gradient of a vector beside a gap, nobody has more digits than that leaves."""
    loss = vector(functions("torch"), np.diag([1.0, 2.0, 4.0]))
    found = check_loss(loss, TestNearTies.matrix(gap), "eigh", "torch")
    assert found.verdict == verdict
    assert found.right_digits <= digits


def test_a_framework_that_is_not_there(monkeypatch):
    def get(name):
        raise ModuleNotFoundError(f"no {name}")

    monkeypatch.setattr(frameworks, "get", get)
    found = check_loss(lambda values, v: values[0], tied(), "eigh", "torch")
    assert (found.verdict, found.message) == ("not installed", "no torch")


def test_numpy_says_that_it_has_no_gradients():
    assert SMOOTH["cube, tie"].check("numpy").message == "NumPy alone has no gradients"


@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_the_code_of_a_loss_runs_in_numpy(problem):
    matrix = tied() if problem == "eigh" else deficient((5, 4))
    code = mending.of_matrix("f", problem, "numpy")
    found = eval(code, {"np": np, "f": lambda *factors: [x.shape for x in factors]})(matrix)
    assert found == ([(4,), (4, 4)] if problem == "eigh" else [(5, 4), (4,), (4, 4)])


@pytest.mark.needs("torch")
def test_a_loss_without_a_name_is_called_f_in_the_three_lines():
    found = check_loss(lambda values, v: given(values, 2 * v), tied(), "eigh", "torch")
    assert "(lambda A: f(*torch.linalg.eigh(A)))(A" in found.reproducer
