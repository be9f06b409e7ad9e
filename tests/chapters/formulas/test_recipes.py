"""What the chapter `recipes` offers, where it is hard, against equations that hold for it.

Random matrices in general position, of four dtypes. The rules are written once for all frameworks,
so that PyTorch, the fastest here, stands for the four; ``tests/test_recipes.py`` compares each
framework with 50 digits, at small matrices.
"""

import functools

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.theory import eigen, exact, gauge, spectrum
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part


@functools.cache
def recipes():
    with frameworks.quiet():
        from spectralgrad.recipes import torch

        return torch


def gradient(function, matrix, cotangent=None):
    import torch

    a = torch.tensor(matrix, requires_grad=True)
    value = function(a)
    value.backward(None if cotangent is None else torch.tensor(cotangent))
    return a.grad.resolve_conj().numpy()


def lyapunov(a, c):
    """X of A X + X A = C, which is self-adjoint in C."""
    return scipy.linalg.solve_sylvester(a, a, c)


def of_sqrtm(h, c):
    root = (h.left * np.sqrt(h.values)) @ adjoint(h.left)
    return lyapunov(root, hermitian_part(c))


def of_inverse_root(h, c):
    """From dW = −W dX W for W = X⁻¹ and X = √A."""
    inverse = (h.left / np.sqrt(h.values)) @ adjoint(h.left)
    return of_sqrtm(h, -inverse @ hermitian_part(c) @ inverse)


def of_smoother(h, c):
    """From I − (I + A)⁻¹."""
    inverse = (h.left / (1 + h.values)) @ adjoint(h.left)
    return inverse @ hermitian_part(c) @ inverse


def of_expm(h, c):
    a = (h.left * h.values) @ adjoint(h.left)
    return scipy.linalg.expm_frechet(a, hermitian_part(c), compute_expm=False)


def of_projector(h, c, rank):
    """P dP = X solves A X − X A = P dA (I − P) between the kept part and the dropped one."""
    kept, dropped = h.left[:, -rank:], h.left[:, :-rank]
    inner = adjoint(kept) @ hermitian_part(c) @ dropped
    across = scipy.linalg.solve_sylvester(
        np.diag(h.values[-rank:]), -np.diag(h.values[:-rank]), inner
    )
    half = kept @ across @ adjoint(dropped)
    return half + adjoint(half)


def of_polar(h, c):
    """From Ω P + P Ω = RᴴdA − dAᴴR for dR = R Ω + (I − RRᴴ) dA P⁻¹ with P = RᴴA."""
    r = h.left @ adjoint(h.right)
    p, inverse = ((h.right * x) @ adjoint(h.right) for x in (h.values, 1 / h.values))
    turned = 2 * skew_part(lyapunov(p, adjoint(r) @ c))
    return r @ turned + (c - r @ adjoint(r) @ c) @ inverse


def dilated(x):
    """[[0, X], [Xᴴ, 0]]."""
    m, n = x.shape
    return np.block([[np.zeros((m, m)), x], [adjoint(x), np.zeros((n, n))]])


def of_odd(h, c, f, slope):
    """From f([[0, A], [Aᴴ, 0]]) = [[0, f(A)], [f(A)ᴴ, 0]], a function of a Hermitian matrix."""
    values, vectors = np.linalg.eigh(dilated((h.left * h.values) @ adjoint(h.right)))
    # A zero to rounding is a zero.
    values[np.abs(values) < 1e-13 * values[-1]] = 0
    m = len(c)
    return 2 * eigen.function_vjp(values, vectors, dilated(c / 2), f, slope)[:m, m:]


def of_soft(h, c, t):
    return of_odd(
        h, c, lambda x: np.sign(x) * np.maximum(np.abs(x) - t, 0), lambda x: np.abs(x) > t
    )


def of_low_rank(h, c, rank):
    cut = (h.values[rank - 1] + h.values[rank]) / 2
    return of_odd(h, c, lambda x: x * (np.abs(x) > cut), lambda x: np.abs(x) > cut)


def of_pinv(h, c):
    def inverse(x):
        return np.divide(1, x, out=np.zeros_like(x), where=x != 0)

    return of_odd(h, adjoint(c), inverse, lambda x: -(inverse(x) ** 2))


def rank_of(h):
    """There is a gap below the two largest, and where they are tied."""
    return 2 if len(h.values) > 3 else 1


def between(h):
    """A threshold in that gap."""
    rank = rank_of(h)
    return float(h.values[rank - 1 : rank + 1].mean())


