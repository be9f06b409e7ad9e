"""The recipes, in each framework, at regular points, at ties and zeros, and at near ties."""

import functools
import importlib
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from drawing import unitary

from spectralgrad import frameworks
from spectralgrad.theory import eigen, exact, singular, subgradient
from spectralgrad.theory.exact import MP

NAMES = ("autograd", "torch", "tensorflow", "jax")


def recipes(name):
    with frameworks.quiet():
        return importlib.import_module(f"spectralgrad.recipes.{name}")


def run_autograd(function, matrix, cotangent):
    import autograd
    import autograd.numpy as anp

    def loss(a):
        return anp.real(anp.sum(anp.conj(cotangent) * function(a)))

    return np.asarray(function(matrix)), autograd.grad(loss)(matrix).conj()


def run_torch(function, matrix, cotangent):
    import torch

    a = torch.tensor(matrix, requires_grad=True)
    value = function(a)
    value.backward(torch.tensor(cotangent))
    return value.detach().resolve_conj().numpy(), a.grad.resolve_conj().numpy()


def run_tensorflow(function, matrix, cotangent):
    import tensorflow as tf

    a = tf.constant(matrix)
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = function(a)
    return value.numpy(), tape.gradient(value, a, tf.constant(cotangent)).numpy()


def run_jax(function, matrix, cotangent):
    import jax

    with jax.enable_x64(matrix.dtype.char in "dD"):
        value, gradient = jitted(function)(matrix, cotangent.conj())
        return np.asarray(value), np.asarray(gradient).conj()


@functools.cache
def jitted(function):
    """Value and gradient under jit, where nothing may branch on a number."""
    import jax

    def both(matrix, cotangent):
        value, pullback = jax.vjp(function, matrix)
        return value, *pullback(cotangent)

    # To compile takes most of the time of these tests.
    return jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})


RUN = {
    "autograd": run_autograd,
    "torch": run_torch,
    "tensorflow": run_tensorflow,
    "jax": run_jax,
}


@pytest.fixture(params=NAMES)
def framework(request):
    return request.param


@functools.cache
def with_options(framework, operation, options):
    function = getattr(recipes(framework), operation)
    return lambda a: function(a, *options)


def evaluate(framework, operation, matrix, cotangent, *options):
    function = with_options(framework, operation, options)
    return RUN[framework](function, matrix, np.asarray(cotangent))


def of_hermitian(function):
    def value(a):
        values, v = exact.eigh(a)
        return (v * function(values)) @ v.conj().T

    return value


def of_singular(function):
    def value(a):
        u, s, vh = exact.svd(a)
        return (u * function(s)) @ vh

    return value


def each(function):
    return lambda values: np.array([function(x) for x in values], dtype=object)


def first(rank, values):
    return np.array([x if i < rank else MP.zero for i, x in enumerate(values)], dtype=object)


#: What the operation is, from its definition, in 50 digits.
DEFINED = {
    "sqrtm": lambda: of_hermitian(each(MP.sqrt)),
    "expm": lambda: of_hermitian(each(MP.exp)),
    "projector": lambda r: of_hermitian(lambda x: first(r, x * 0 + 1)[::-1]),
    "polar": lambda: of_singular(lambda s: s * 0 + 1),
    "soft_threshold": lambda t: of_singular(each(lambda x: max(x - MP.convert(t), MP.zero))),
    "low_rank": lambda r: of_singular(functools.partial(first, r)),
    "pinv": lambda: lambda a: of_singular(each(lambda x: 1 / x))(a).conj().T,
}
HERMITIAN = ("sqrtm", "expm", "projector")
#: Spectra; the gap that low_rank and projector need stays open.
SPECTRA = {
    "regular": ([3.0, 2.0, 1.0], 1),
    "tie below": ([3.0, 1.0, 1.0], 1),
    "tie above": ([3.0, 3.0, 1.0], 2),
    "near tie": ([3.0, 1.0 + 1e-12, 1.0], 1),
}
OPTIONS = {
    "soft_threshold": lambda rank: (1.5,),
    "low_rank": lambda rank: (rank,),
    "projector": lambda rank: (rank,),
}


def with_spectrum(values, shape, *, is_complex, hermitian):
    rng = np.random.default_rng(3)
    left = unitary(rng, shape[0], is_complex=is_complex)[:, : len(values)]
    right = left if hermitian else unitary(rng, shape[1], is_complex=is_complex)[:, : len(values)]
    matrix = (left * np.array(values)) @ right.conj().T
    return (matrix + matrix.conj().T) / 2 if hermitian else matrix


def directions(shape, *, is_complex, hermitian):
    """A few directions: a matrix that is wrong is not orthogonal to all of them."""
    rng = np.random.default_rng(4)
    for _ in range(3):
        e = rng.standard_normal(shape)
        e = e + 1j * rng.standard_normal(shape) if is_complex else e
        yield (e + e.conj().T) / 2 if hermitian else e


@functools.cache
def problem(operation, spectrum, is_complex):
    """A matrix, a cotangent, and in 50 digits the value and the derivatives along directions."""
    values, rank = SPECTRA[spectrum]
    hermitian = operation in HERMITIAN
    shape = (3, 3) if hermitian else (3, 4) if is_complex else (4, 3)
    matrix = with_spectrum(values, shape, is_complex=is_complex, hermitian=hermitian)
    options = OPTIONS.get(operation, lambda rank: ())(rank)
    define = DEFINED[operation](*options)
    value = define(exact.lift(matrix))
    rng = np.random.default_rng(4)
    cotangent = rng.standard_normal(value.shape)
    if is_complex:
        cotangent = cotangent + 1j * rng.standard_normal(value.shape)
    fixed = exact.lift(cotangent).conj()
    slopes = {}
    for e in directions(shape, is_complex=is_complex, hermitian=hermitian):
        slope = exact.derivative(lambda a: sum((fixed * define(a)).ravel()).real, matrix, e)
        slopes[float(slope)] = e
    return matrix, options, cotangent, value.astype(complex), slopes


