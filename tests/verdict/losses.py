"""Losses as readers bring them, at matrices in general position, with what is right for each.

The matrices are made from known factors, and the gradients in closed form from those: neither asks
a framework nor the package. Half of the gradients are wrong, or do not exist, as gradients of
people's own do: a wrong rule, a ``detach`` too many, a division made safe, a tie; or there is no
function at all.
"""

import functools
import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hard
import numpy as np

WRONG, NONE, CHANCE = "wrong", "no gradient here", "not a function of the matrix"
AGREES, NAN = "agrees", "not finite"


@dataclass(frozen=True, eq=False)
class Case:
    """A loss at a point, the gradient there (None where there is none), and the verdict.

    The gradient is the Hermitian one for Hermitian matrices, df = Re Σ conj(G) dA. ``slope`` is
    that from the right along a direction, where there is nothing else.
    """

    framework: str
    name: str
    loss: Callable[[Any], Any]
    point: hard.Hard
    verdict: str
    right: np.ndarray | None = None
    slope: Callable[[np.ndarray], float] | None = None
    options: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.framework}: {self.name}"


class Lazy:
    """A module that is imported when it is used."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        return getattr(importlib.import_module(self._name), name)


anp, agrad = Lazy("autograd.numpy"), Lazy("autograd")
jax, jnp, lax = Lazy("jax"), Lazy("jax.numpy"), Lazy("jax.lax")
tf, torch = Lazy("tensorflow"), Lazy("torch")


def hermitian(*values, dtype=float, seed=0):
    """Turned at random; the values ascend."""
    rng = np.random.default_rng(seed)
    return hard.hermitian("", len(values), dtype, rng, spectrum=values)


def general(m, n, *values, dtype=float, seed=0):
    """Turned at random; the values descend."""
    return hard.general("", m, n, dtype, np.random.default_rng(seed), spectrum=values)


def exactly(matrix):
    """A matrix whose ties are exact, and that has no factors here."""
    return hard.Hard(np.array(matrix, dtype=float), *[np.empty(0)] * 3)


def weights(n, dtype=float):
    """B of a loss ⟨B, X⟩: Hermitian, and the same in each call."""
    b = np.random.default_rng(n).standard_normal((n, n))
    b = b + 1j * np.random.default_rng(n + 1).standard_normal((n, n)) if dtype is complex else b
    return b + b.conj().T


# Gradients in closed form.


def of_values(point, bars):
    """Of Σ wᵢ λᵢ, or of Σ wᵢ σᵢ."""
    return (point.left * np.asarray(bars)) @ point.right.conj().T


def of_function(point, f, df, b):
    """Of ⟨B, f(A)⟩, from the values of f and f′: by divided differences (Daleckii, Kreĭn)."""
    q, x = point.left, point.values
    gaps = x[:, None] - x
    f, df = (np.asarray(y, float) for y in (f, df))
    tied = np.abs(gaps) < 1e-12 * np.abs(x).max()
    table = np.where(tied, (df[:, None] + df) / 2, (f[:, None] - f) / np.where(tied, 1, gaps))
    return q @ ((q.conj().T @ b @ q) * table) @ q.conj().T


def of_vector(point, k, b):
    """Of vᴴBv for the k-th eigenvector."""
    chosen = np.eye(len(point.values))[k]
    return of_function(point, chosen, 0 * chosen, b)


def of_polar(point, b):
    """Of ⟨B, UVᵀ⟩, A real and square."""
    u, v, s = point.left, point.right, point.values
    inner = u.T @ b @ v
    return u @ ((inner - inner.T) / (s[:, None] + s)) @ v.T


REGULAR = hermitian(-1.3, 0.2, 0.9, 1.7, 3.1)
POSITIVE = hermitian(0.3, 0.8, 1.1, 2.4, 3.0, seed=1)
COMPLEX = hermitian(-1.3, 0.2, 0.9, 1.7, dtype=complex, seed=2)
TIED = hermitian(0.5, 1.0, 1.0, 2.0, 3.0, seed=3)
NEAR = hermitian(0.5, 1.0, 1.0 + 1e-8, 2.0, seed=4)
CLOSE = hermitian(0.5, 1.0, 1.0 + 1e-4, 2.0, seed=4)
GRADED = hermitian(1e-4, 1e-3, 1e-2, 0.1, 1.0, seed=5)
LARGE = hermitian(3e5, 8e5, 1.1e6, 2.4e6, seed=6)
SMALL = hermitian(3e-7, 8e-7, 1.1e-6, 2.4e-6, seed=7)
SINGLE = hermitian(0.3, 0.8, 1.1, 2.4, dtype=np.float32, seed=8)
TIED_SINGLE = hermitian(0.5, 1.0, 2.0, 2.0, dtype=np.float32, seed=21)
DOZEN = hermitian(*(0.3 * np.arange(1, 13) ** 1.2), seed=9)
ONE = hermitian(1.7)
EQUAL = exactly(2 * np.eye(3))
TRIPLE = hermitian(1.0, 1.0, 1.0, 3.0, seed=10)
INTEGERS = exactly(6 * np.eye(3) - np.ones((3, 3)))
ZERO_ONE_TWO = exactly(np.diag([0.0, 1.0, 2.0]))
PENTAGON = exactly(np.roll(np.eye(5), 1, 0) + np.roll(np.eye(5), -1, 0))
SINGULAR = hermitian(0.0, 1.0, 2.0, 3.0, seed=11)
SQUARE = general(4, 4, 3.0, 1.8, 1.1, 0.4)
TALL = general(6, 4, 3.0, 1.8, 1.1, 0.4, dtype=complex, seed=12)
WIDE = general(3, 5, 3.0, 1.8, 0.4, seed=13)
DEFICIENT = general(5, 3, 3.0, 1.1, 0.0, seed=14)
TIED_SQUARE = general(4, 4, 3.0, 1.8, 1.8, 0.4, seed=15)
WIDE_SINGLE = general(3, 5, 3.0, 1.8, 0.4, dtype=np.float32, seed=16)


def largest(matrix):
    """Slope of the largest eigenvalue where it is tied: that of the block of the tie."""
    w, v = np.linalg.eigh(matrix)
    block = v[:, w > w[-1] - 1e-6]
    return lambda d: np.linalg.eigvalsh(block.T @ d @ block)[-1]


def nuclear(point):
    """Slope of Σσ where some σ are zero."""
    u, _, vh = np.linalg.svd(point.matrix)
    r = np.count_nonzero(point.values)
    outside = u[:, r:], vh[r:].T
    along = of_values(point, point.values > 0)
    return lambda d: np.vdot(along, d) + np.linalg.norm(outside[0].T @ d @ outside[1], "nuc")


def entropy(point):
    """Slope of Σ λ log λ where a λ is zero: there is none that is finite."""
    return lambda d: -np.inf


# Losses in PyTorch.


def t_quadratic(k, n, dtype=float):
    return lambda a: (
        ((v := torch.linalg.eigh(a)[1][:, k]).conj() @ torch.tensor(weights(n, dtype)) @ v).real
    )


def t_root(a):
    w, v = torch.linalg.eigh(a)
    return (torch.tensor(weights(len(a))) * ((v * w.sqrt()) @ v.mT)).sum()


def t_masked(a):
    """Eigenvectors with a division that was made safe."""

    class Eigh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            w, v = torch.linalg.eigh(a)
            ctx.save_for_backward(w, v)
            return w, v

        @staticmethod
        def backward(ctx, w_bar, v_bar):
            w, v = ctx.saved_tensors
            gaps = w - w[:, None]
            inverse = torch.where(gaps.abs() > 1e-3, 1 / gaps, 0.0)
            return v @ (torch.diag(w_bar) + inverse * (v.mT @ v_bar)) @ v.mT

    w, v = Eigh.apply(a)
    return (torch.tensor(weights(len(a))) * ((v * w.sqrt()) @ v.mT)).sum()


def t_conjugated(a):
    """|Σ Cᵢⱼ Aᵢⱼ|² with a rule that forgets a conjugate."""

    class Rule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.c = torch.tensor(weights(max(a.shape), complex)[: a.shape[0], : a.shape[1]])
            ctx.save_for_backward(a)
            return (ctx.c * a).sum().abs() ** 2

        @staticmethod
        def backward(ctx, bar):
            (a,) = ctx.saved_tensors
            return bar * 2 * ctx.c * (ctx.c * a).sum()

    return Rule.apply(a)


def t_zeroed(a):
    """What is not a number in the gradient becomes 0."""
    a = a * 1
    if a.requires_grad:
        a.register_hook(lambda g: torch.nan_to_num(g, 0.0, 0.0, 0.0))
    return t_root(a)


def t_fixed_sign(a):
    v = torch.linalg.eigh(a)[1][:, 0]
    return (v * torch.sign(v[0])).sum()


def t_softmax(a):
    w = torch.linalg.eigvalsh(a)
    return (torch.softmax(w, 0).detach() * w).sum()


def t_qr(a):
    return torch.linalg.qr(a)[1].diagonal().abs().log().sum()


def t_polar(a):
    u, _, vh = torch.linalg.svd(a, full_matrices=False)
    return (torch.tensor(weights(len(a)) + np.triu(weights(len(a)))) * (u @ vh)).sum()


def fixed_sign(point):
    """Of the sum of the first eigenvector, its first entry made positive."""
    q, x = point.left, point.values
    ones = np.ones(len(x)) * np.sign(q[0, 0])
    rest = (q[:, 1:] / (x[0] - x[1:])) @ q[:, 1:].T @ ones
    g = np.outer(rest, q[:, 0])
    return (g + g.T) / 2


def of_softmax(point):
    p = np.exp(point.values) / np.exp(point.values).sum()
    return of_values(point, p * (1 + point.values - p @ point.values))


def lower(matrix):
    """What `eigvalsh` reads of a matrix: the gradient of its smallest value along any change."""
    g = np.outer(*[np.linalg.eigh(np.tril(matrix) + np.tril(matrix, -1).T)[1][:, 0]] * 2)
    return np.tril(2 * g) - np.diag(np.diag(g))


COUNTER = itertools.count()
OBLIQUE = general(4, 4, 3.0, 1.8, 1.1, 0.4, seed=17)
C = weights(6, complex)[:, :4]
P4 = weights(4) + np.triu(weights(4))

TORCH = [
    Case(
        "torch",
        "smallest eigenvalue",
        lambda a: torch.linalg.eigvalsh(a)[0],
        REGULAR,
        AGREES,
        of_values(REGULAR, [1, 0, 0, 0, 0]),
    ),
    Case(
        "torch",
        "quadratic form of a vector",
        t_quadratic(1, 4, complex),
        COMPLEX,
        AGREES,
        of_vector(COMPLEX, 1, weights(4, complex)),
    ),
    Case(
        "torch",
        "quadratic form of a nearly tied vector",
        t_quadratic(2, 4),
        NEAR,
        AGREES,
        of_vector(NEAR, 2, weights(4)),
    ),
    Case(
        "torch",
        "nuclear norm",
        lambda a: torch.linalg.svdvals(a).sum(),
        TALL,
        AGREES,
        of_values(TALL, np.ones(4)),
    ),
    Case(
        "torch",
        "log det by Cholesky",
        lambda a: 2 * torch.linalg.cholesky(a).diagonal().log().sum(),
        LARGE,
        AGREES,
        of_values(LARGE, 1 / LARGE.values),
    ),
    Case("torch", "log det by QR", t_qr, SQUARE, AGREES, of_values(SQUARE, 1 / SQUARE.values)),
    Case(
        "torch",
        "spectral norm",
        lambda a: torch.linalg.matrix_norm(a, 2),
        WIDE_SINGLE,
        AGREES,
        of_values(WIDE_SINGLE, [1, 0, 0]),
    ),
    Case(
        "torch",
        "sum of a vector with its sign fixed",
        t_fixed_sign,
        REGULAR,
        AGREES,
        fixed_sign(REGULAR),
    ),
    Case("torch", "polar factor", t_polar, SQUARE, AGREES, of_polar(SQUARE, P4)),
    Case(
        "torch",
        "square root of 1 × 1",
        t_root,
        ONE,
        AGREES,
        of_function(ONE, ONE.values**0.5, ONE.values**-0.5 / 2, weights(1)),
    ),
    Case("torch", "square root at twice the identity", t_root, EQUAL, NAN, weights(3) / np.sqrt(8)),
    Case("torch", "the same, with NaN made 0", t_zeroed, EQUAL, WRONG, weights(3) / np.sqrt(8)),
    Case(
        "torch",
        "square root, division made safe",
        t_masked,
        CLOSE,
        WRONG,
        of_function(CLOSE, CLOSE.values**0.5, CLOSE.values**-0.5 / 2, weights(4)),
    ),
    Case("torch", "softmax detached", t_softmax, REGULAR, WRONG, of_softmax(REGULAR)),
    Case(
        "torch",
        "a rule without its conjugate",
        t_conjugated,
        TALL,
        WRONG,
        2 * np.conj(C) * np.sum(C * TALL.matrix),
    ),
    Case(
        "torch",
        "smallest eigenvalue of one triangle",
        lambda a: torch.linalg.eigvalsh(a)[0],
        OBLIQUE,
        WRONG,
        lower(OBLIQUE.matrix),
        options={"symmetric": False},
    ),
    Case(
        "torch",
        "largest eigenvalue of 6I − 11ᵀ",
        lambda a: torch.linalg.eigvalsh(a)[-1],
        INTEGERS,
        NONE,
        slope=largest(INTEGERS.matrix),
    ),
    Case(
        "torch",
        "largest eigenvalue of a tie, single",
        lambda a: torch.linalg.eigvalsh(a)[-1],
        TIED_SINGLE,
        NONE,
        slope=largest(TIED_SINGLE.matrix.astype(float)),
    ),
    Case(
        "torch",
        "nuclear norm without full rank",
        lambda a: torch.linalg.svdvals(a).sum(),
        DEFICIENT,
        NONE,
        slope=nuclear(DEFICIENT),
    ),
    Case("torch", "middle one of three equal", lambda a: torch.linalg.eigvalsh(a)[1], TRIPLE, NONE),
    Case(
        "torch",
        "an absolute value at 0",
        lambda a: a[0, 1].abs() + a.trace(),
        exactly(np.eye(3)),
        NONE,
        slope=lambda d: abs(d[0, 1]) + np.trace(d),
    ),
    Case(
        "torch",
        "entropy at a zero",
        lambda a: torch.special.entr(torch.linalg.eigvalsh(a).clamp(min=0)).sum(),
        exactly(np.diag([0.0, 1, 2])),
        NONE,
    ),
    Case("torch", "an entry of a vector", lambda a: torch.linalg.eigh(a)[1][0, 0], REGULAR, CHANCE),
    Case("torch", "a vector of a tie", t_quadratic(1, 5), TIED, CHANCE),
    Case(
        "torch",
        "phases of eig",
        lambda a: (v := torch.linalg.eig(a)[1])[0, 0].real + v[1, 0].real,
        OBLIQUE,
        CHANCE,
    ),
    Case("torch", "noise", lambda a: a.sum() + 1e-6 * torch.rand(()), SQUARE, CHANCE),
    Case("torch", "a counter", lambda a: a.trace() * (1 + 1e-9 * next(COUNTER)), SQUARE, CHANCE),
]

# In TensorFlow.


def f_quadratic(k, n, dtype=float):
    def loss(a):
        v = tf.linalg.eigh(a)[1][:, k : k + 1]
        return tf.math.real(
            tf.linalg.trace(tf.linalg.adjoint(v) @ tf.constant(weights(n, dtype)) @ v)
        )

    return loss


def f_root(a):
    w, v = tf.linalg.eigh(a)
    root = (v * tf.sqrt(w)) @ tf.transpose(v)
    return tf.reduce_sum(tf.constant(weights(len(a)), a.dtype) * root)


def f_stopped(a):
    """The vectors are held to be constant."""
    w, v = tf.linalg.eigh(a)
    v = tf.stop_gradient(v)
    return tf.reduce_sum(weights(len(a)) * ((v * tf.sqrt(w)) @ tf.transpose(v)))


def f_halved(a):
    @tf.custom_gradient
    def loss(a):
        return tf.reduce_sum(a * a), lambda bar: bar * a

    return loss(a)


def f_nuclear(a):
    return tf.reduce_sum(tf.linalg.svd(a, compute_uv=False))


def f_logdet(a):
    return tf.linalg.logdet(a)


def tf_function(function):
    """Compiled where it is called first."""
    return functools.partial(call, "tensorflow", function)


def jitted(function):
    """Compiled where it is called first."""
    return functools.partial(call, "jax", function)


def call(framework, function, a):
    return compiled(framework, function)(a)


@functools.cache
def compiled(framework, function):
    return tf.function(function) if framework == "tensorflow" else jax.jit(function)


TINY = hermitian(3e-10, 8e-10, 1.1e-9, 2.4e-9, seed=18)
NEARER = hermitian(0.5, 1.0, 1.0 + 1e-9, 2.0, seed=19)
TOP = general(4, 4, 2.0, 2.0, 1.1, 0.5, seed=20)


def root(point, b=None):
    """Gradient of ⟨B, √A⟩."""
    x = np.asarray(point.values)
    return of_function(point, x**0.5, x**-0.5 / 2, weights(len(x)) if b is None else b)


def spectral(point):
    """Slope of the largest singular value where it is tied."""
    top = point.values > point.values[0] - 1e-6
    u, v = point.left[:, top], point.right[:, top]
    return lambda d: np.linalg.eigvalsh((u.T @ d @ v + v.T @ d.T @ u) / 2)[-1]


TENSORFLOW = [
    Case(
        "tensorflow",
        "smallest eigenvalue",
        lambda a: tf.linalg.eigvalsh(a)[0],
        REGULAR,
        AGREES,
        of_values(REGULAR, [1, 0, 0, 0, 0]),
    ),
    Case(
        "tensorflow",
        "quadratic form of a vector",
        f_quadratic(1, 4, complex),
        COMPLEX,
        AGREES,
        of_vector(COMPLEX, 1, weights(4, complex)),
    ),
    Case("tensorflow", "nuclear norm", f_nuclear, SQUARE, AGREES, of_values(SQUARE, np.ones(4))),
    Case("tensorflow", "log det", f_logdet, DOZEN, AGREES, of_values(DOZEN, 1 / DOZEN.values)),
    Case(
        "tensorflow", "square root, compiled", tf_function(f_root), POSITIVE, AGREES, root(POSITIVE)
    ),
    Case("tensorflow", "square root, graded", f_root, GRADED, AGREES, root(GRADED)),
    Case(
        "tensorflow",
        "trace of sqrtm at a tie",
        lambda a: tf.reduce_sum(weights(5) * tf.linalg.sqrtm(a)),
        TIED,
        AGREES,
        root(TIED),
    ),
    Case("tensorflow", "square root, single", f_root, SINGLE, AGREES, root(SINGLE)),
    Case(
        "tensorflow",
        "quadratic form at 1e-9",
        f_quadratic(1, 4),
        TINY,
        WRONG,
        of_vector(TINY, 1, weights(4)),
    ),
    Case(
        "tensorflow",
        "quadratic form of a vector, gap 1e-9",
        f_quadratic(1, 4),
        NEARER,
        WRONG,
        of_vector(NEARER, 1, weights(4)),
    ),
    Case("tensorflow", "square root at a tie", f_root, TIED, WRONG, root(TIED)),
    Case("tensorflow", "vectors stopped", f_stopped, POSITIVE, WRONG, root(POSITIVE)),
    Case("tensorflow", "a rule without its 2", f_halved, WIDE, WRONG, 2 * WIDE.matrix),
    Case(
        "tensorflow",
        "spectral norm at a tie",
        lambda a: tf.linalg.svd(a, compute_uv=False)[0],
        TOP,
        NONE,
        slope=spectral(TOP),
    ),
    Case(
        "tensorflow",
        "largest eigenvalue of a tie",
        lambda a: tf.linalg.eigvalsh(a)[-1],
        INTEGERS,
        NONE,
        slope=largest(INTEGERS.matrix),
    ),
    Case(
        "tensorflow",
        "sum of moduli",
        lambda a: tf.reduce_sum(tf.abs(a)),
        PENTAGON,
        NONE,
        slope=lambda d: np.sum(np.where(PENTAGON.matrix == 0, np.abs(d), d)),
    ),
    Case(
        "tensorflow", "an entry of a vector", lambda a: tf.linalg.eigh(a)[1][0, 0], REGULAR, CHANCE
    ),
    Case("tensorflow", "an entry of Q", lambda a: tf.linalg.qr(a)[0][0, 0], SQUARE, CHANCE),
    Case(
        "tensorflow",
        "phases of U",
        lambda a: tf.math.real(tf.reduce_sum(tf.linalg.svd(a)[1])),
        TALL,
        CHANCE,
    ),
    Case("tensorflow", "dropout", lambda a: tf.reduce_sum(tf.nn.dropout(a, 0.5)), SQUARE, CHANCE),
]


# In JAX.


def j_quadratic(k, n, dtype=float):
    def loss(a):
        v = jnp.linalg.eigh(a)[1][:, k]
        return jnp.real(v.conj() @ weights(n, dtype) @ v)

    return loss


def j_root(a):
    w, v = jnp.linalg.eigh(a)
    return jnp.sum(jnp.asarray(weights(len(a)), a.dtype) * ((v * jnp.sqrt(w)) @ v.T))


def j_masked(a):
    """Eigenvectors with a division that was made safe."""

    @jax.custom_vjp
    def eigh(a):
        return tuple(jnp.linalg.eigh(a))

    def forward(a):
        found = eigh(a)
        return found, found

    def backward(factors, bars):
        (w, v), (w_bar, v_bar) = factors, bars
        gaps = w - w[:, None]
        inverse = jnp.where(jnp.abs(gaps) > 1e-3, 1 / gaps, 0.0)
        return (v @ (jnp.diag(w_bar) + inverse * (v.T @ v_bar)) @ v.T,)

    eigh.defvjp(forward, backward)
    w, v = eigh(a)
    return jnp.sum(weights(len(a)) * ((v * jnp.sqrt(w)) @ v.T))


def j_conjugated(a):
    """|Σ Cᵢⱼ Aᵢⱼ|² with a rule that forgets a conjugate."""

    @jax.custom_vjp
    def loss(a):
        return jnp.abs(jnp.sum(C * a)) ** 2

    loss.defvjp(lambda a: (loss(a), a), lambda a, bar: (bar * 2 * C * jnp.sum(C * a),))
    return loss(a)


def j_doubled(a):
    """Smallest eigenvalue with doubled entries on both sides of the diagonal."""

    @jax.custom_vjp
    def loss(a):
        return jnp.linalg.eigvalsh(a)[0]

    def backward(v, bar):
        g = jnp.outer(v, v)
        return (bar * (2 * g - jnp.diag(jnp.diag(g))),)

    loss.defvjp(lambda a: (loss(a), jnp.linalg.eigh(a)[1][:, 0]), backward)
    return loss(a)


def j_stopped(a):
    """The vectors are held to be constant."""
    w, v = jnp.linalg.eigh(a)
    v = lax.stop_gradient(v)
    return jnp.sum(weights(len(a)) * ((v * jnp.exp(w)) @ v.T))


def j_fourth(a):
    return jnp.sum(jnp.linalg.eigh(a)[1][:, -1] ** 4)


def j_exp(a):
    w, v = jnp.linalg.eigh(a)
    return jnp.sum(weights(len(a)) * ((v * jnp.exp(w)) @ v.T))


def exp(point):
    """Gradient of ⟨B, exp A⟩."""
    x = np.asarray(point.values)
    return of_function(point, np.exp(x), np.exp(x), weights(len(x)))


def of_both_triangles(matrix):
    """The gradient of the smallest eigenvalue of the Hermitian part."""
    return np.outer(*[np.linalg.eigh((matrix + matrix.T) / 2)[1][:, 0]] * 2)


JAX = [
    Case(
        "jax",
        "smallest eigenvalue",
        lambda a: jnp.linalg.eigvalsh(a)[0],
        COMPLEX,
        AGREES,
        of_values(COMPLEX, [1, 0, 0, 0]),
    ),
    Case(
        "jax",
        "smallest eigenvalue of both triangles",
        lambda a: jnp.linalg.eigvalsh(a)[0],
        OBLIQUE,
        AGREES,
        of_both_triangles(OBLIQUE.matrix),
        options={"symmetric": False},
    ),
    Case("jax", "square root, compiled", jitted(j_root), POSITIVE, AGREES, root(POSITIVE)),
    Case("jax", "exponential beside a near-tie", j_exp, NEAR, AGREES, exp(NEAR)),
    Case(
        "jax",
        "log det",
        lambda a: jnp.linalg.slogdet(a)[1],
        DOZEN,
        AGREES,
        of_values(DOZEN, 1 / DOZEN.values),
    ),
    Case(
        "jax",
        "nuclear norm",
        lambda a: jnp.sum(jnp.linalg.svd(a, compute_uv=False)),
        WIDE,
        AGREES,
        of_values(WIDE, np.ones(3)),
    ),
    Case(
        "jax",
        "quadratic form of a small vector",
        j_quadratic(1, 4),
        SMALL,
        AGREES,
        of_vector(SMALL, 1, weights(4)),
    ),
    Case("jax", "square root, single", j_root, SINGLE, AGREES, root(SINGLE)),
    Case("jax", "square root of 1 × 1", j_root, ONE, AGREES, root(ONE)),
    Case("jax", "square root at twice the identity", j_root, EQUAL, NAN, weights(3) / np.sqrt(8)),
    Case("jax", "square root, division made safe", j_masked, CLOSE, WRONG, root(CLOSE)),
    Case(
        "jax",
        "a rule without its conjugate",
        j_conjugated,
        TALL,
        WRONG,
        2 * np.conj(C) * np.sum(C * TALL.matrix),
    ),
    Case(
        "jax",
        "doubled off the diagonal",
        j_doubled,
        REGULAR,
        WRONG,
        of_values(REGULAR, [1, 0, 0, 0, 0]),
    ),
    Case("jax", "vectors stopped", j_stopped, REGULAR, WRONG, exp(REGULAR)),
    Case(
        "jax",
        "smallest eigenvalue of a pentagon",
        lambda a: jnp.linalg.eigvalsh(a)[0],
        PENTAGON,
        NONE,
        slope=lambda d: -largest(-PENTAGON.matrix)(-d),
    ),
    Case(
        "jax",
        "nuclear norm without full rank",
        lambda a: jnp.sum(jnp.linalg.svd(a, compute_uv=False)),
        DEFICIENT,
        NONE,
        slope=nuclear(DEFICIENT),
    ),
    Case(
        "jax",
        "square root of a zero",
        lambda a: jnp.sqrt(jnp.linalg.svd(a, compute_uv=False)[-1]),
        DEFICIENT,
        NONE,
    ),
    Case("jax", "an entry of U", lambda a: jnp.linalg.svd(a)[0][0, 0], WIDE, CHANCE),
    Case("jax", "a vector of a tie, single", j_fourth, TIED_SINGLE, CHANCE),
    Case("jax", "a phase", lambda a: jnp.linalg.eigh(a)[1][-1, 0].real, COMPLEX, CHANCE),
    Case("jax", "chance", lambda a: jnp.sum(a) * np.random.default_rng().random(), WIDE, CHANCE),
]


# In autograd.


def a_quadratic(k, n, dtype=float):
    def loss(a):
        v = anp.linalg.eigh(a)[1][:, k]
        return anp.real(anp.dot(anp.conj(v), anp.dot(weights(n, dtype), v)))

    return loss


def a_root(a):
    w, v = anp.linalg.eigh(a)
    return anp.sum(weights(len(w)) * anp.dot(v * anp.sqrt(w), v.T))


def a_detached(a):
    """The vectors are held to be constant."""
    w, v = anp.linalg.eigh(a)
    v = Lazy("autograd.tracer").getval(v)
    return anp.sum(weights(len(w)) * anp.dot(v * anp.sqrt(w), v.T))


def a_rule(value, gradient):
    """A value with a rule of one's own."""

    def loss(a):
        primitive = Lazy("autograd.extend").primitive(value)
        Lazy("autograd.extend").defvjp(primitive, lambda _, a: lambda bar: bar * gradient(a))
        return primitive(a)

    return loss