def condition(h, _=None):
    """By how much an error of the matrix may be magnified: the least value in a denominator."""
    return np.max(h.values) / np.min(h.values)


def openness(h, rank):
    """The same for a gap, below the largest values."""
    values = np.sort(h.values)[::-1]
    return values[0] / (values[rank - 1] - values[rank])


#: Reference; whether of Hermitian matrices; the option; the condition.
RULES = {
    "sqrtm": (of_sqrtm, True, None, condition),
    "expm": (of_expm, True, None, lambda h: 1),
    "projector": (of_projector, True, rank_of, openness),
    "inv_sqrtm": (of_inverse_root, True, None, condition),
    "smoother": (of_smoother, True, None, lambda h: (1 + h.values.max()) / (1 + h.values.min())),
    "polar": (of_polar, False, None, condition),
    "pinv": (of_pinv, False, None, condition),
    "low_rank": (of_low_rank, False, rank_of, openness),
    "soft_threshold": (of_soft, False, between, lambda h, t: openness(h, np.sum(h.values > t))),
}


@functools.cache
def operation(name):
    if name != "smoother":
        return getattr(recipes(), name)
    from spectralgrad.recipes import hermitian

    tables = formula("recipes", name)
    return recipes().operation(hermitian.hermitian_function(tables))


def with_options(function, options, matrix):
    return function(matrix, *options)


def draw(rng, shape, dtype):
    drawn = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        drawn = drawn + 1j * rng.standard_normal(shape)
    return drawn.astype(dtype)


def missed(found, expected, dtype):
    """Error in units of the rounding unit of a precision."""
    assert found.dtype == dtype
    return np.linalg.norm(found - expected) / np.linalg.norm(expected) / np.finfo(dtype).eps


#: Two dtypes will do for the largest.
PLACES = [(n, d) for n in hard.SIZES for d in hard.DTYPES if n < 100 or d in hard.DTYPES[::3]]
places = pytest.mark.parametrize(("n", "dtype"), PLACES)


@places
@pytest.mark.parametrize("name", RULES)
def test_rules(name, n, dtype):
    reference, is_hermitian, option, magnified = RULES[name]
    for kind in hard.SPECTRA:
        if (name, kind) == ("expm", "large"):
            continue
        rng = np.random.default_rng(n)
        sizes = (n,) if is_hermitian else (n + 2, n)
        h = (hard.hermitian if is_hermitian else hard.general)(kind, *sizes, dtype, rng)
        c = draw(rng, h.matrix.shape[::-1] if name == "pinv" else h.matrix.shape, dtype)
        options = () if option is None else (option(h),)
        function = functools.partial(with_options, operation(name), options)
        found = gradient(function, h.matrix, c)
        expected = reference(h, c.astype(np.result_type(c, float)), *options)
        assert missed(found, expected, dtype) < 30 * magnified(h, *options), kind


@places
def test_logarithm(n, dtype):
    """The exponential's derivative takes its gradient back to the cotangent."""
    for kind in hard.SPECTRA:
        rng = np.random.default_rng(n)
        h = hard.hermitian(kind, n, dtype, rng)
        c = hermitian_part(draw(rng, (n, n), dtype))
        found = gradient(operation("logm"), h.matrix, c)
        logarithm = (h.left * np.log(h.values)) @ adjoint(h.left)
        back = scipy.linalg.expm_frechet(logarithm, found.astype(h.left.dtype), compute_expm=False)
        assert missed(back.astype(dtype), c, dtype) < 30 * condition(h), kind


def bent_inverse_root(h, c, e):
    """From X² = A⁻¹, differentiated twice."""
    inverse, root = ((h.left * h.values**p) @ adjoint(h.left) for p in (-1, -0.5))
    dc, de = (lyapunov(root, -inverse @ x @ inverse) for x in (c, e))
    bent = inverse @ c @ inverse @ e @ inverse - dc @ de
    return lyapunov(root, bent + adjoint(bent))


