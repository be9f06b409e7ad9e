"""A few eigenpairs of an operator in each framework, against the rules for dense matrices."""

import functools
import itertools
import math

import numpy as np
import pytest
import scipy.sparse
from drawing import random_matrix
from recipes.modes import FRAMEWORKS, recipes
from recipes.test_recipes import RUN

from spectralgrad.theory import eigen, exact, gauge, krylov, large

EAGER = [name for name in FRAMEWORKS if name != "jax"]


@pytest.fixture(params=FRAMEWORKS)
def framework(request):
    return request.param


@functools.cache
def hermitian_part(framework):
    """The product with the Hermitian part of a parameter; one function, for JAX to compile once."""
    xp = recipes(framework).xp
    return lambda x, b: (xp.hermitian_part(b) @ x[:, None])[:, 0]


SIDE = 15
#: Points of a drum that is decomposed as a whole: derivatives are as before, and compiled sooner.
FEW = krylov.DENSE


@functools.cache
def laplacian(n=SIDE**2):
    one = np.eye(math.isqrt(n))
    line = 2 * one - np.eye(len(one), k=1) - np.eye(len(one), k=-1)
    return np.kron(line, one) + np.kron(one, line)


POTENTIALS = np.random.default_rng(1).uniform(size=(SIDE**2, 2))


@functools.cache
def drum(framework):
    """−Δ + θ₁V₁ + θ₂V₂ on a square, whose second and third value are equal where θ is 0."""
    xp = recipes(framework).xp

    def product(x, theta):
        n = x.shape[0]
        fixed, potentials = (xp.asarray(y, x) for y in (laplacian(n), POTENTIALS[:n]))
        return (fixed @ x[:, None] + (potentials @ theta[:, None]) * x[:, None])[:, 0]

    return product


def loss_and_cotangents(k, n, *, is_complex, tied=False):
    """A loss of values, of the projector and of each |Vᵢⱼ|, or of the first two at a tie."""
    rng = np.random.default_rng(2)
    weights, c = np.arange(1.0, k + 1), random_matrix(rng, n, n, is_complex=is_complex)
    c, each = c + c.conj().T, rng.uniform(size=(n, k))
    if tied:
        weights, each = np.ones(k), np.zeros((n, k))

    def loss(xp, values, v):
        w, projected, each_ = (xp.asarray(x, y) for x, y in ((weights, values), (c, v), (each, v)))
        return xp.sum(w * values) + xp.sum(xp.real(xp.conj(v) * (projected @ v + each_ * v)))

    return loss, lambda v: (weights, 2 * c @ v + 2 * each * v)


def dense(matrix, kept, cotangents):
    """The gradient by all eigenpairs."""
    values, v = np.linalg.eigh((matrix + matrix.conj().T) / 2)
    lam, bar = np.zeros_like(values), np.zeros_like(v)
    lam[kept], bar[:, kept] = cotangents(v[:, kept])
    return eigen.eigh_vjp(values, v, lam, bar)


def gradient(framework, matvec, parameter, loss, *arguments, jit=True, **options):
    """Value and gradient of a loss of the pairs."""
    module, n = recipes(framework), options.pop("n", SIDE**2)

    def total(p):
        return loss(module.xp, *module.eigsh(matvec, *arguments, parameters=[p], n=n, **options))

    run = RUN[framework]
    if framework == "jax" and not jit:
        run = run_jax_eagerly
    return run(total, parameter, np.ones((), parameter.real.dtype))


def run_jax_eagerly(function, parameter, _):
    import jax

    with jax.enable_x64(True):
        value, found = jax.value_and_grad(function)(jax.numpy.asarray(parameter))
    return np.asarray(value), np.asarray(found).conj()


@pytest.mark.parametrize(
    ("is_complex", "which", "n", "k"),
    [(False, "smallest", 150, 3), (True, "largest", 150, 3), (True, "smallest", 40, 2)],
)
def test_it_agrees_with_the_rule_for_dense_matrices(framework, is_complex, which, n, k):
    b = random_matrix(np.random.default_rng(0), n, n, is_complex=is_complex)
    loss, cotangents = loss_and_cotangents(k, n, is_complex=is_complex)
    kept = slice(k) if which == "smallest" else slice(n - k, None)
    _, found = gradient(framework, hermitian_part(framework), b, loss, k, which, n=n)
    assert exact.relative_error(found, dense(b, kept, cotangents)) < 1e-10


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_no_tolerance_has_a_size(framework, scale):
    b = scale * random_matrix(np.random.default_rng(0), 150, 150, is_complex=False)
    loss, cotangents = loss_and_cotangents(3, 150, is_complex=False)
    _, found = gradient(framework, hermitian_part(framework), b, loss, 3, "smallest", n=150)
    assert exact.relative_error(found, dense(b, slice(3), cotangents)) < 1e-10


