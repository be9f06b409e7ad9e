"""Losses that do not depend on the basis, in each framework, at ties, zeros and near them."""

import functools
import importlib
import itertools
import pickle

import numpy as np
import pytest
from cases import CASES
from drawing import random_matrix, unitary

from spectralgrad import frameworks
from spectralgrad.theory import exact, gauge, singular
from spectralgrad.theory.exact import MP

NAMES = ("autograd", "torch", "tensorflow", "jax")
DECOMPOSITIONS = ("eigh", "svd")
ONE = np.asarray(1.0)


@pytest.fixture(params=NAMES)
def framework(request):
    return request.param


#: The formulas are the same for all: they are tried in PyTorch, and what runs them on a few cases.
OTHERS = ("autograd", "jax", "tensorflow")


def tried(everywhere, few):
    """Cases with a framework: all with PyTorch, and with the others those in a list of few."""
    cases = [("torch", *case) for case in everywhere]
    return [*cases, *((name, *case) for name in OTHERS for case in few)]


def recipes(name):
    with frameworks.quiet():
        return importlib.import_module(f"spectralgrad.recipes.{name}")


def invariant(name, decomposition, loss, **tolerances):
    of = recipes(name)
    return getattr(of, f"invariant_{decomposition}")(loss(of.xp), **tolerances)


def gradient(name, function, matrix, cotangent=ONE):
    """In JAX under jit, where no number is known."""
    return frameworks.get(name).vjp(function, matrix, cotangent)


def eager_gradient(name, function, matrix):
    """Where numbers are known, of the sum over a stack."""
    if name != "jax":
        return gradient(name, function, matrix, np.ones(np.shape(matrix)[:-2]))
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        return np.asarray(jax.grad(lambda a: jnp.sum(function(a)))(jnp.asarray(matrix)))


class Exact:
    """The few functions that a loss needs, in 50 digits."""

    exp = staticmethod(np.vectorize(MP.exp, otypes=[object]))
    adjoint = staticmethod(lambda a: a.conj().T)
    sum = staticmethod(lambda a: sum(a.ravel()))
    real = staticmethod(np.vectorize(MP.re, otypes=[object]))
    asarray = staticmethod(lambda x, like: exact.lift(x))
    cast = staticmethod(lambda x, like: x)


def smooth(decomposition, b):
    """A loss that is neither linear in a function of the matrix nor one of its spectrum.

    An odd function of the singular values is smooth at zeros, too.
    """

    def of_eigh(xp):
        def loss(values, v):
            function = (v * xp.cast(xp.exp(values), v)) @ xp.adjoint(v)
            return xp.sum(xp.real(xp.asarray(b, v) * function)) ** 2

        return loss

    def of_svd(xp):
        def loss(u, s, vh):
            function = (u * xp.cast(xp.exp(s) - xp.exp(-s), u)) @ vh
            return xp.sum(xp.real(xp.asarray(b, u) * function)) ** 2

        return loss

    return of_eigh if decomposition == "eigh" else of_svd


def with_spectrum(values, shape, *, is_complex, hermitian):
    rng = np.random.default_rng(3)
    left = unitary(rng, shape[0], is_complex=is_complex)[:, : len(values)]
    right = left if hermitian else unitary(rng, shape[1], is_complex=is_complex)[:, : len(values)]
    matrix = (left * np.array(values)) @ right.conj().T
    return (matrix + matrix.conj().T) / 2 if hermitian else matrix


SPECTRA = {
    "eigh regular": ([4.0, 2.0, 1.0], (3, 3)),
    "eigh tie": ([2.0, 1.0, 1.0], (3, 3)),
    "eigh all tied": ([2.0, 2.0, 2.0], (3, 3)),
    "eigh near tie": ([2.0, 1.0 + 1e-12, 1.0], (3, 3)),
    "eigh one": ([2.0], (1, 1)),
    "eigh zero": ([0.0, 0.0], (2, 2)),
    "svd regular, tall": ([4.0, 2.0, 1.0], (4, 3)),
    "svd tie, wide": ([2.0, 1.0, 1.0], (3, 4)),
    "svd near tie": ([2.0, 1.0 + 1e-12, 1.0], (3, 3)),
    "svd one zero": ([2.0, 2.0, 0.0], (3, 3)),
    "svd one zero, tall": ([2.0, 1.0, 0.0], (5, 3)),
    "svd two zeros": ([2.0, 0.0, 0.0], (3, 3)),
    "svd two zeros, wide": ([2.0, 0.0, 0.0], (3, 4)),
    "svd near zero": ([2.0, 1.0, 1e-12], (4, 3)),
    "svd graded": ([1.0, 1e-4, 1e-8], (3, 3)),
}