def bent_smoother(h, c, e):
    inverse = (h.left / (1 + h.values)) @ adjoint(h.left)
    bent = -inverse @ c @ inverse @ e @ inverse
    return bent + adjoint(bent)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(
    ("name", "second"), [("inv_sqrtm", bent_inverse_root), ("smoother", bent_smoother)]
)
def test_second_derivatives(name, second, n, dtype):
    import torch

    for kind in hard.SPECTRA:
        rng = np.random.default_rng(n)
        h = hard.hermitian(kind, n, dtype, rng)
        c, e = (hermitian_part(draw(rng, (n, n), dtype)) for _ in range(2))
        a = torch.tensor(h.matrix, requires_grad=True)
        value = operation(name)(a)
        (slope,) = torch.autograd.grad(value, a, torch.tensor(c), create_graph=True)
        (found,) = torch.autograd.grad(slope, a, torch.tensor(e))
        error = missed(found.resolve_conj().numpy(), second(h, c, e), dtype)
        assert error < 30 * RULES[name][3](h) ** 2, (kind, error)


@pytest.mark.parametrize("n", [3, 5])
def test_cube_root_of_the_exercise(n):
    """From dA = dX X² + X dX X + X² dX for X = A^(1/3), as one linear system."""
    from spectralgrad.recipes.hermitian import Tables, hermitian_function

    def tables(xp, values):
        root = values ** (1 / 3)
        one, other = xp.pairs(root)
        return Tables(lambda: root, lambda: 1 / (one**2 + one * other + other**2))

    function = recipes().operation(hermitian_function(tables))
    for kind in hard.SPECTRA:
        rng = np.random.default_rng(n)
        h = hard.hermitian(kind, n, np.float64, rng)
        c = hermitian_part(rng.standard_normal((n, n)))
        root, square, eye = ((h.left * h.values**p) @ h.left.T for p in (1 / 3, 2 / 3, 0))
        system = np.kron(square, eye) + np.kron(root, root) + np.kron(eye, square)
        expected = np.linalg.solve(system, c.ravel()).reshape(n, n)
        assert missed(gradient(function, h.matrix, c), expected, h.matrix.dtype) < 30 * condition(h)