def error(gradient, slopes):
    """Largest error of a derivative, relative to the largest that there might be."""
    found = [np.vdot(gradient, e).real / np.linalg.norm(e) for e in slopes.values()]
    true = [slope / np.linalg.norm(e) for slope, e in slopes.items()]
    return np.max(np.abs(np.subtract(found, true))) / np.linalg.norm(gradient)


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("operation", DEFINED)
def test_against_50_digits(operation, spectrum, is_complex):
    matrix, options, cotangent, value, slopes = problem(operation, spectrum, is_complex)
    answers = {}
    for name in NAMES:
        found, answers[name] = evaluate(name, operation, matrix, cotangent, *options)
        assert exact.relative_error(found, value) < 1e-13, name
        assert error(answers[name], slopes) < 1e-13, name
        assert answers[name].dtype == matrix.dtype
    # That they agree is no news if they are one program: their last digits differ.
    assert any(np.any(answers["torch"] != answers[name]) for name in NAMES)


@pytest.mark.parametrize("operation", ["polar", "soft_threshold", "low_rank", "pinv"])
@pytest.mark.parametrize("size", [3, 4])
def test_exact_ties_at_multiples_of_the_identity(framework, operation, size):
    """Where the decomposition has no rounding errors, so that 0/0 would show."""
    rng = np.random.default_rng(5)
    matrix = 2 * np.eye(size, 3)
    options = {"soft_threshold": (0.5,), "low_rank": (3,)}.get(operation, ())
    cotangent = rng.standard_normal(matrix.T.shape if operation == "pinv" else matrix.shape)
    _, found = evaluate(framework, operation, matrix, cotangent, *options)
    block = cotangent[:3, :3]
    even, odd = (block + block.T) / 2, (block - block.T) / 2
    # At 2 I the divided difference is f′(2), and (f(a) + f(b))/(a + b) is f(2)/2.
    slope, ratio = {
        "polar": (0, 1 / 2),
        "soft_threshold": (1, 1.5 / 2),
        "low_rank": (1, 1),
        "pinv": (-1 / 4, 1 / 4),
    }[operation]
    if operation == "pinv":
        odd, cotangent = -odd, cotangent.T
    expected = ratio * np.array(cotangent)
    expected[:3, :3] = slope * even + ratio * odd
    assert found == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("function", ["sqrtm", "expm"])
def test_exact_ties_of_functions(framework, function):
    rng = np.random.default_rng(6)
    cotangent = rng.standard_normal((3, 3))
    _, found = evaluate(framework, function, 4.0 * np.eye(3), cotangent)
    slope = {"sqrtm": 1 / 4, "expm": np.exp(4.0)}[function]
    assert found == pytest.approx(slope * (cotangent + cotangent.T) / 2)


def test_what_the_package_gives(framework):
    """The rules, and the NumPy functions that the chapters derive, are two programs."""
    rng = np.random.default_rng(7)
    matrix, cotangent = rng.standard_normal((2, 6, 4))
    _, found = evaluate(framework, "polar", matrix, cotangent)
    u, s, vh = np.linalg.svd(matrix, full_matrices=False)
    assert found == pytest.approx(singular.polar_vjp(u, s, vh, cotangent), abs=1e-13)
    gram = matrix.T @ matrix
    _, found = evaluate(framework, "expm", gram, gram)
    values, vectors = np.linalg.eigh(gram)
    expected = eigen.function_vjp(values, vectors, gram, np.exp, np.exp)
    assert exact.relative_error(found, expected) < 1e-13