def test_jax_where_squares_are_no_numbers():
    pytest.importorskip("jax")
    b = 1e-160 * random_matrix(np.random.default_rng(0), 90, 90, is_complex=False)
    loss, cotangents = loss_and_cotangents(2, 90, is_complex=False)
    _, found = gradient("jax", hermitian_part("jax"), b, loss, 2, n=90)
    expected = dense(1e160 * b, slice(2), lambda v: (0, cotangents(v)[1]))
    assert exact.relative_error(1e-160 * found, expected) < 1e-10


def test_two_values_that_are_close(framework):
    """Where each vector is hardly known, their projector is."""
    v = np.linalg.qr(np.random.default_rng(0).standard_normal((100, 100)))[0]
    b = (v * np.r_[0, 1e-8, np.linspace(1, 3, 98)]) @ v.T
    loss, cotangents = loss_and_cotangents(2, 100, is_complex=False, tied=True)
    _, found = gradient(framework, hermitian_part(framework), b, loss, 2, n=100)
    assert exact.relative_error(found, dense(b, slice(2), cotangents)) < 1e-7


def test_a_drum_with_parameters(framework):
    theta = np.array([0.3, 0.7])
    loss, cotangents = loss_and_cotangents(3, SIDE**2, is_complex=False)
    _, found = gradient(framework, drum(framework), theta, loss, 3)
    expected = np.diagonal(dense(at(theta), slice(3), cotangents)) @ POTENTIALS
    assert found == pytest.approx(expected, rel=1e-10)


def at(theta, n=SIDE**2):
    return laplacian(n) + np.diag(POTENTIALS[:n] @ theta)


def test_a_drum_against_differences(framework):
    """Of the eigenvalues alone, so that no rule is compared with itself."""
    theta, h = np.array([0.3, 0.7]), 1e-5
    _, found = gradient(framework, drum(framework), theta, lambda xp, w, v: w[2], 3, n=FEW)
    steps = h * np.eye(2)
    ahead, behind = (
        [np.linalg.eigvalsh(at(theta + s * x, FEW))[2] for x in steps] for s in (1, -1)
    )
    assert found == pytest.approx((np.array(ahead) - behind) / (2 * h), rel=1e-8)


def test_single_precision(framework):
    theta = np.array([0.3, 0.7], "f")
    loss, cotangents = loss_and_cotangents(3, SIDE**2, is_complex=False)
    value, found = gradient(framework, drum(framework), theta, loss, 3)
    expected = np.diagonal(dense(at(theta), slice(3), cotangents)) @ POTENTIALS
    assert (value.dtype, found.dtype) == ("f", "f")
    assert found == pytest.approx(expected, rel=1e-3)


class TestTie:
    """The second and the third value of the square drum are equal."""

    theta = np.zeros(2)

    def test_a_loss_that_does_not_depend_on_the_basis(self, framework):
        loss, cotangents = loss_and_cotangents(3, SIDE**2, is_complex=False, tied=True)
        _, found = gradient(framework, drum(framework), self.theta, loss, 3)
        expected = np.diagonal(dense(at(self.theta), slice(3), cotangents)) @ POTENTIALS
        assert found == pytest.approx(expected, rel=1e-10)

    def test_one_of_two(self, framework):
        with pytest.raises(gauge.GaugeError, match="λ₂ and λ₃"):
            gradient(framework, drum(framework), self.theta, lambda xp, w, v: w[1], 3, jit=False)

    def test_a_vector_of_two(self, framework):
        def loss(xp, w, v):
            return xp.sum(v[:9, 1] ** 2)

        with pytest.raises(gauge.GaugeError, match="λ₂ and λ₃"):
            gradient(framework, drum(framework), self.theta, loss, 3, jit=False)

    def test_k_cuts_it(self, framework):
        with pytest.raises(gauge.GaugeError, match="cut"):
            gradient(framework, drum(framework), self.theta, lambda xp, w, v: w[1], 2, jit=False)

    def test_k_cuts_it_and_the_loss_does_not_mind(self, framework):
        drum_ = drum(framework)
        _, found = gradient(framework, drum_, self.theta, lambda xp, w, v: w[0], 2, n=FEW)
        v = np.linalg.eigh(laplacian(FEW))[1][:, 0]
        assert found == pytest.approx(v**2 @ POTENTIALS[:FEW], rel=1e-10)

    @pytest.mark.parametrize("k", [2, 3])
    def test_under_jit_it_is_nan(self, k):
        pytest.importorskip("jax")
        _, found = gradient("jax", drum("jax"), self.theta, lambda xp, w, v: w[1], k, n=FEW)
        assert np.isnan(found).all()

    def test_the_others_are_known(self):
        """Each value has its own row, in both modes, cut or not."""
        jax = pytest.importorskip("jax")

        def values(k, theta):
            return recipes("jax").eigsh(drum("jax"), k, parameters=[theta], n=FEW)[0]

        expected = np.linalg.eigh(laplacian(FEW))[1][:, 0] ** 2 @ POTENTIALS[:FEW]
        with jax.enable_x64(True):
            for k, mode in ((2, jax.jacfwd), (2, jax.jacrev), (3, jax.jacrev)):
                first, *others = np.asarray(jax.jit(mode(functools.partial(values, k)))(self.theta))
                assert first == pytest.approx(expected, rel=1e-10)
                assert np.isnan(others).all()

    def test_second_derivatives_are_nan(self):
        jax = pytest.importorskip("jax")

        def loss(theta):
            values, _ = recipes("jax").eigsh(drum("jax"), 3, parameters=[theta], n=FEW)
            return (values**2).sum()

        with jax.enable_x64(True):
            assert np.isnan(jax.jit(jax.hessian(loss))(self.theta)).all()


