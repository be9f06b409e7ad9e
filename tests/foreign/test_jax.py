"""JAX's constructions: shapes and matrices of its tests of eigh, svd, pinv, norms and roots.

After tests/eigh_test.py, svd_test.py and linalg_test.py of JAX 0.11.1. All are tried with the
recipes for PyTorch, and some of each kind with those for JAX, which take a second each to compile.
What is of matrices that are not Hermitian, as eig, is left out. The truth is from differences in 50
digits, from the factors of a construction, or from equations.
"""

import itertools
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.linalg
import torch
from foreign.tally import MP, Case, Suite, eigh, error, in_digits, random, slopes, svd
from recipes.modes import call, derivative, recipes

REAL_OR_COMPLEX = (False, True)


class Problem(NamedTuple):
    """The gradient of Re⟨C, F⟩ at a matrix or a stack, and the value of F where that is known.

    ``of`` makes F of the name of a framework; ``right`` is the gradient, or in digits the function
    of a matrix of which it is that.
    """

    name: str
    of: Any
    matrix: np.ndarray
    cotangent: np.ndarray
    right: Any
    value: Any = None
    condition: float = 1.0

    def case(self, framework):
        given = self.matrix, self.matrix, self.matrix, self.cotangent
        function, modes = self.of(framework), ("value", "reverse")
        value, g = (derivative(framework, x, function, *given, together=modes) for x in modes)
        pairs = [] if self.value is None else [(value, self.value)]
        if not callable(self.right):
            pairs.append((g, self.right))
        else:
            along = {"hermitian": "Hermitian" in self.name, "number": 1 if g.size > 200 else 2}
            for i in np.ndindex(g.shape[:-2]):
                rng = np.random.default_rng(1)
                pairs.append(slopes(self.right, [g[i]], self.matrix[i], rng, **along))
        return Case(self.name, max(error(*x) for x in pairs), condition=self.condition)


def hermitian(a):
    return (a + np.conj(a.swapaxes(-1, -2))) / 2


def named(name, shape, is_complex=False):
    return f"{name} {' × '.join(map(str, shape))}{', complex' * is_complex}"


def recipe(name, **options):
    return lambda framework: call(framework, name, **options)


def invariant(kind, loss):
    """A function of a matrix, of a loss(inner, values, *bases)."""

    def of(framework):
        made = recipes(framework)
        inner = lambda c, x: (made.xp.array(c).conj() * x).real.sum()  # noqa: E731
        if kind == "svd":
            return made.invariant_svd(lambda u, s, vh: loss(inner, s, u, vh.conj().T))
        return made.invariant_eigh(partial(loss, inner))

    return of


def vectors(kind, shapes):
    """Of values and of vectors, the first ones with a positive first entry."""
    rng = np.random.default_rng(1)
    for shape, is_complex in itertools.product(shapes, REAL_OR_COMPLEX):
        a, (*stack, m, n) = 3 * random(rng, *shape, is_complex=is_complex), shape
        sizes = (m, n)[: 1 + (kind == "svd")]
        c = [random(rng, size, min(m, n), is_complex=is_complex) for size in sizes]

        def loss(inner, values, *bases, c=c):
            phase = bases[0][:1] / abs(bases[0][:1])
            turned = (base / phase for base in bases)
            return inner(c[0][0].real, values) + sum(map(inner, c, turned))

        def right(a, loss=loss):
            if kind == "eigh":
                return loss(in_digits, *eigh(a))
            u, s, vh = svd(a)
            return loss(in_digits, s, u, vh.conj().T)

        name = named("Hermitian eigh" if kind == "eigh" else kind, shape, is_complex)
        a = hermitian(a) if kind == "eigh" else a
        yield Problem(name, invariant(kind, loss), a, np.ones(stack), right)


def products():
    """U Σ Vᴴ is the matrix, and the gradient the cotangent."""
    rng = np.random.default_rng(2)
    shapes = (*itertools.product((0, 2, 7, 29, 32, 53), repeat=2), (3, 2, 7), (2, 3, 7, 2))
    for shape, is_complex in itertools.product(shapes, REAL_OR_COMPLEX):
        a, c = (3 * random(rng, *x, is_complex=is_complex) for x in (shape, shape[-2:]))
        of = invariant("svd", lambda inner, s, u, v, c=c: inner(c, (u * s) @ v.conj().T))
        right = np.broadcast_to(c, shape)
        yield Problem(named("U Σ Vᴴ", shape, is_complex), of, a, np.ones(shape[:-2]), right)