@functools.cache
def problem(name, is_complex):
    """A matrix, the loss, and derivatives in 50 digits along a few directions."""
    decomposition, (values, shape) = name[: name.index(" ")], SPECTRA[name]
    hermitian = decomposition == "eigh"
    matrix = with_spectrum(values, shape, is_complex=is_complex, hermitian=hermitian)
    rng = np.random.default_rng(14)
    loss = smooth(decomposition, random_matrix(rng, *shape, is_complex=is_complex))
    decompose = getattr(exact, decomposition)
    slopes = []
    for _ in range(3):
        e = random_matrix(rng, *shape, is_complex=is_complex)
        e = (e + e.conj().T) / 2 if hermitian else e
        slope = exact.derivative(lambda a: loss(Exact)(*decompose(a)), matrix, e)
        slopes.append((e, float(MP.re(slope))))
    return decomposition, matrix, loss, slopes


def error(found, slopes):
    """Largest error of a derivative, relative to the largest that there might be."""
    missed = [abs(np.vdot(found, e).real - slope) / np.linalg.norm(e) for e, slope in slopes]
    return max(missed) / np.linalg.norm(found)


HARD = [("eigh near tie", True), ("svd one zero", False), ("svd two zeros, wide", True)]


@pytest.mark.parametrize(
    ("framework", "name", "is_complex"),
    tried(itertools.product(SPECTRA, (False, True)), HARD),
)
@pytest.mark.filterwarnings("ignore:.*discard")
def test_against_50_digits(framework, name, is_complex):
    decomposition, matrix, loss, slopes = problem(name, is_complex)
    found = gradient(framework, invariant(framework, decomposition, loss), matrix)
    # Between √eps and a few eps, that of eps over the gap.
    limit = 1e-7 if name == "svd graded" else 1e-10 if "near" in name else 1e-12
    assert error(found, slopes) < limit


LARGER = {
    "eigh": ([3.0, 3, 3, 3, 2, 1, 1, 1 + 1e-13], (8, 8)),
    "svd": ([3.0, 2, 2, 2, 2, 1 + 1e-13, 1, 0, 0, 0], (10, 12)),
}


@pytest.mark.parametrize(
    ("framework", "decomposition", "is_complex", "dtype"),
    tried(
        itertools.product(DECOMPOSITIONS, (False, True), ("double", "single")),
        [("svd", False, "single")],
    ),
)
@pytest.mark.filterwarnings("ignore:.*discard")
def test_larger_clusters(framework, decomposition, is_complex, dtype):
    """Each pair of a cluster meets, and all null vectors; against a quotient of differences."""
    values, shape = LARGER[decomposition]
    hermitian, rng = decomposition == "eigh", np.random.default_rng(20)
    matrix = with_spectrum(values, shape, is_complex=is_complex, hermitian=hermitian)
    loss = smooth(decomposition, random_matrix(rng, *shape, is_complex=is_complex) / 10)
    plain = loss(Floats)
    decompose = (
        np.linalg.eigh if hermitian else functools.partial(np.linalg.svd, full_matrices=False)
    )
    if dtype == "single":
        matrix = matrix.astype(np.complex64 if is_complex else np.float32)
    found = gradient(framework, invariant(framework, decomposition, loss), matrix)
    assert found.dtype == matrix.dtype or framework == "jax"
    for _ in range(3):
        e = random_matrix(rng, *shape, is_complex=is_complex)
        e = (e + e.conj().T) / 2 if hermitian else e
        at = matrix.astype(complex if is_complex else float)
        slope, doubt = exact.finite_difference(lambda a: plain(*decompose(a)), at, e)
        size = np.linalg.norm(found) * np.linalg.norm(e)
        assert doubt < 1e-8 * size
        limit = 1e-5 if dtype == "single" else 1e-8
        assert abs(np.vdot(found, e).real - slope) < limit * size