NORMS = {"nuclear_norm": [1.0, 1.0, 1.0, 1.0], "spectral_norm": [1.0, 0.0, 0.0, 0.0]}
FOR_NORMS = {
    "regular": np.random.default_rng(8).standard_normal((4, 5)),
    "rank 2": np.outer(np.arange(1.0, 5.0), np.ones(4)) + np.diag([0.0, 0.0, 0.0, 5.0]),
    "complex": np.outer([1, 1j, 2, 1], [1, 1j, 0, 3]),
    "identity": np.eye(4),
    "zero": np.zeros((4, 6)),
    "near tie": np.diag([2.0, 2.0 - 1e-12, 1.0, 1e-12]),
    "large": 1e200 * np.diag([3.0, 3.0, 1.0, 0.0]),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", FOR_NORMS)
def test_norms_give_the_smallest_subgradient(framework, norm, name):
    matrix = FOR_NORMS[name]
    value, found = evaluate(framework, norm, matrix, 2.0)
    valid = subgradient.svdvals(matrix, NORMS[norm])
    assert value == pytest.approx(np.dot(NORMS[norm], valid.values), rel=1e-14)
    assert found == pytest.approx(2 * valid.minimum_norm, abs=1e-13)
    # Were the tie or the zero not seen, the answer would be as long as the weights.
    longest = 2 * np.linalg.norm(NORMS[norm])
    assert (np.linalg.norm(found) < longest * (1 - 1e-9)) == (not valid.differentiable)


def test_rtol_of_the_norms(framework):
    matrix = np.diag([3.0, 3.0 - 1e-6, 1e-6])
    _, narrow = evaluate(framework, "spectral_norm", matrix, 1.0)
    assert narrow == pytest.approx(np.diag([1.0, 0.0, 0.0]))
    _, wide = evaluate(framework, "spectral_norm", matrix, 1.0, 1e-5)
    assert wide == pytest.approx(np.diag([0.5, 0.5, 0.0]))
    _, wide = evaluate(framework, "nuclear_norm", matrix, 1.0, 1e-5)
    assert wide == pytest.approx(np.diag([1.0, 1.0, 0.0]))


def test_soft_threshold_drops_a_value_that_equals_the_threshold(framework):
    """There is a kink; of the slopes 0 and 1 the docstring promises the first."""
    matrix, cotangent = np.diag([2.0, 1.0]), np.diag([3.0, 5.0])
    value, gradient = evaluate(framework, "soft_threshold", matrix, cotangent, 1.0)
    assert value == pytest.approx(np.diag([1.0, 0.0]))
    assert gradient == pytest.approx(np.diag([3.0, 0.0]))


def test_wrong_calls_say_what_to_write(framework):
    of, matrix = recipes(framework), np.ones((2, 3))
    if framework == "torch":
        import torch

        matrix = torch.ones(2, 3)
    elif framework == "tensorflow":
        import tensorflow as tf

        matrix = tf.ones((2, 3))
    for wrong in ((), (1, 0.1, 2)):
        usage = re.escape("call it as low_rank(matrix, rank, rtol=None)")
        with pytest.raises(TypeError, match=usage):
            of.low_rank(matrix, *wrong)
    with pytest.raises(ValueError, match="the matrix is 2 × 3; a Hermitian one is square"):
        of.sqrtm(matrix)


def test_pinv_at_a_rank_that_is_kept(framework):
    """Along matrices of the same rank, where alone the pseudo-inverse is continuous."""
    rng = np.random.default_rng(9)
    left, right = rng.standard_normal((2, 5, 2))
    dleft, dright = rng.standard_normal((2, 5, 2))
    cotangent = rng.standard_normal((5, 5))
    _, gradient = evaluate(framework, "pinv", left @ right.T, cotangent)

    def loss(t):
        a = (left + t * dleft) @ (right + t * dright).T
        return np.sum(cotangent * np.linalg.pinv(a, rcond=1e-10))

    slope, _ = exact.finite_difference(loss, np.array(0.0), np.array(1.0), step=1e-2)
    tangent = dleft @ right.T + left @ dright.T
    assert np.sum(gradient * tangent) == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("operation", ["low_rank", "projector", "polar"])
def test_where_there_is_no_gradient_it_is_refused(framework, operation):
    """A gap is closed but for rounding, between what is kept and what is dropped, or above zero."""
    options = () if operation == "polar" else (1,)
    values = [2.0, 1.0, 0.0] if operation == "polar" else [2.0, 2.0, 1.0]
    matrix = with_spectrum(values, (3, 3), is_complex=False, hermitian=True)
    function = with_options(framework, operation, options)
    symbol, at = ("λ", " = 2 and λ₂ = 2 are") if operation == "projector" else ("σ", "")
    with pytest.raises(ValueError, match=f"^{symbol}.{at}.*counts as (0|equal): there is no gr"):
        (run_jax_eagerly if framework == "jax" else RUN[framework])(function, matrix, np.eye(3))
    value = unknown(framework, function, matrix)
    assert value is None or np.all(np.isnan(value))


def run_jax_eagerly(function, matrix, cotangent):
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        return jax.grad(lambda a: jnp.sum(cotangent * function(a)))(jnp.asarray(matrix))


def unknown(framework, function, matrix):
    """The gradient where nobody knows the numbers; autograd always does."""
    if framework == "torch":
        import torch

        stack = torch.tensor(matrix[None])
        return torch.func.vmap(torch.func.grad(lambda a: function(a).sum()))(stack).numpy()
    if framework == "tensorflow":
        import tensorflow as tf

        traced = tf.function(lambda a: tensorflow_gradient(function, a))
        return traced(tf.constant(matrix)).numpy()
    return None if framework == "autograd" else RUN["jax"](function, matrix, np.eye(3))[1]


def tensorflow_gradient(function, a):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(a)
        value = function(a)
    return tape.gradient(value, a)


@pytest.mark.parametrize(("operation", "option"), [("low_rank", 3), ("soft_threshold", 0)])
def test_the_identity_map(framework, operation, option):
    """At exact zeros too, where 0/0 would decide: their divided difference is 1."""
    cotangent = np.arange(9.0).reshape(3, 3)
    for matrix in (np.diag([1.0, 0.0, 0.0]), np.zeros((3, 3))):
        value, gradient = evaluate(framework, operation, matrix, cotangent, option)
        assert np.array_equal(value, matrix)
        assert gradient == pytest.approx(cotangent, abs=1e-14)


@pytest.mark.parametrize(
    ("operation", "option", "wanted"),
    [
        *[("low_rank", x, "a whole number from 0") for x in (-1, 1.5, True, np.nan)],
        ("projector", 7, "give 0 to 3"),
        *[("soft_threshold", x, "a number from 0") for x in (-0.5, np.inf, np.nan, False)],
        *[("pinv", x, "a number from 0 to below 1") for x in (-1e-3, 1.0, np.nan)],
    ],
)
def test_options_that_make_no_sense(framework, operation, option, wanted):
    matrix = as_array(framework, np.diag([3.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match=f"^(rank|threshold|rtol): {option} will not do.*{wanted}"):
        getattr(recipes(framework), operation)(matrix, option)


def test_a_rule_of_ones_own(framework):
    """A table becomes an operation, with the table's name, docstring and options."""

    def power(xp, values, exponent=2):
        """A² or A³."""
        one, other = values[..., :, None], values[..., None, :]
        if exponent == 2:
            return values**2, one + other
        return values**3, one**2 + one * other + other**2

    from spectralgrad.recipes.hermitian import hermitian_function

    function = recipes(framework).operation(hermitian_function(power))
    assert (function.__name__, function.__doc__) == ("power", "A² or A³.")
    matrix = with_spectrum([2.0, 1.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    c = np.diag([1.0, 2.0, 3.0])
    for options, expected in (
        ((), matrix @ c + c @ matrix),
        ((3,), matrix @ matrix @ c + matrix @ c @ matrix + c @ matrix @ matrix),
    ):
        _, gradient = RUN[framework](lambda a, given=options: function(a, *given), matrix, c)
        assert gradient == pytest.approx(expected)
    with pytest.raises(TypeError, match=re.escape("call it as power(matrix, exponent=2)")):
        function(matrix, 2, 3)


def test_of_several_options_one_is_given_by_name():
    """The first keeps its default."""

    def cubic(xp, values, square=1.0, cube=1.0):
        one, other = xp.pairs(values)
        table = square * (one + other) + cube * (one**2 + one * other + other**2)
        return square * values**2 + cube * values**3, table

    from spectralgrad.recipes.hermitian import hermitian_function

    of = recipes("autograd").operation(hermitian_function(cubic))
    assert of(np.diag([2.0, 3.0]), cube=10.0) == pytest.approx(np.diag([84.0, 279.0]))


def test_each_framework_has_each_recipe(framework):
    """Under its own name, and pickle finds it there."""
    from spectralgrad.recipes import hermitian, rules, singular

    found = [
        x for m in (hermitian, singular) for x in vars(m).values() if isinstance(x, rules.Rule)
    ]
    assert len(found) > 8
    for name in [rule.declared.__name__ for rule in found]:
        function = getattr(recipes(framework), name)
        assert (function.__name__, function.__module__) == (name, recipes(framework).__name__)
        assert pickle.loads(pickle.dumps(function)) is function
    for name in {"torch": ["eigh", "svd"], "jax": ["eigh", "svd"]}.get(framework, []):
        function = getattr(recipes(framework), f"invariant_{name}")
        assert pickle.loads(pickle.dumps(function)) is function


def test_the_exponential_does_not_overflow_between_far_eigenvalues(framework):
    matrix = np.diag([-800.0, 1.0, 700.0])
    value, gradient = evaluate(framework, "expm", matrix, np.ones((3, 3)))
    assert np.all(np.isfinite(value))
    far = np.exp(700.0) / 1500.0
    assert gradient[0, 2] == pytest.approx(far, rel=1e-13)
    assert gradient[0, 1] == pytest.approx((np.exp(1.0) - 0) / 801.0, rel=1e-13)


STACKED = ["polar", "nuclear_norm", "spectral_norm", "pinv", "sqrtm"]


@pytest.mark.parametrize("operation", STACKED)
def test_stacks(framework, operation):
    rng = np.random.default_rng(10)
    matrix = rng.standard_normal((2, 3, 3))
    matrix = matrix @ matrix.mT if operation == "sqrtm" else matrix
    shape = (2,) if operation.endswith("norm") else (2, 3, 3)
    cotangent = rng.standard_normal(shape)
    value, gradient = evaluate(framework, operation, matrix, cotangent)
    for one, c, v, g in zip(matrix, cotangent, value, gradient, strict=True):
        alone, expected = evaluate(framework, operation, one, c)
        assert v == pytest.approx(alone)
        assert g == pytest.approx(expected)


def test_single_precision(framework):
    rng = np.random.default_rng(11)
    matrix, cotangent = rng.standard_normal((2, 4, 3)).astype(np.float32)
    value, found = evaluate(framework, "polar", matrix, cotangent)
    assert value.dtype == found.dtype == np.float32
    _, double = evaluate(framework, "polar", matrix.astype(float), cotangent.astype(float))
    assert 0 < exact.relative_error(found, double) < 1e-4


def test_hermitian_operations_see_the_hermitian_part(framework):
    """Their gradient is that of the function that is computed, whatever the input."""
    rng = np.random.default_rng(12)
    matrix, cotangent = rng.standard_normal((2, 3, 3))
    matrix = matrix + 6 * np.eye(3)
    value, gradient = evaluate(framework, "sqrtm", matrix, cotangent)
    assert gradient == pytest.approx(gradient.T)
    matrix, cotangent = (matrix + matrix.T) / 2, (cotangent + cotangent.T) / 2
    same, again = evaluate(framework, "sqrtm", matrix, cotangent)
    assert value == pytest.approx(same)
    assert gradient == pytest.approx(again)


def second(name, function, matrix, direction):
    """Gradient of the slope along a direction, as each framework takes a second derivative."""
    if name == "autograd":
        import autograd
        import autograd.numpy as anp

        return autograd.grad(lambda a: anp.sum(autograd.grad(function)(a) * direction))(matrix)
    if name == "torch":
        import torch

        a = torch.tensor(matrix, requires_grad=True)
        (slope,) = torch.autograd.grad(function(a), a, create_graph=True)
        return torch.autograd.grad((slope * torch.tensor(direction)).sum(), a)[0].numpy()
    if name == "tensorflow":
        import tensorflow as tf

        a = tf.constant(matrix)
        with tf.GradientTape() as outer:
            outer.watch(a)
            with tf.GradientTape() as inner:
                inner.watch(a)
                value = function(a)
            slope = tf.reduce_sum(inner.gradient(value, a) * direction)
        return outer.gradient(slope, a).numpy()
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        along = jax.grad(lambda a: jnp.sum(jax.grad(function)(a) * direction))
        return np.asarray(jax.jit(along)(matrix))


def entry(framework, operation):
    """One entry of an operation's value, and the cotangent that stands for it."""
    apply = getattr(recipes(framework), operation)
    cotangent = np.zeros((3, 3))
    cotangent[0, 1] = 1.0
    return lambda a: apply(a)[0, 1], cotangent


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("operation", ["nuclear_norm", "sqrtm", "polar"])
def test_second_derivatives_at_regular_points(framework, operation, scale):
    rng = np.random.default_rng(13)
    matrix, direction, probe = scale * rng.standard_normal((3, 3, 3))
    if operation == "sqrtm":
        matrix = matrix @ matrix.T / scale + scale * np.eye(3)
    total, cotangent = getattr(recipes(framework), operation), 1.0
    if operation != "nuclear_norm":
        total, cotangent = entry(framework, operation)
    found = second(framework, total, matrix, direction)
    step = 1e-5
    there, back = (
        evaluate(framework, operation, matrix + t * probe, cotangent)[1] for t in (step, -step)
    )
    expected = np.sum((there - back) * direction) / (2 * step)
    assert np.sum(found * probe) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("operation", "matrix"),
    [(f, m) for f in ("expm", "polar") for m in ("identity", "rounded", "zero")][:-1],
)
def test_second_derivatives_at_ties_are_not_finite(framework, operation, matrix):
    """There the framework's own decomposition would give anything."""
    q = np.linalg.qr(np.random.default_rng(19).standard_normal((3, 3)))[0]
    tied = {"identity": np.eye(3), "rounded": q * [2.0, 1.0, 1.0] @ q.T, "zero": np.zeros((3, 3))}
    total, _ = entry(framework, operation)
    with np.errstate(all="ignore"):
        found = second(framework, total, tied[matrix], np.arange(9.0).reshape(3, 3))
    assert not np.any(np.isfinite(found))


class Exact:
    """The few functions that a loss needs, in 50 digits."""

    exp = staticmethod(np.vectorize(MP.exp, otypes=[object]))
    adjoint = staticmethod(lambda a: a.conj().T)
    sum = staticmethod(lambda a: sum(a.ravel()))
    asarray = staticmethod(lambda x, like: exact.lift(x))


def invariant_losses(b):
    """Losses that are neither linear in a function of the matrix nor functions of its spectrum."""

    def of_eigh(xp):
        def loss(values, v):
            function = (v * xp.exp(values)) @ xp.adjoint(v)
            return xp.sum(xp.asarray(b, v) * function).real ** 2

        return loss

    def of_svd(xp):
        def loss(u, s, vh):
            return xp.sum(xp.asarray(b, u) * ((u * xp.exp(s)) @ vh)).real ** 2

        return loss

    return of_eigh, of_svd


INVARIANT = {
    "regular": [4.0, 2.0, 1.0],
    "tie": [2.0, 1.0, 1.0],
    "all tied": [2.0, 2.0, 2.0],
    "near tie": [2.0, 1.0 + 1e-12, 1.0],
}


@functools.cache
def invariant_problem(decomposition, spectrum, is_complex):
    hermitian = decomposition == "eigh"
    shape = (3, 3) if hermitian else (3, 4) if is_complex else (4, 3)
    values = INVARIANT[spectrum]
    matrix = with_spectrum(values, shape, is_complex=is_complex, hermitian=hermitian)
    rng = np.random.default_rng(14)
    b = rng.standard_normal(shape)
    b = b + 1j * rng.standard_normal(shape) if is_complex else b
    loss = invariant_losses(b)[not hermitian](Exact)
    decompose = exact.eigh if hermitian else exact.svd
    slopes = {}
    for e in directions(shape, is_complex=is_complex, hermitian=hermitian):
        slopes[float(exact.derivative(lambda a: loss(*decompose(a)), matrix, e))] = e
    return matrix, b, slopes


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("spectrum", INVARIANT)
@pytest.mark.parametrize("decomposition", ["eigh", "svd"])
def test_a_second_basis_against_50_digits(decomposition, spectrum, is_complex):
    matrix, b, slopes = invariant_problem(decomposition, spectrum, is_complex)
    loss = invariant_losses(b)[decomposition == "svd"]
    for name in ("torch", "jax"):
        of = recipes(name)
        function = getattr(of, f"invariant_{decomposition}")(loss(of.xp))
        _, found = RUN[name](function, matrix, np.asarray(1.0))
        assert error(found, slopes) < 1e-12, name


def test_a_second_basis_between_ties_loses_half_of_the_digits():
    """As its docstring says: an error of the order of rtol, or of eps/rtol; and rtol is obeyed."""
    matrix = np.diag([1.0, 1.0 + 1e-4, 3.0])
    b = np.random.default_rng(15).standard_normal((3, 3))
    of = recipes("torch")
    loss = invariant_losses(b)[0]
    truth = exact.gradient(lambda a: loss(Exact)(*exact.eigh(a)), matrix, hermitian=True)

    def missed(rtol):
        _, found = run_torch(of.invariant_eigh(loss(of.xp), rtol), matrix, np.asarray(1.0))
        return exact.relative_error(found, truth.astype(float))

    assert missed(1e-8) < 1e-11
    assert 1e-6 < missed(1e-3) < 1e-3


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("framework", ["torch", "jax"], indirect=True)
def test_a_second_basis_for_larger_clusters(framework, is_complex):
    rng = np.random.default_rng(20)
    values = [3.0, 3.0, 3.0, 3.0, 2.0, 1.0, 1.0, 1.0 + 1e-13]
    matrix = with_spectrum(values, (8, 8), is_complex=is_complex, hermitian=True)
    b = rng.standard_normal((8, 8)) + is_complex * 1j * rng.standard_normal((8, 8))
    b = b if is_complex else b.real
    of = recipes(framework)
    of_eigh, _ = invariant_losses(b)
    _, found = RUN[framework](of.invariant_eigh(of_eigh(of.xp)), matrix, np.asarray(1.0))
    function = np.vdot(b.conj(), of_hermitian_in_floats(np.exp, matrix)).real
    values, vectors = np.linalg.eigh(matrix)
    expected = eigen.function_vjp(values, vectors, b.conj(), np.exp, np.exp)
    assert exact.relative_error(found, 2 * function * expected) < 1e-12


def of_hermitian_in_floats(function, matrix):
    values, v = np.linalg.eigh(matrix)
    return (v * function(values)) @ v.conj().T


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("framework", ["torch", "jax"], indirect=True)
def test_a_second_basis_in_single_precision(framework, dtype):
    """There too it sees the ties, whose distances are rounding errors of that precision."""
    is_complex = dtype == np.complex64
    matrix = with_spectrum([3.0, 1.0, 1.0, 1.0], (4, 4), is_complex=is_complex, hermitian=True)
    b = np.random.default_rng(21).standard_normal((4, 4))
    of = recipes(framework)
    of_eigh, _ = invariant_losses(b)
    function = of.invariant_eigh(of_eigh(of.xp))
    _, double = RUN[framework](function, matrix, np.asarray(1.0))
    _, single = RUN[framework](function, matrix.astype(dtype), np.float32(1.0))
    assert single.dtype == dtype
    assert 0 < exact.relative_error(single, double) < 1e-5


def test_jax_keeps_single_precision_where_double_is_enabled():
    import jax
    import jax.numpy as jnp

    of = recipes("jax")
    of_eigh, _ = invariant_losses(np.ones((3, 3)))
    with jax.enable_x64(True):
        one = jnp.eye(3, dtype=np.complex64)
        gradient = jax.jit(jax.grad(of.invariant_eigh(of_eigh(of.xp))))(one)
        assert gradient.dtype == np.complex64
        value = jax.jit(lambda a: of.soft_threshold(a, np.float64(0.5)))(one.real)
        assert value.dtype == np.float32


def fourth_power(values, v):
    return (v[:, 0] ** 4).sum()


def test_a_second_basis_refuses_a_second_derivative():
    import jax
    import torch

    function = recipes("torch").invariant_eigh(fourth_power)
    a = torch.diag(torch.tensor([1.0, 2.0])).requires_grad_()
    (slope,) = torch.autograd.grad(function(a), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        slope.sum().backward()
    function = recipes("jax").invariant_eigh(fourth_power)
    for outer in (jax.jacfwd, jax.jacrev):
        with pytest.raises(NotImplementedError, match="first derivatives only"):
            jax.jit(outer(jax.grad(function)))(np.diag([1.0, 2.0]))


def test_a_second_basis_refuses_other_tensors_that_learn():
    """Their gradient would silently be missing."""
    import jax
    import jax.numpy as jnp
    import torch

    weight = torch.tensor(2.0, requires_grad=True)
    function = recipes("torch").invariant_eigh(lambda values, v: weight * values.sum())
    with pytest.raises(ValueError, match="another tensor"):
        function(torch.eye(2))
    with torch.no_grad():
        assert function(torch.eye(2)) == 4

    def of_weight(w):
        return recipes("jax").invariant_eigh(lambda values, v: w * values.sum())(jnp.eye(2))

    for gradient in (jax.grad(of_weight), jax.jit(jax.grad(of_weight))):
        with pytest.raises(ValueError, match=r"^the loss depends on another array that requires"):
            gradient(2.0)
    # Of the matrix alone there is a gradient.
    of_matrix = jax.grad(lambda w, a: recipes("jax").invariant_eigh(lambda x, v: w * x.sum())(a), 1)
    assert jax.jit(of_matrix)(2.0, jnp.eye(2)) == pytest.approx(2 * np.eye(2))


@pytest.mark.parametrize("decomposition", ["eigh", "svd"])
@pytest.mark.parametrize("framework", ["torch", "jax"], indirect=True)
def test_a_second_basis_refuses_what_is_no_function_of_the_matrix(framework, decomposition):
    of = recipes(framework)
    tied = with_spectrum([2.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    apart = with_spectrum([3.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    phases = with_spectrum([3.0, 2.0, 1.0], (3, 3), is_complex=True, hermitian=True)

    def wrap(of_vectors):
        if decomposition == "eigh":
            return of.invariant_eigh(lambda values, v: of_vectors(v))
        return of.invariant_svd(lambda u, s, vh: of_vectors(u))

    cases = [
        (tied, lambda v: (v[:, 1] ** 4).sum()),
        *((apart, lambda v, i=i: v[:, i].sum()) for i in range(3)),
        (apart, lambda v: v[0, 0] * v[1, 2]),
        # LAPACK makes the first row real, so that the loss is stationary in each phase.
        (phases, lambda v: v[0].sum().real),
    ]
    # Whoever asks for no trial gets none.
    if decomposition == "eigh":
        untried = of.invariant_eigh(lambda values, v: (v[:, 1] ** 4).sum(), gauge_tol=np.inf)
        assert np.all(np.isfinite(RUN[framework](untried, tied, np.asarray(1.0))[1]))
    said = r"^the loss depends on the sign, phase or basis of vectors.*by \d.*, allowed \d"
    if framework == "jax":
        # The code is the same; each of its steps is compiled afresh.
        function = wrap(cases[0][1])
        with pytest.raises(ValueError, match=said):
            run_jax_eagerly(function, tied, np.asarray(1.0))
        assert np.all(np.isnan(RUN["jax"](function, tied, np.asarray(1.0))[1]))
    else:
        for matrix, loss in cases[: None if decomposition == "eigh" else -1]:
            with pytest.raises(ValueError, match=said):
                RUN[framework](wrap(loss), matrix, np.asarray(1.0))
    with pytest.raises(ValueError, match=re.escape("shape (2, 3, 3): give one matrix at a time")):
        wrap(lambda v: v.sum())(as_array(framework, np.ones((2, 3, 3))))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("wrap", ["invariant_eigh", "invariant_svd"])
def test_a_second_basis_refuses_different_weights_of_equal_values(wrap, is_complex):
    """The value is the same in every basis, and has a kink."""
    of = recipes("torch")
    matrix = with_spectrum([3.0, 3.0, 1.0, 1.0], (4, 4), is_complex=is_complex, hermitian=True)
    place = int(wrap == "invariant_svd")
    for weights in ([1.0, 0, 0, 0], [0.0, 0, 0, 1], [1.0, 1, 2, 3]):
        loss = lambda *f, w=weights: f[place] @ of.torch.tensor(w).double()  # noqa: E731
        with pytest.raises(ValueError, match=r"^equal values with different cotangents.*by \d"):
            RUN["torch"](getattr(of, wrap)(loss), matrix, np.asarray(1.0))
    # Where all values are apart it is not defined.
    loss = lambda *f: f[place][0] * (4 - f[place]).log().sum()  # noqa: E731
    with pytest.raises(ValueError, match=r"^equal values with different cotangents.*by \d"):
        RUN["torch"](getattr(of, wrap)(loss), matrix, np.asarray(1.0))
    loss = lambda *f: f[place] @ of.torch.tensor([1.0, 1, 2, 2]).double()  # noqa: E731
    assert np.all(np.isfinite(RUN["torch"](getattr(of, wrap)(loss), matrix, np.asarray(1.0))[1]))


def test_a_matrix_without_rows_has_a_gradient_without_rows():
    """Its polar factor too, though no singular value is the smallest."""
    _, found = RUN["autograd"](recipes("autograd").polar, np.zeros((0, 3)), np.zeros((0, 3)))
    assert found.shape == (0, 3)


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["jax", "autograd"], indirect=True)
def test_infinity_does_not_hang(framework):
    """NumPy's decomposition, and JAX's, of such a matrix would."""
    code = (
        f"from spectralgrad.recipes import {framework} as of\n"
        "import numpy as np\n"
        "of.polar(np.array([[3.0, np.inf, 1.0], [np.inf, 2.0, 1.0], [1.0, 1.0, 1.0]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=300)
    assert done.returncode == (framework == "autograd")


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_a_second_basis_takes_a_loss_at_its_minimum_where_all_values_are_equal(dtype):
    """There no turn of all vectors tells how large the loss might be."""
    is_complex = dtype == np.complex64
    of = recipes("torch")
    turned = with_spectrum([1.0] * 6, (6, 6), is_complex=is_complex, hermitian=True)
    for start in (np.eye(6), turned):
        matrix = of.torch.tensor(start.astype(dtype), requires_grad=True)
        target = matrix.detach()
        of.invariant_eigh(
            lambda values, v, target=target: (((v * values) @ v.mH - target).abs() ** 2).sum()
        )(matrix).backward()
        assert of.torch.linalg.norm(matrix.grad) < 1e3 * np.finfo(dtype).eps


def as_array(framework, matrix):
    """As PyTorch's, which takes no other; the rest take NumPy's."""
    return recipes("torch").torch.tensor(matrix) if framework == "torch" else matrix


@pytest.mark.parametrize("framework", ["torch", "jax"], indirect=True)
def test_a_second_basis_refuses_a_rank_that_is_not_full(framework):
    of = recipes(framework)
    matrix = with_spectrum([2.0, 1.0, 0.0], (3, 4), is_complex=False, hermitian=False)
    run = run_jax_eagerly if framework == "jax" else RUN[framework]
    with pytest.raises(ValueError, match=r"^σ₃ = .* counts as 0"):
        run(of.invariant_svd(lambda u, s, vh: (u @ vh)[0, 0]), matrix, np.asarray(1.0))


def test_options(framework):
    of = recipes(framework)
    matrix = as_array(framework, np.diag([3.0, 2.0, 1.0]))
    by_name = of.low_rank(matrix, rank=1)
    assert np.array_equal(by_name, of.low_rank(matrix, 1))
    assert np.array_equal(np.diag(by_name), [3.0, 0.0, 0.0])
    assert of.low_rank.__name__ == "low_rank"
    assert "rank : int" in of.low_rank.__doc__
    with pytest.raises(TypeError, match="missing a required argument: 'rank'"):
        of.low_rank(matrix, rnk=1)
    # Its gradient would be missing.
    with pytest.raises(TypeError, match="an option is a number"):
        of.soft_threshold(matrix, matrix[0, 0] + matrix[:1, 0])


@pytest.mark.parametrize("rank", [0, np.int64(3), 4])
def test_ranks_at_their_limits(framework, rank):
    matrix, cotangent = np.random.default_rng(22).standard_normal((2, 4, 3))
    value, gradient = evaluate(framework, "low_rank", matrix, cotangent, rank)
    kept = float(rank >= 3)
    assert value == pytest.approx(kept * matrix, abs=1e-14)
    assert gradient == pytest.approx(kept * cotangent, abs=1e-13)
    value, gradient = evaluate(framework, "projector", matrix[:3], cotangent[:3], min(rank, 3))
    assert value == pytest.approx(kept * np.eye(3), abs=1e-14)
    assert not gradient.any()


@pytest.mark.parametrize(("operation", "degree"), [("polar", -1), ("low_rank", 0), ("sqrtm", -0.5)])
@pytest.mark.parametrize("power", [200, -200])
def test_scales_whose_squares_overflow(framework, operation, degree, power):
    matrix, cotangent = np.random.default_rng(23).standard_normal((2, 3, 3))
    matrix = matrix @ matrix.T + np.eye(3)
    options = (2,) if operation == "low_rank" else ()
    _, expected = evaluate(framework, operation, matrix, cotangent, *options)
    _, found = evaluate(framework, operation, 10.0**power * matrix, cotangent, *options)
    back = 10.0 ** (-degree * power)
    assert found * back == pytest.approx(expected, abs=1e-12)


def test_pytorch_transforms():
    """torch.func, vmap and the tracing half of torch.compile take the operations."""
    import torch

    polar = recipes("torch").polar
    rng = np.random.default_rng(16)
    matrix, weights = (torch.tensor(x) for x in rng.standard_normal((2, 4, 3)))
    a = matrix.clone().requires_grad_()
    (weights * polar(a)).sum().backward()

    def loss(x):
        return (weights * polar(x)).sum()

    assert torch.allclose(torch.func.grad(loss)(matrix), a.grad)
    stack = torch.stack([matrix, matrix + weights])
    rows = torch.func.vmap(torch.func.grad(loss))(stack)
    assert torch.allclose(rows[0], a.grad)
    pinv = recipes("torch").pinv
    for function in (loss, lambda x: (weights.mT * pinv(x, rtol=1e-3)).sum()):
        b, c = (matrix.clone().requires_grad_() for _ in range(2))
        torch.compile(function, backend="aot_eager", fullgraph=True)(b).backward()
        function(c).backward()
        assert torch.allclose(b.grad, c.grad)
    # A second basis, too, which may not branch on a number there.
    square, of = stack[:, :3] @ stack[:, :3].mT, recipes("torch")
    smooth = torch.func.grad(of.invariant_eigh(lambda x, v: ((v * x**2) @ v.mT)[0, 1] ** 3))
    assert torch.allclose(torch.func.vmap(smooth)(square)[1], smooth(square[1]))
    turned = of.invariant_eigh(lambda x, v: v[0, 0] ** 4, rtol=0.9)
    assert torch.isnan(torch.func.vmap(torch.func.grad(turned))(square)).all()
    # Forward mode is refused, not zero.
    with pytest.raises(NotImplementedError):
        torch.func.jvp(loss, (matrix,), (weights,))


def test_tensorflow_in_a_graph():
    import tensorflow as tf

    polar = recipes("tensorflow").polar
    rng = np.random.default_rng(17)
    matrix, weights = rng.standard_normal((2, 4, 3))

    @tf.function
    def gradient(a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            loss = tf.reduce_sum(weights * polar(a))
        return tape.gradient(loss, a)

    _, expected = evaluate("tensorflow", "polar", matrix, weights)
    assert gradient(tf.constant(matrix)).numpy() == pytest.approx(expected, abs=1e-14)


def test_tensorflow_of_a_stack_of_unknown_length():
    import tensorflow as tf

    of, stack = recipes("tensorflow"), np.random.default_rng(25).standard_normal((2, 4, 3))
    for shape in ([None, 4, 3], [None, None, None]):
        traced = tf.function(
            lambda a: tensorflow_gradient(of.polar, a),
            input_signature=[tf.TensorSpec(shape, tf.float64)],
        )
        if shape[1]:
            _, expected = evaluate("tensorflow", "polar", stack, np.ones_like(stack))
            assert traced(tf.constant(stack)).numpy() == pytest.approx(expected)
        else:
            with pytest.raises(ValueError, match=re.escape("the matrix is ? × ?: how many rows")):
                traced(tf.constant(stack))


def test_tensorflow_in_forward_mode():
    """It goes through the decomposition: right where values are apart, and else not finite."""
    import tensorflow as tf

    polar = recipes("tensorflow").polar
    rng = np.random.default_rng(24)
    matrix, weights, direction = rng.standard_normal((3, 3, 3))

    def slope(a):
        a = tf.constant(a)
        with tf.autodiff.ForwardAccumulator(a, tf.constant(direction)) as forward:
            loss = tf.reduce_sum(weights * polar(a))
        return forward.jvp(loss).numpy()

    _, gradient = evaluate("tensorflow", "polar", matrix, weights)
    assert slope(matrix) == pytest.approx(np.sum(gradient * direction))
    assert np.isnan(slope(np.eye(3)))


def test_jax_maps_and_refuses_forward_mode():
    import jax
    import jax.numpy as jnp

    polar = recipes("jax").polar
    rng = np.random.default_rng(18)
    with jax.enable_x64(True):
        stack, weights = (jnp.asarray(x) for x in rng.standard_normal((2, 5, 4, 3)))

        def loss(a, w):
            return jnp.sum(w * polar(a))

        mapped = jax.jit(jax.vmap(jax.grad(loss)))(stack, weights)
        alone = jax.jit(jax.grad(loss))(stack[2], weights[2])
        assert np.allclose(mapped[2], alone, atol=1e-14)
        with pytest.raises(TypeError, match="forward-mode"):
            jax.jvp(lambda a: loss(a, weights[0]), (stack[0],), (stack[1],))


def test_the_rules_import_no_framework():
    code = (
        "import sys, spectralgrad.recipes.rules, spectralgrad.recipes.second_basis\n"
        "found = {'torch', 'jax', 'tensorflow', 'autograd'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