def pseudo_inverses():
    """Also economical ones, whose larger square would not fit into memory; and of no entries."""
    rng = np.random.default_rng(3)
    shapes = ((1, 1), (4, 4), (3, 10, 10), (2, 70, 7), (2000, 7), (7, 1000), (70, 7, 2), (2, 0, 0))
    shapes += ((3, 0, 2), (1, 0), (400000, 2), (2, 400000))
    for shape, is_complex in itertools.product(shapes, REAL_OR_COMPLEX):
        a, (*stack, m, n) = 3 * random(rng, *shape, is_complex=is_complex), shape
        c = random(rng, *stack, n, m, is_complex=is_complex)
        for said in ("", ", Hermitian")[: 1 + (m == n)]:
            x = hermitian(a) if said else a
            worst = np.max(np.linalg.cond(x), initial=1.0) if m and n else 1.0
            name, right = named("pinv", shape, is_complex) + said, by_equations(x, c)
            yield Problem(name, recipe("pinv"), x, c, right, condition=worst)
    # Issue 2792: along a curve of matrices of rank one, and at the identity.
    c, (one, other) = rng.standard_normal((2, 2)), np.eye(4).reshape(4, 2, 2)[[3, 2]]

    def curve(framework):
        array = recipes(framework).xp.array
        return lambda p: call(framework, "pinv")((array(one) - p * array(other)) / (1 + p**2))

    yield Problem("pinv on a curve of rank 1", curve, np.array(2.0), c, -c[0, 1])
    yield Problem("pinv of the identity", recipe("pinv"), np.eye(2), c, -c)


def by_equations(a, c):
    """The gradient of Re⟨C, A⁺⟩ for A of full rank, from (AᴴA)⁻¹ Aᴴ or Aᴴ (AAᴴ)⁻¹."""
    x, (m, n) = torch.tensor(a, requires_grad=True), a.shape[-2:]
    tall = x if m >= n else x.mH
    p = torch.linalg.inv(x) if m == n else torch.linalg.solve(tall.mH @ tall, tall.mH)
    total = (torch.tensor(c).conj() * (p if m >= n else p.mH)).real.sum()
    return torch.autograd.grad(total, x)[0].resolve_conj().numpy()


def norms():
    rng = np.random.default_rng(4)
    last = invariant("svd", lambda inner, s, u, v: s[-1])
    orders = {
        "nuc": (recipe("nuclear_norm"), slice(None)),
        "2": (recipe("spectral_norm"), slice(1)),
    }
    orders["-2"] = last, slice(-1, None)
    shapes = ((2, 3), (4, 2, 3), (2, 3, 4, 5), (5, 8), (4, 3, 5), (8, 9, 7))
    for shape, is_complex, order in itertools.product(shapes, REAL_OR_COMPLEX, orders):
        a, (of, kept) = 3 * random(rng, *shape, is_complex=is_complex), orders[order]
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        value, right = s[..., kept].sum(-1), u[..., kept] @ vh[..., kept, :]
        name = named(f"norm {order}", shape, is_complex)
        yield Problem(name, of, a, np.ones(shape[:-2]), right, value)
    for shape, order in itertools.product(((0, 2), (2, 0), (0, 0)), ("nuc", "2")):
        a, of = np.zeros(shape), orders[order][0]
        yield Problem(named(f"norm {order}", shape), of, a, np.ones(()), a, 0.0)


def roots_and_polar_factors():
    rng = np.random.default_rng(5)
    for m, n in ((4, 4), (5, 3), (3, 5)):
        a, c = 3 * rng.standard_normal((3, m, n)), rng.standard_normal((m, n))
        right = lambda a, c=c: in_digits(c, np.matmul(*svd(a)[::2]))  # noqa: E731
        stack = np.broadcast_to(c, a.shape).copy()
        yield Problem(named("polar", a.shape), recipe("polar"), a, stack, right)
    for n in (4, 15, 50, 100):
        b, c = 3 * rng.standard_normal((n, n)), rng.standard_normal((n, n))
        root = scipy.linalg.sqrtm(b @ b.T)
        right = scipy.linalg.solve_sylvester(root, root, hermitian(c))
        of, worst = recipe("sqrtm"), np.linalg.cond(b)
        yield Problem(named("sqrtm", (n, n)), of, b @ b.T, c, right, root, worst)
    for diagonal in ([1, 0, 0], [0, 4, 0], [0, 0, 0, 9], [0, 0, 9, 0, 0, 4]):
        s = np.sqrt(diagonal)
        one = np.eye(len(s))
        # A step in which two zeros couple would change the rank.
        table = np.divide(1, s + s[:, None], where=s + s[:, None] > 0, out=0 * one)
        of, a = recipe("sqrtm"), np.diag(s**2)
        yield Problem(f"sqrtm of {diagonal}", of, a, one + 1, (one + 1) * table, np.diag(s))


def special_matrices():
    """The identity, a diagonal of zeros, and a tiny norm."""
    rng = np.random.default_rng(7)
    for n, is_complex in itertools.product((0, 4, 5, 50), REAL_OR_COMPLEX):
        c, name = random(rng, n, n, is_complex=is_complex), named("", (n, n), is_complex)
        one, half = np.eye(n, dtype=c.dtype), hermitian(c)
        yield Problem(f"expm of 1{name}", recipe("expm"), one, c, np.e * half, np.e * one)
        yield Problem(f"sqrtm of 1{name}", recipe("sqrtm"), one, c, half / 2, one)
    a = np.array([[0, -1, -1, 1], [-1, 0, 1, -1], [-1, 1, 0, -1], [1, -1, -1, 0]], float)
    c = rng.standard_normal((4, 4))

    def right(a):
        values, v = eigh(a)
        return in_digits(c, v * np.array([MP.exp(x) for x in values], object) @ v.T)

    yield Problem("expm of a Hermitian zero diagonal", recipe("expm"), a, c, right)
    a, c = 2.0**-52 * hermitian(3 * rng.standard_normal((300, 300))), rng.standard_normal(300)
    values, v = np.linalg.eigh(a)
    worst = values.max() / np.diff(values).min()
    of = recipe("eigvalsh")
    yield Problem("eigvalsh of a tiny norm", of, a, c, v * c @ v.T, values, worst)