class Floats:
    """The same functions in NumPy."""

    exp, sum, real = np.exp, np.sum, np.real
    asarray = staticmethod(lambda x, like: x)
    adjoint = staticmethod(lambda a: a.conj().T)
    cast = staticmethod(lambda x, like: x)


@pytest.mark.parametrize("rank", [0, 2, 4])
def test_zeros_against_theory(rank):
    """Two formulas, of which neither is the other's: cluster by cluster, and pair by pair."""
    values = [3.0, 2.0, 1.0, 0.5][:rank] + [0.0] * (4 - rank)
    matrix = with_spectrum(values, (7, 4), is_complex=True, hermitian=False)
    b = random_matrix(np.random.default_rng(4), 7, 4, is_complex=True)

    def pullback(u, s, vh):
        """Of the square of Re⟨B̄, UΣ³Vᴴ + UΣVᴴ⟩, plus one that is linear."""
        f, df = s + s**3, 1 + 3 * s**2
        scale = 1 + 2 * np.sum(b * ((u * f) @ vh)).real
        c = scale * b.conj()
        inner = np.diagonal(u.conj().T @ c @ vh.conj().T).real
        return (c @ vh.conj().T) * f, inner * df, (f[:, None] * (u.conj().T @ c))

    def loss(xp):
        def of(u, s, vh):
            x = xp.sum(xp.real(xp.asarray(b, u) * ((u * xp.cast(s + s**3, u)) @ vh)))
            return x + x**2

        return of

    expected = singular.invariant_vjp(*np.linalg.svd(matrix, full_matrices=False), pullback)
    found = gradient("torch", invariant("torch", "svd", loss), matrix)
    assert exact.relative_error(found, expected) < 1e-12


def test_between_ties_it_loses_digits():
    """As its docstring says: an error of the order of rtol, or of eps/rtol; and rtol is obeyed."""
    matrix = np.diag([1.0, 1.0 + 1e-4, 3.0])
    loss = smooth("eigh", np.random.default_rng(15).standard_normal((3, 3)))
    truth = exact.gradient(lambda a: loss(Exact)(*exact.eigh(a)), matrix, hermitian=True)

    def missed(rtol):
        found = gradient("torch", invariant("torch", "eigh", loss, rtol=rtol), matrix)
        return exact.relative_error(found, truth.astype(float))

    assert missed(1e-8) < 1e-11
    assert 1e-6 < missed(1e-3) < 1e-3


def test_jax_keeps_single_precision_where_double_is_enabled():
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        function = invariant("jax", "eigh", smooth("eigh", np.ones((3, 3))))
        found = jax.jit(jax.grad(function))(jnp.eye(3, dtype=np.complex64))
        assert found.dtype == np.complex64


def test_they_are_the_frameworks_own(framework):
    for name in DECOMPOSITIONS:
        function = getattr(recipes(framework), f"invariant_{name}")
        assert pickle.loads(pickle.dumps(function)) is function


# Stacks.


def test_the_stack_of_the_cases(framework):
    """Each matrix gets its own gradient: it once was something else, without a word."""
    case = CASES["invariant-svd-of-a-stack"]
    stack, b = np.array(case["stack"]), np.array(case["B"])

    def loss(xp):
        return lambda u, s, vh: xp.sum(xp.asarray(b, u) * ((u * s) @ vh))

    function = invariant(framework, "svd", loss)
    found = gradient(framework, function, stack, np.ones(3))
    assert found == pytest.approx(np.array(case["gradient"]), abs=1e-13)
    if framework in ("torch", "autograd"):
        weights = np.array([[1.0, 0, 2]])
        weighted = gradient(framework, function, stack[None], weights)
        assert weighted == pytest.approx(weights[..., None, None] * b, abs=1e-13)