@places
def test_log_determinant(n, dtype):
    import torch

    logdet = formula("recipes", "torch_logdet")
    logdet.__globals__["torch"] = torch
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, np.random.default_rng(n))
        inverse = (h.left / h.values) @ adjoint(h.left)
        assert missed(gradient(logdet, h.matrix), inverse, dtype) < 30 * condition(h), kind


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize(("name", "option"), [("low_rank", 15), ("soft_threshold", 0)])
def test_the_identity_map_where_the_rank_is_low(name, option, dtype):
    """Two kept zeros have the divided difference 1, not 0/0."""
    rng = np.random.default_rng(15)
    h = hard.general(None, 15, 15, dtype, rng, [3.0, 2.0, 1.0, *[0.0] * 12])
    c = draw(rng, (15, 15), dtype)
    for matrix in (h.matrix, np.diag(h.values).astype(dtype), 0 * h.matrix):
        found = gradient(lambda a: operation(name)(a, option), matrix, c)
        assert missed(found, c, dtype) < 30


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("name", ["low_rank", "soft_threshold", "pinv"])
def test_rules_of_rank_deficient_matrices(name, dtype):
    rng = np.random.default_rng(6)
    h = hard.general(None, 9, 7, dtype, rng, [3.0, 3.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    c = draw(rng, (7, 9) if name == "pinv" else (9, 7), dtype)
    options = {"low_rank": (4,), "soft_threshold": (0.5,), "pinv": ()}[name]
    found = gradient(lambda a: operation(name)(a, *options), h.matrix, c)
    reference = {"low_rank": of_low_rank, "soft_threshold": of_soft, "pinv": of_pinv}[name]
    expected = reference(h, c.astype(np.result_type(c, float)), *options)
    if name == "pinv":
        # Only along matrices of the same rank: not from null vectors to null vectors.
        u, v = (x[:, :4] for x in (h.left, h.right))
        expected = expected - (expected - u @ (adjoint(u) @ expected)) @ (
            np.eye(7) - v @ adjoint(v)
        )
    assert missed(found, expected, dtype) < 300


@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_a_cut_through_a_tie_and_a_rank_that_is_not_full_are_refused(dtype):
    """Always, however rounding parts the tie: a quotient by such a gap is finite, and nothing."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 8))
        values = np.sort(rng.uniform(1, 2, n))[::-1]
        values[1] = values[0]
        tied = hard.general(None, n + 1, n, dtype, rng, values)
        hermitian = hard.hermitian(None, n, dtype, rng, values)
        flat = hard.general(None, n, n, dtype, rng, [*values[1:], 0.0])
        cut = [(tied, "low_rank", 1), (hermitian, "projector", 1), (flat, "polar")]
        for h, name, *options in cut:
            function = functools.partial(with_options, operation(name), options)
            with pytest.raises(gauge.GaugeError) as caught:
                gradient(function, h.matrix, h.matrix)
            limit = spectrum.default_rtol(h.matrix.shape, dtype, singular=name != "projector")
            assert abs(caught.value.excess) <= caught.value.allowed
            assert caught.value.allowed == pytest.approx(limit * np.max(h.values), rel=1e-3)


def smooth(b):
    """(tr B e^A)²: no vector matters by itself."""
    import torch

    def loss(values, v):
        return (v.conj() * (torch.tensor(b).to(v.dtype) @ v)).sum(0).real.mul(
            values.exp()
        ).sum() ** 2

    return loss


def of_vector(b, i):
    """(vᴴBv)² for one vector."""
    import torch

    def loss(values, v):
        v = v[:, i]
        return (v.conj() @ torch.tensor(b).to(v.dtype) @ v).real ** 2

    return loss


@places
def test_a_loss_of_vectors(n, dtype):
    """tr(B A²), whose gradient is A B + B A."""
    import torch

    for kind in hard.SPECTRA:
        rng = np.random.default_rng(n)
        h = hard.hermitian(kind, n, dtype, rng)
        b = hermitian_part(draw(rng, (n, n), dtype))

        def loss(values, v, b=b):
            return ((torch.tensor(b) @ v) * v.conj() * values**2).real.sum()

        a = (h.left * h.values) @ adjoint(h.left)
        found = gradient(recipes().invariant_eigh(loss), h.matrix)
        assert missed(found, a @ b + b @ a, dtype) < 30 * n, kind


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [3, 20])
def test_a_loss_of_singular_vectors(n, dtype):
    """Re tr(Cᴴ A AᴴA), and a tall matrix."""
    import torch

    for kind in hard.SPECTRA:
        rng = np.random.default_rng(n)
        h = hard.general(kind, n + 2, n, dtype, rng)
        c = draw(rng, (n + 2, n), dtype)

        def loss(u, s, vh, c=c):
            return (torch.tensor(c).conj() * ((u * s**3) @ vh)).real.sum()

        a = (h.left * h.values) @ adjoint(h.right)
        found = gradient(recipes().invariant_svd(loss), h.matrix)
        expected = c @ adjoint(a) @ a + a @ adjoint(c) @ a + a @ adjoint(a) @ c
        assert missed(found, expected, dtype) < 30 * n, kind


@pytest.mark.parametrize("dtype", hard.DTYPES[:2])
@pytest.mark.parametrize("n", [3, 5])
def test_a_loss_of_vectors_from_a_tie_to_a_gap(n, dtype):
    """What `recipes.invariant` says of its error, against 50 digits; nothing is silently worse."""
    eps, rtol = float(np.finfo(dtype).eps), spectrum.default_rtol((n, n), dtype)
    for gap in np.geomspace(eps, 0.2, 10):
        rng = np.random.default_rng(n)
        values = np.linspace(1, 2, n)
        values[1] = values[0] + 2 * gap
        h = hard.hermitian(None, n, dtype, rng, values)
        b = hermitian_part(rng.standard_normal((n, n)))
        digits, v = exact.eigh(exact.lift(h.matrix.astype(float)))
        inner = v.T @ exact.lift(b) @ v
        distance = float((digits[1] - digits[0]) / digits[-1])
        found = gradient(recipes().invariant_eigh(smooth(b)), h.matrix)
        expected = (
            2
            * np.sum(np.diag(inner) * np.vectorize(exact.MP.exp)(digits))
            * of_expm(
                hard.Hard(h.matrix, digits.astype(float), v.astype(float), v.astype(float)), b
            )
        )
        error = missed(found, expected.astype(float), dtype) * eps
        assert error < min(max(rtol / distance, 300 * eps), 10 * np.sqrt(eps)), (gap, error)
        slopes = np.array([0, *(1 / (digits[0] - x) for x in digits[1:])])
        first = np.zeros((n, n), object)
        first[0], first[:, 0] = slopes, slopes
        expected = (2 * inner[0, 0] * (v @ (first * inner) @ v.T)).astype(float)
        function = recipes().invariant_eigh(of_vector(b, 0))
        if distance < rtol:
            with pytest.raises(gauge.GaugeError, match="λ₁ and λ₂ count as equal"):
                gradient(function, h.matrix)
        elif distance > 2 * rtol:
            error = missed(gradient(function, h.matrix), expected, dtype) * eps
            assert error < rtol / distance, (gap, error)