def test_a_phase(framework):
    b = random_matrix(np.random.default_rng(0), 40, 40, is_complex=True)
    with pytest.raises(gauge.GaugeError, match="phase"):
        gradient(
            framework,
            hermitian_part(framework),
            b,
            lambda xp, w, v: xp.sum(xp.real(v)),
            n=40,
            jit=False,
        )


def test_a_solver_that_stops_early(framework):
    theta, options = np.array([0.3, 0.7]), {"maxiter": 1, "jit": False}
    with pytest.raises(krylov.ConvergenceError):
        gradient(framework, drum(framework), theta, lambda xp, w, v: w[2], 3, **options)


def test_under_jit_a_solver_that_stops_early_gives_nan():
    pytest.importorskip("jax")
    _, found = gradient("jax", drum("jax"), np.ones(2), lambda xp, w, v: w[2], 3, maxiter=1)
    assert np.isnan(found).all()


def test_products_of_another_shape_or_type(framework):
    matvec, b = hermitian_part(framework), np.eye(40)
    for wrong in (lambda x, b: matvec(x, b)[1:], lambda x, b: matvec(x, b) > 0):
        with pytest.raises(ValueError, match="give another n or dtype"):
            gradient(framework, wrong, b, lambda xp, w, v: w[0], n=40, jit=False)


def test_jax_takes_an_end_and_a_possible_number():
    eigsh = pytest.importorskip("spectralgrad.recipes.jax").eigsh
    for k, which in ((0, "smallest"), (9, "smallest"), (1, 0.0)):
        with pytest.raises(ValueError, match="will not do"):
            eigsh(lambda x: x, k, which, n=8)


@pytest.mark.parametrize("framework", EAGER)
def test_what_the_function_takes_from_elsewhere_gets_its_gradient(framework):
    b = random_matrix(np.random.default_rng(0), 40, 40, is_complex=False)

    def smallest(b):
        matvec = lambda x: hermitian_part(framework)(x, b)  # noqa: E731
        return recipes(framework).eigsh(matvec, n=40, dtype="float64")[0][0]

    _, found = RUN[framework](smallest, b, np.ones(()))
    _, given = gradient(framework, hermitian_part(framework), b, lambda xp, w, v: w[0], n=40)
    assert found == pytest.approx(given, abs=1e-14)


@pytest.mark.parametrize("framework", EAGER)
def test_values_near_a_number(framework):
    """With what solves the shifted systems, at these parameters."""
    b = random_matrix(np.random.default_rng(0), 100, 100, is_complex=False)
    values = np.linalg.eigvalsh((b + b.T) / 2)
    inverse = np.linalg.inv((b + b.T) / 2 - 0.3 * np.eye(100))
    place = int(np.argmin(np.abs(values - 0.3)))
    loss, cotangents = loss_and_cotangents(1, 100, is_complex=False)
    given = {"n": 100, "solve": lambda x: inverse @ x}
    _, found = gradient(framework, hermitian_part(framework), b, loss, 1, 0.3, **given)
    expected = dense(b, slice(place, place + 1), cotangents)
    assert exact.relative_error(found, expected) < 1e-10