@pytest.mark.parametrize(
    ("framework", "decomposition"), tried([(x,) for x in DECOMPOSITIONS], [("eigh",)])
)
def test_a_stack_that_holds_one_bad_matrix(framework, decomposition):
    """A GaugeError names it; where numbers are not known, it alone is NaN."""
    tied = with_spectrum([2.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    stack = np.stack([tied + np.diag([0.1, 0, 0.3]), tied + np.diag([0.3, 0, 0.1]), tied])
    place = 0 if decomposition == "svd" else 1

    def loss(xp):
        return lambda *factors: xp.sum(factors[place][:, 1] ** 4)

    function = invariant(framework, decomposition, loss)
    # JAX compiles each step where nothing is compiled at once.
    if framework != "jax":
        said = r"^matrix \[2\] of the stack: the loss depends on"
        with pytest.raises(gauge.GaugeError, match=said):
            eager_gradient(framework, function, stack)
    if framework in ("jax", "torch"):
        found = mapped_gradient(framework, function, stack)
        assert np.isnan(found).any(axis=(1, 2)).tolist() == [False, False, True]
        alone = gradient("torch", invariant("torch", decomposition, loss), stack[0])
        assert found[0] == pytest.approx(alone, abs=1e-12)


def mapped_gradient(name, function, stack):
    """Under the framework's own vmap."""
    if name == "torch":
        import torch

        return torch.func.vmap(torch.func.grad(function))(torch.tensor(stack)).numpy()
    import jax

    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(jax.grad(function)))(stack))


def test_each_matrix_of_a_map_has_weights_of_its_own():
    """Also where the derivative is taken after the map has ended."""
    import torch

    stack, b = np.random.default_rng(5).standard_normal((2, 4, 3, 3))
    a, weights = torch.tensor(stack, requires_grad=True), torch.tensor(b, requires_grad=True)

    def of_one(a, w):
        function = recipes("torch").invariant_svd(lambda u, s, vh: (w * ((u * s) @ vh)).sum())
        return function(a)

    torch.func.vmap(of_one)(a, weights).sum().backward()
    assert a.grad.numpy() == pytest.approx(b, abs=1e-12)
    assert weights.grad.numpy() == pytest.approx(stack, abs=1e-12)


def test_tensorflow_of_a_stack_of_unknown_length():
    import tensorflow as tf

    stack, b = np.random.default_rng(6).standard_normal((2, 4, 3, 3))
    weights = tf.Variable(b[0])
    of = recipes("tensorflow")
    function = of.invariant_svd(lambda u, s, vh: tf.reduce_sum(weights * ((u * (s + s**3)) @ vh)))

    def both(a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            value = tf.reduce_sum(function(a))
        return tape.gradient(value, [a, weights])

    traced = tf.function(both, input_signature=[tf.TensorSpec([None, 3, 3], tf.float64)])
    stack[1, 2] = stack[1, 1]
    found, expected = traced(tf.constant(stack)), both(tf.constant(stack))
    for x, y in zip(found, expected, strict=True):
        assert x.numpy() == pytest.approx(y.numpy(), abs=1e-11)
    assert np.all(np.isfinite(found[0]))


def test_forward_mode_and_maps_of_tensorflow():
    """It overlooks custom gradients in `vectorized_map` and in graphs: never a silent 0."""
    import tensorflow as tf

    stack = tf.constant(np.random.default_rng(7).standard_normal((2, 3, 3)))
    function = recipes("tensorflow").invariant_svd(lambda u, s, vh: tf.reduce_sum((u * s) @ vh))
    with tf.autodiff.ForwardAccumulator(stack, stack) as forward:
        value = function(stack)
    assert forward.jvp(value).numpy() == pytest.approx(stack.numpy().sum(axis=(1, 2)), abs=1e-12)
    with tf.GradientTape() as tape:
        tape.watch(stack)
        value = tf.vectorized_map(function, stack)
    assert np.all(np.isnan(tape.gradient(value, stack)))


# Other arrays in the loss, forward mode, second derivatives.


def cube(xp, b):
    """w³ Re⟨B, A⟩, as a loss of the factors."""
    return lambda w: lambda u, s, vh: w**3 * xp.sum(xp.asarray(b, u) * ((u * s) @ vh))


A = np.diag([2.0, 1.0, 1.0]) @ np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 % 7)[0]
B = np.arange(9.0).reshape(3, 3)
# Of w³⟨B, A⟩ at w = 2, first derivatives and the mixed second one.
TRUE = 8 * B, 12 * np.sum(A * B)
MIXED = 12 * B