def spectra():
    """Singular values from a condition down to 1, or to 0 from a rank on; and tiny ones."""
    rng, one = np.random.default_rng(8), np.ones(())
    conditions = itertools.product(((2, 4), (8, 6), (10, 10), (20, 18)), np.logspace(1, 9, 4))
    for (m, n), worst in conditions:
        u, s, vh = np.linalg.svd(rng.uniform(0.3, 0.9, (m, n)), full_matrices=False)
        c, s, turn = rng.standard_normal(s.shape), np.linspace(worst, 1, len(s)), 1 + 1j
        of = invariant("svd", lambda inner, s, u, v, c=c: inner(c, s))
        name, right = named(f"svdvals, condition {worst:.0e},", (m, n)), (u * c) @ vh * turn
        yield Problem(name, of, (u * s) @ vh * turn, one, right / abs(turn), condition=worst)
    of = recipe("nuclear_norm")
    for (m, r), worst in itertools.product(((8, 3), (8, 5), (8, 7), (10, 9)), np.logspace(1, 3, 3)):
        u, _, vh = np.linalg.svd(np.triu(np.ones((m, m))))
        s, right = np.linspace(worst, 1, m)[:r], u[:, :r] @ vh[:r]
        name = f"nuclear norm {m} × {m} of rank {r}, condition {worst:.0e}"
        yield Problem(name, of, (u[:, :r] * s) @ vh[:r], one, right, s.sum(), worst)
        a = rng.standard_normal((m, m)) * (np.arange(m) < r)
        u, s, vh = np.linalg.svd(a[:, :r], full_matrices=False)
        right = np.pad(u @ vh, ((0, 0), (0, m - r)))
        name = f"nuclear norm {m} × {m}, {m - r} columns of zeros, {worst:.0e}"
        yield Problem(name, of, a, one, right, s.sum())
    for shape in ((2, 4), (4, 4), (8, 6)):
        a, tiny = np.zeros(shape), np.zeros(shape)
        tiny[0, 1] = np.finfo(float).tiny
        yield Problem(named("nuclear norm of 0", shape), of, a, one, a, 0.0)
        yield Problem(named("pinv of 0", shape), recipe("pinv"), a, a.T + 1, a, a.T)
        yield Problem(named("nuclear norm of a tiny entry", shape), of, tiny, one, np.sign(tiny))


EIGH = ((1, 1), (4, 4), (5, 5), (25, 25), (2, 10, 10))
SVD = ((1, 1), (4, 4), (2, 5), (5, 2), (5, 5), (2, 5, 5))
#: The problems, and the relative error that JAX's tests let pass.
PROBLEMS = {
    "eigh": (partial(vectors, "eigh", EIGH), 2.5e-2),
    "svd": (partial(vectors, "svd", SVD), 3.5e-2),
    "svd, products": (products, 2e-13),
    "pinv": (pseudo_inverses, 6e-2),
    "norms": (norms, 1e-3),
    "roots and polar factors": (roots_and_polar_factors, 1e-4),
    "special matrices": (special_matrices, 1e-4),
    "svd, spectra": (spectra, 1e-6),
}
IN_JAX = {
    *("Hermitian eigh 4 × 4", "svd 2 × 5, complex", "pinv 3 × 10 × 10", "pinv 3 × 0 × 2"),
    *("pinv 400000 × 2", "norm nuc 2 × 3 × 4 × 5", "norm 2 0 × 2", "polar 3 × 5 × 3"),
    *("sqrtm 15 × 15", "sqrtm of [0, 4, 0]", "expm of 1 0 × 0", "U Σ Vᴴ 0 × 7"),
    *("nuclear norm of a tiny entry 4 × 4", "expm of a Hermitian zero diagonal"),
}


def in_torch(problems):
    return (problem.case("torch") for problem in problems())


def in_jax():
    for problems, _ in PROBLEMS.values():
        yield from (problem.case("jax") for problem in problems() if problem.name in IN_JAX)


SUITES = {x: Suite(partial(in_torch, of), theirs) for x, (of, theirs) in PROBLEMS.items()}
SUITES["in JAX"] = Suite(in_jax, 6e-2)


@pytest.mark.parametrize("name", SUITES)
def test_gradients_at_the_matrices_of_jax(name):
    """A gap that is divided by, a shape without entries, a square that does not fit."""
    tally = SUITES[name].tally()
    assert tally.failed == []
    assert tally.passed > 0