class TestSecondDerivative:
    """Of one eigenvalue, whose gradient is linear in the cotangent: most easily overlooked."""

    theta = np.array([0.3, 0.7])

    def value(self, framework):
        def smallest(theta):
            return recipes(framework).eigsh(drum(framework), parameters=[theta], n=FEW)[0][0]

        return smallest

    def test_torch_refuses(self):
        torch = pytest.importorskip("torch")
        theta = torch.tensor(self.theta, requires_grad=True)
        with pytest.raises(NotImplementedError, match="first derivatives only"):
            torch.autograd.grad(self.value("torch")(theta), theta, create_graph=True)

    def test_tensorflow_refuses(self):
        tf = pytest.importorskip("tensorflow")
        theta = tf.Variable(self.theta)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                value = self.value("tensorflow")(theta)
            slope = tape.gradient(value, theta)
        with pytest.raises(NotImplementedError, match="first derivatives only"):
            outer.gradient(slope, theta)

    def test_autograd_refuses(self):
        autograd = pytest.importorskip("autograd")
        with pytest.raises(NotImplementedError, match="first derivatives only"):
            autograd.jacobian(autograd.grad(self.value("autograd")))(self.theta)

    def test_jax_has_it_in_all_modes(self):
        jax = pytest.importorskip("jax")
        e, f, smallest = np.array([1.0, 0.5]), np.array([-0.3, 2.0]), self.value("jax")

        def forward(function, e):
            return lambda x: jax.jvp(function, (x,), (e,))[1]

        def reverse(function, e):
            return lambda x: jax.grad(function)(x) @ e

        values, v = np.linalg.eigh(at(self.theta, FEW))
        d, e_ = (v[:, 0] * (POTENTIALS[:FEW] @ x) @ v[:, 1:] for x in (e, f))
        expected = 2 * np.sum(d * e_ / (values[0] - values[1:]))
        with jax.enable_x64(True):
            for one, other in itertools.product((forward, reverse), repeat=2):
                # To compile takes most of the time.
                compiled = jax.jit(
                    one(jax.jit(other(smallest, e)), f),
                    compiler_options={"xla_backend_optimization_level": 0},
                )
                assert float(compiled(self.theta)) == pytest.approx(expected, rel=1e-9)


def test_forward_mode_of_jax():
    jax = pytest.importorskip("jax")
    theta, k = np.array([0.3, 0.7]), 3
    loss, cotangents = loss_and_cotangents(k, FEW, is_complex=False)

    def total(theta):
        module = recipes("jax")
        return loss(module.xp, *module.eigsh(drum("jax"), k, parameters=[theta], n=FEW))

    with jax.enable_x64(True):
        found = jax.jit(jax.jacfwd(total))(theta)
    expected = np.diagonal(dense(at(theta, FEW), slice(k), cotangents)) @ POTENTIALS[:FEW]
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
class TestStored:
    """A sparse CSR tensor of PyTorch."""

    @pytest.mark.parametrize("which", ["smallest", 3.3])
    def test_the_gradient_reaches_what_the_values_are_made_of(self, which):
        torch = pytest.importorskip("torch")
        matrix = scipy.sparse.csr_array(at(np.array([0.3, 0.7])))
        entries = torch.tensor(matrix.data, requires_grad=True)
        places = map(torch.tensor, (matrix.indptr, matrix.indices))
        made = torch.sparse_csr_tensor(*places, 2 * entries, matrix.shape, check_invariants=True)
        loss, cotangents = loss_and_cotangents(2, SIDE**2, is_complex=False)
        module = recipes("torch")
        loss(module.xp, *module.eigsh_csr(made, 2, which)).backward()
        pairs = krylov.eigen(2 * matrix, 2, which)
        expected = large.eigen_vjp(pairs, *cotangents(pairs.vectors)).on(matrix).data
        assert entries.grad.numpy() == pytest.approx(2 * expected, rel=1e-8, abs=1e-10)

    @pytest.mark.parametrize("is_complex", [False, True])
    def test_the_tensor_itself_may_be_the_leaf(self, is_complex):
        torch = pytest.importorskip("torch")
        matrix = at(np.array([0.3, 0.7]))
        if is_complex:
            turn = np.exp(1j * np.arange(SIDE**2))
            matrix = turn[:, None] * matrix * turn.conj()
        rows, columns = np.nonzero(matrix)
        indptr = np.concatenate([[0], np.cumsum((matrix != 0).sum(axis=1))])
        arrays = map(torch.tensor, (indptr, columns, matrix[rows, columns]))
        stored = torch.sparse_csr_tensor(*arrays, matrix.shape, check_invariants=True)
        loss, cotangents = loss_and_cotangents(2, SIDE**2, is_complex=is_complex)
        module, stored = recipes("torch"), stored.requires_grad_()
        loss(module.xp, *module.eigsh_csr(stored, 2)).backward()
        expected = dense(matrix, slice(2), cotangents)[rows, columns]
        assert stored.grad.layout == torch.sparse_csr
        assert stored.grad.values().resolve_conj().numpy() == pytest.approx(expected, abs=1e-10)