def test_other_arrays_get_their_gradient_in_torch():
    import torch

    of = recipes("torch")
    loss = cube(of.xp, B)
    a, w = (torch.tensor(x, requires_grad=True, dtype=torch.float64) for x in (A, 2.0))
    value = of.invariant_svd(loss(w))(a)
    slopes = torch.autograd.grad(value, (a, w), create_graph=True)
    for found, true in zip(slopes, TRUE, strict=True):
        assert found.detach().numpy() == pytest.approx(true, abs=1e-11)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(slopes[0].sum(), a, retain_graph=True)
    (found,) = torch.autograd.grad(slopes[0].sum(), w, retain_graph=True)
    assert float(found) == pytest.approx(MIXED.sum())
    (found,) = torch.autograd.grad(slopes[1], a, create_graph=True)
    assert found.detach().numpy() == pytest.approx(MIXED, abs=1e-11)
    # Nor is a third one silently 0.
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(found.sum(), a)
    # Where the matrix gets none, the other one may be differentiated twice.
    value = of.invariant_svd(loss(w))(a.detach())
    (slope,) = torch.autograd.grad(value, w, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, w)
    assert float(curvature) == pytest.approx(TRUE[1])

    def both(a, w):
        return of.invariant_svd(loss(w))(a)

    given = a.detach(), w.detach()
    _, pullback = torch.func.vjp(both, *given)
    for found, true in zip(pullback(torch.ones_like(value.detach())), TRUE, strict=True):
        assert found.numpy() == pytest.approx(true, abs=1e-11)
    along = torch.tensor(B), torch.tensor(1.0).double()
    _, slope = torch.func.jvp(both, given, along)
    assert float(slope) == pytest.approx(np.sum(TRUE[0] * B) + TRUE[1])
    jacobians = (torch.func.jacrev, torch.func.jacfwd)
    for outer in jacobians:
        for inner in jacobians:
            with pytest.raises(NotImplementedError):
                outer(inner(both, argnums=0), argnums=0)(*given)
            for first in (0, 1):
                found = outer(inner(both, argnums=first), argnums=1 - first)(*given)
                assert found.numpy() == pytest.approx(MIXED, abs=1e-11)
            curvature = outer(inner(both, argnums=1), argnums=1)(*given)
            assert float(curvature) == pytest.approx(TRUE[1])


def test_other_arrays_get_their_gradient_in_jax():
    import jax
    import jax.numpy as jnp

    of = recipes("jax")
    loss = cube(of.xp, B)

    def both(a, w):
        return of.invariant_svd(loss(w))(a)

    with jax.enable_x64(True):
        given, along = (jnp.asarray(A), jnp.asarray(2.0)), (jnp.asarray(B), jnp.asarray(1.0))
        found = jax.jit(jax.grad(both, (0, 1)))(*given)
        for x, true in zip(found, TRUE, strict=True):
            assert np.asarray(x) == pytest.approx(true, abs=1e-11)
        _, slope = jax.jit(lambda *x: jax.jvp(both, x, along))(*given)
        assert float(slope) == pytest.approx(np.sum(TRUE[0] * B) + TRUE[1])
        twice = list(itertools.product((jax.jacrev, jax.jacfwd), repeat=2))
        for outer, inner in twice:
            with pytest.raises(NotImplementedError, match="first derivatives only"):
                jax.jit(outer(inner(both, 0), 0))(*given)
        mixed = [outer(inner(both, i), 1 - i) for outer, inner in twice for i in (0, 1)]
        for found in jax.jit(lambda *x: [second(*x) for second in mixed])(*given):
            assert np.asarray(found) == pytest.approx(MIXED, abs=1e-11)
        curvatures = jax.jit(lambda *x: [outer(inner(both, 1), 1)(*x) for outer, inner in twice])
        assert np.asarray(curvatures(*given)) == pytest.approx([TRUE[1]] * 4)


