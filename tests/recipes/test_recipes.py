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
from recipes.modes import FRAMEWORKS, derivative

from spectralgrad import frameworks
from spectralgrad.recipes import catalogue, hermitian
from spectralgrad.theory import eigen, exact, singular, subgradient

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


def with_spectrum(values, shape, *, is_complex, hermitian):
    rng = np.random.default_rng(3)
    left = unitary(rng, shape[0], is_complex=is_complex)[:, : len(values)]
    right = left if hermitian else unitary(rng, shape[1], is_complex=is_complex)[:, : len(values)]
    matrix = (left * np.array(values)) @ right.conj().T
    return (matrix + matrix.conj().T) / 2 if hermitian else matrix


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


def test_a_rule_of_ones_own(framework):
    """Tables become an operation, with the name, docstring and options of their function."""

    def power(xp, values, exponent=2):
        """A² or A³."""
        one, other = xp.pairs(values)
        first = one + other if exponent == 2 else one**2 + one * other + other**2
        return hermitian.Tables(lambda: values**exponent, lambda: first)

    function = recipes(framework).operation(hermitian.hermitian_function(power))
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
        first = square * (one + other) + cube * (one**2 + one * other + other**2)
        return hermitian.Tables(lambda: square * values**2 + cube * values**3, lambda: first)

    of = recipes("autograd").operation(hermitian.hermitian_function(cubic))
    assert of(np.diag([2.0, 3.0]), cube=10.0) == pytest.approx(np.diag([84.0, 279.0]))


def test_each_framework_has_each_recipe(framework):
    """Under its own name, and pickle finds it there."""
    of = recipes(framework)
    names = [*catalogue.operations(of.xp, of.__name__)]
    assert len(names) > 19
    # What makes others is one for each module, and not found by its name.
    for name in [x for x in names if x != "operation"]:
        function = getattr(of, name)
        assert (function.__name__, function.__module__) == (name, of.__name__)
        assert pickle.loads(pickle.dumps(function)) is function


def test_the_exponential_does_not_overflow_between_far_eigenvalues(framework):
    matrix = np.diag([-800.0, 1.0, 700.0])
    value, gradient = evaluate(framework, "expm", matrix, np.ones((3, 3)))
    assert np.all(np.isfinite(value))
    far = np.exp(700.0) / 1500.0
    assert gradient[0, 2] == pytest.approx(far, rel=1e-13)
    assert gradient[0, 1] == pytest.approx((np.exp(1.0) - 0) / 801.0, rel=1e-13)


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


def test_jax_keeps_single_precision_where_double_is_enabled():
    import jax
    import jax.numpy as jnp

    of = recipes("jax")
    with jax.enable_x64(True):
        one = jnp.eye(3, dtype=np.complex64)
        value = jax.jit(lambda a: of.soft_threshold(a, np.float64(0.5)))(one.real)
        assert value.dtype == np.float32


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


def as_array(framework, matrix):
    """As PyTorch's, which takes no other; the rest take NumPy's."""
    return recipes("torch").torch.tensor(matrix) if framework == "torch" else matrix


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


def test_the_rules_import_no_framework():
    code = (
        "import sys, spectralgrad.recipes.rules, spectralgrad.recipes.invariant\n"
        "found = {'torch', 'jax', 'tensorflow', 'autograd'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_function_of_ones_own_keeps_single_precision(framework):
    """Its gradients too: TensorFlow multiplies none of two precisions."""
    modes = ("value", "reverse", "reverse over reverse")
    slopes = {
        "f": lambda x: x / (1 + x**2),
        "df": lambda x: (1 - x**2) / (1 + x**2) ** 2,
        "d2f": lambda x: 2 * x * (x**2 - 3) / (1 + x**2) ** 3,
    }
    a = np.array([[2, 1, 0], [1, 3, 1], [0, 1, 4]], dtype=np.float32)
    function = functools.partial(recipes(framework).function, **slopes)
    for mode in modes:
        found = derivative(framework, mode, function, *[a] * 4, together=modes)
        assert np.asarray(found).dtype == np.float32, mode