def a_polar(a):
    u, _, vh = anp.linalg.svd(a, full_matrices=False)
    return anp.sum(np.arange(15.0).reshape(5, 3) * anp.dot(u, vh))


ZERO = exactly(np.zeros((3, 3)))
CROSSED = weights(4) + np.triu(weights(4))
INVERSE = np.linalg.inv(SQUARE.matrix)
B5 = weights(5)[0]

AUTOGRAD = [
    Case(
        "autograd",
        "smallest eigenvalue",
        lambda a: anp.linalg.eigh(a)[0][0],
        COMPLEX,
        AGREES,
        of_values(COMPLEX, [1, 0, 0, 0]),
    ),
    Case(
        "autograd",
        "nuclear norm",
        lambda a: anp.sum(anp.linalg.svd(a, compute_uv=False)),
        TALL,
        AGREES,
        of_values(TALL, np.ones(4)),
    ),
    Case("autograd", "square root", a_root, POSITIVE, AGREES, root(POSITIVE)),
    Case(
        "autograd",
        "log det, graded",
        lambda a: anp.linalg.slogdet(a)[1],
        GRADED,
        AGREES,
        of_values(GRADED, 1 / GRADED.values),
    ),
    Case(
        "autograd",
        "inverse by pinv",
        lambda a: anp.sum(CROSSED * anp.linalg.pinv(a)),
        SQUARE,
        AGREES,
        -INVERSE.T @ CROSSED @ INVERSE.T,
    ),
    Case(
        "autograd",
        "a system of equations",
        lambda a: anp.dot(B5, anp.linalg.solve(a, B5)),
        POSITIVE,
        AGREES,
        -np.outer(*[np.linalg.solve(POSITIVE.matrix, B5)] * 2),
    ),
    Case(
        "autograd",
        "quadratic form of a nearly tied vector",
        a_quadratic(2, 4),
        NEAR,
        AGREES,
        of_vector(NEAR, 2, weights(4)),
    ),
    Case(
        "autograd",
        "largest eigenvalue at 1e6",
        lambda a: anp.linalg.eigh(a)[0][-1],
        LARGE,
        AGREES,
        of_values(LARGE, [0, 0, 0, 1]),
    ),
    Case("autograd", "square root, single", a_root, SINGLE, AGREES, root(SINGLE)),
    Case(
        "autograd", "square root at twice the identity", a_root, EQUAL, NAN, weights(3) / np.sqrt(8)
    ),
    Case("autograd", "vectors detached", a_detached, POSITIVE, WRONG, root(POSITIVE)),
    Case(
        "autograd",
        "a rule without its conjugate",
        a_rule(lambda a: np.abs(np.sum(C * a)) ** 2, lambda a: 2 * C * np.sum(C * a)),
        TALL,
        WRONG,
        2 * np.conj(C) * np.sum(C * TALL.matrix),
    ),
    Case(
        "autograd",
        "a rule with the wrong sign",
        a_rule(lambda a: np.trace(a @ a @ a), lambda a: -3 * a.T @ a.T),
        SQUARE,
        WRONG,
        3 * SQUARE.matrix.T @ SQUARE.matrix.T,
    ),
    Case(
        "autograd",
        "largest eigenvalue of 6I − 11ᵀ",
        lambda a: anp.linalg.eigh(a)[0][-1],
        INTEGERS,
        NONE,
        slope=largest(INTEGERS.matrix),
    ),
    Case("autograd", "middle one of three equal", lambda a: anp.linalg.eigh(a)[0][1], TRIPLE, NONE),
    Case(
        "autograd",
        "nuclear norm without full rank",
        lambda a: anp.sum(anp.linalg.svd(a, compute_uv=False)),
        DEFICIENT,
        NONE,
        slope=nuclear(DEFICIENT),
    ),
    Case(
        "autograd",
        "norm of nothing",
        lambda a: anp.sqrt(anp.sum(a**2)),
        ZERO,
        NONE,
        slope=np.linalg.norm,
    ),
    Case(
        "autograd", "an entry of a vector", lambda a: anp.linalg.eigh(a)[1][0, 0], REGULAR, CHANCE
    ),
    Case("autograd", "polar factor without full rank", a_polar, DEFICIENT, CHANCE),
    Case(
        "autograd",
        "chance",
        lambda a: anp.sum(a) * np.random.default_rng().random(),
        SQUARE,
        CHANCE,
    ),
]

CASES = [*AUTOGRAD, *TORCH, *TENSORFLOW, *JAX]