def test_other_arrays_get_their_gradient_in_tensorflow():
    import tensorflow as tf

    of = recipes("tensorflow")
    loss = cube(of.xp, B)
    a, w = tf.constant(A), tf.constant(2.0, tf.float64)

    def slopes():
        with tf.GradientTape() as tape:
            tape.watch([a, w])
            value = of.invariant_svd(loss(w))(a)
        return tape.gradient(value, [a, w])

    for found in (slopes(), tf.function(slopes)()):
        for x, true in zip(found, TRUE, strict=True):
            assert x.numpy() == pytest.approx(true, abs=1e-11)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch([a, w])
        of_matrix, of_weight = slopes()
    # The tape asks for what nobody wants, so that what is refused elsewhere is NaN.
    assert np.all(np.isnan(outer.gradient(of_matrix, a)))
    assert float(outer.gradient(of_matrix, w)) == pytest.approx(MIXED.sum())
    assert outer.gradient(of_weight, a).numpy() == pytest.approx(MIXED, abs=1e-11)
    assert float(outer.gradient(of_weight, w)) == pytest.approx(TRUE[1])


def test_other_arrays_get_their_gradient_in_autograd():
    import autograd.numpy as anp
    from autograd import grad, make_jvp

    of = recipes("autograd")
    loss = cube(of.xp, B)

    def both(a, w):
        return of.invariant_svd(loss(w))(a)

    for place, true in enumerate(TRUE):
        assert grad(both, place)(A, 2.0) == pytest.approx(true, abs=1e-11)
    _, slope = make_jvp(lambda a: both(a, 2.0))(A)(B)
    assert float(slope) == pytest.approx(np.sum(TRUE[0] * B))

    def second(first, then):
        return grad(lambda *x: anp.sum(grad(both, first)(*x)), then)(A, 2.0)

    with pytest.raises(NotImplementedError, match="first derivatives only"):
        second(0, 0)
    assert second(0, 1) == pytest.approx(MIXED.sum())
    assert second(1, 0) == pytest.approx(MIXED, abs=1e-11)
    assert grad(grad(both, 1), 1)(A, 2.0) == pytest.approx(TRUE[1])


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax"])
def test_a_value_alone_costs_no_second_basis(framework):
    """The loss is evaluated once where nobody asks for a derivative; a tape cannot be asked."""
    calls = []

    def loss(xp):
        return lambda values, v: calls.append(1) or xp.sum(values)

    matrix = np.eye(3)
    matrix = recipes("torch").torch.tensor(matrix) if framework == "torch" else matrix
    assert float(invariant(framework, "eigh", loss)(matrix)) == 3
    assert len(calls) == 1


# Compilers.


def test_jax_traces_the_loss_a_fixed_number_of_times():
    """However large the matrix is: it once was unrolled, 45 s for 192 rows."""
    import jax
    import jax.numpy as jnp

    sizes = []
    for n in (4, 40):
        function = invariant("jax", "eigh", smooth("eigh", np.ones((n, n))))
        text = jax.jit(jax.grad(function)).lower(jnp.eye(n)).as_text()
        sizes.append(text.count("\n"))
    # One more number has one more bit.
    assert sizes[1] < 1.2 * sizes[0]


def test_jax_scans_and_recomputes():
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        loss = smooth("svd", B)
        function = jax.checkpoint(invariant("jax", "svd", loss))
        stack = jnp.asarray(np.stack([A, A + B, A * 0]))

        def total(stack):
            return jax.lax.scan(lambda c, a: (c + function(a), None), 0.0, stack)[0]

        found = np.asarray(jax.jit(jax.grad(total))(stack))
        for x, a in zip(found, stack, strict=True):
            alone = gradient("torch", invariant("torch", "svd", loss), np.asarray(a))
            assert x == pytest.approx(alone, rel=1e-10, abs=1e-10)


def test_pytorch_compiles():
    """The tracing half of torch.compile, in one graph."""
    import torch

    rng = np.random.default_rng(16)
    matrix = rng.standard_normal((2, 3, 3))
    function = recipes("torch").invariant_eigh(lambda x, v: ((v * x**2) @ v.mT)[0, 1] ** 3)
    a, b = (torch.tensor(matrix @ matrix.mT, requires_grad=True) for _ in range(2))
    # With `dynamic`, NumPy's draws would need numbers that Dynamo does not have.
    options = {"backend": "aot_eager", "fullgraph": True, "dynamic": False}
    torch.compile(lambda a: function(a).sum(), **options)(a).backward()
    function(b).sum().backward()
    assert torch.allclose(a.grad, b.grad)


# What is refused.


def of_vectors(decomposition, loss):
    """A loss of the (left) vectors alone."""
    place = 1 if decomposition == "eigh" else 0
    return lambda xp: lambda *factors: loss(xp, factors[place])


@pytest.mark.parametrize(
    ("framework", "decomposition"), tried([(x,) for x in DECOMPOSITIONS], [("eigh",)])
)
def test_what_is_no_function_of_the_matrix(framework, decomposition):
    tied = with_spectrum([2.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    apart = with_spectrum([3.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    phases = with_spectrum([3.0, 2.0, 1.0], (3, 3), is_complex=True, hermitian=True)
    cases = [
        (tied, lambda xp, v: xp.sum(v[:, 1] ** 4)),
        *((apart, lambda xp, v, i=i: xp.sum(v[:, i])) for i in range(3)),
        (apart, lambda xp, v: v[0, 0] * v[1, 2]),
        # LAPACK makes the first row real, so that the loss is stationary in each phase.
        (phases, lambda xp, v: xp.sum(xp.real(v[0]))),
    ]
    # They differ in the loss, and the code that judges it is the same.
    for matrix, loss in cases[: None if framework == "torch" else 1]:
        function = invariant(framework, decomposition, of_vectors(decomposition, loss))
        if matrix is phases and decomposition == "svd":
            # One phase of each pair is free, and this is the left one.
            continue
        said = r"^the loss depends on the sign, phase or basis of vectors.*by \d.*, allowed \d"
        with pytest.raises(gauge.GaugeError, match=said):
            eager_gradient(framework, function, matrix)
    if framework == "jax":
        function = invariant("jax", decomposition, of_vectors(decomposition, cases[0][1]))
        assert np.all(np.isnan(gradient("jax", function, tied)))


def test_without_trials_nothing_is_refused():
    """Whoever asks for no trial gets none."""
    tied = with_spectrum([2.0, 2.0, 1.0], (3, 3), is_complex=False, hermitian=True)
    loss = of_vectors("eigh", lambda xp, v: xp.sum(v[:, 1] ** 4))
    function = invariant("torch", "eigh", loss, gauge_tol=np.inf)
    assert np.all(np.isfinite(gradient("torch", function, tied)))


NULL = {
    # A loss of one side alone, of a product of both, of a kink, and of all values.
    "left": lambda xp, u, s, v: u[0, 2] ** 2 if u.shape[0] > 3 else xp.sum(u[0] * v[1]),
    "both": lambda xp, u, s, v: u[0, 2] * v[0, 2],
    "kink": lambda xp, u, s, v: s[2],
    "nuclear norm": lambda xp, u, s, v: xp.sum(s),
}


@pytest.mark.parametrize(
    ("framework", "name", "shape"),
    tried(itertools.product(NULL, [(3, 3), (5, 3), (3, 5)]), [("both", (3, 3)), ("left", (5, 3))]),
)
def test_a_loss_of_null_vectors_or_with_a_kink_at_zero(framework, name, shape):
    matrix = with_spectrum([2.0, 1.0, 0.0], shape, is_complex=False, hermitian=False)

    def loss(xp):
        def of(u, s, vh):
            pair = (u, s, xp.adjoint(vh)) if shape[0] >= shape[1] else (xp.adjoint(vh), s, u)
            return NULL[name](xp, *pair)

        return of

    if framework == "jax":
        function = invariant("jax", "svd", loss)
        assert np.all(np.isnan(gradient("jax", function, matrix)))
    else:
        function = invariant(framework, "svd", loss)
        with pytest.raises(gauge.GaugeError, match=r"σ₃ counts as 0"):
            eager_gradient(framework, function, matrix)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_different_weights_of_equal_values(decomposition, is_complex):
    """The value is the same in every basis, and has a kink."""
    torch = recipes("torch").torch
    matrix = with_spectrum([3.0, 3.0, 1.0, 1.0], (4, 4), is_complex=is_complex, hermitian=True)
    place = int(decomposition == "svd")

    def found(loss):
        return gradient("torch", invariant("torch", decomposition, lambda xp: loss), matrix)

    said = r"^equal values with different cotangents.*by \d"
    for weights in ([1.0, 0, 0, 0], [0.0, 0, 0, 1], [1.0, 1, 2, 3]):
        with pytest.raises(gauge.GaugeError, match=said):
            found(lambda *f, w=weights: f[place] @ torch.tensor(w).double())
    # Where all values are apart it is not defined.
    with pytest.raises(gauge.GaugeError, match=said):
        found(lambda *f: f[place][0] * (4 - f[place]).log().sum())
    weights = torch.tensor([1.0, 1, 2, 2]).double()
    assert np.all(np.isfinite(found(lambda *f: f[place] @ weights)))


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_a_loss_at_its_minimum_where_all_values_are_equal(dtype):
    """There no turn of all vectors tells how large the loss might be."""
    torch, is_complex = recipes("torch").torch, dtype == np.complex64
    turned = with_spectrum([1.0] * 6, (6, 6), is_complex=is_complex, hermitian=True)
    for start in (np.eye(6), turned):
        target = torch.tensor(start.astype(dtype))
        found = gradient(
            "torch",
            recipes("torch").invariant_eigh(
                lambda x, v, target=target: (((v * x) @ v.mH - target).abs() ** 2).sum()
            ),
            start.astype(dtype),
        )
        assert np.linalg.norm(found) < 1e3 * np.finfo(dtype).eps


def homography(framework):
    """The loss of AᵀA, as a function of A: that of its smallest eigenvector."""
    weights = np.array(CASES["homography"]["W"])

    def loss(xp):
        return lambda values, v: xp.sum(xp.asarray(weights, v) * v[:, 0]) / v[8, 0]

    function = invariant(framework, "eigh", loss)
    return lambda a: function(recipes(framework).xp.adjoint(a) @ a)


@pytest.mark.parametrize(
    ("framework", "dtype"), tried([(np.float32,), (np.float64,)], [(np.float64,)])
)
def test_homography(framework, dtype):
    """In single precision AᵀA has lost the gap to five others: no answer, not a wrong one."""
    case = CASES["homography"]
    rows = []
    for (x, y), (u, v) in zip(case["first"], case["second"], strict=True):
        rows += [[0, 0, 0, -x, -y, -1, v * x, v * y, v], [x, y, 1, 0, 0, 0, -u * x, -u * y, -u]]
    a = np.array(rows, dtype)
    if dtype == np.float64:
        g = gradient(framework, homography(framework), a)
        found = []
        for i, (x, y) in enumerate(case["first"]):
            row = np.array([x, y, 1.0])
            found.append([-g[2 * i + 1, 6:] @ row, g[2 * i, 6:] @ row])
        assert exact.relative_error(found, case["gradient"]) < 1e-9
    else:
        with pytest.raises(gauge.GaugeError, match="λ₁ and λ₂ count as equal"):
            gradient(framework, homography(framework), a)


def test_a_matrix_that_is_not_square(framework):
    matrix = np.ones((2, 3))
    matrix = recipes("torch").torch.tensor(matrix) if framework == "torch" else matrix
    function = invariant(framework, "eigh", lambda xp: lambda values, v: xp.sum(values))
    with pytest.raises(ValueError, match="the matrix is 2 × 3; a Hermitian one is square"):
        function(matrix)
