"""The truth of the contest, against equations that the derivatives satisfy.

It knows no formula. That no formula of the package is wrong in the same way, only others can show:
these are Sylvester's equations, solved in digits, and the inverse.
"""

import numpy as np
import pytest

from contest import points, truth

MP = truth.MP


def right_of(operation, point):
    """Matrix, weights and direction in digits, gradient and its derivative."""
    a = points.of(operation)[point]
    given = (a, points.weights(operation, a), points.direction(operation, a))
    _, first, second = truth.derivatives(a, [operation])[operation]
    return *map(truth.lift, given), first, second


def sylvester(p, c):
    """X of P X + X P = C."""
    n = len(p)
    eye = truth.lift(np.eye(n))
    system = np.kron(p, eye) + np.kron(eye, p.T)
    found = MP.lu_solve(MP.matrix(system.tolist()), MP.matrix(c.ravel().tolist()))
    return np.array(found.tolist(), dtype=object).reshape(n, n)


def root(a):
    values, v = truth.eigh(a)
    return (v * np.array([MP.sqrt(x) for x in values])) @ truth.adjoint(v)


def inverse(a):
    return np.array((MP.matrix(a.tolist()) ** -1).tolist(), dtype=object)


def off(found, right):
    """Relative distance."""
    norm = [MP.sqrt(sum(abs(x) ** 2 for x in y.ravel())) for y in (found - right, right)]
    return norm[0] / norm[1]


@pytest.mark.parametrize("point", ["integers", "complex, tie"])
def test_the_square_root_solves_its_equation(point):
    """X G + G X = W, and once more differentiated: X H + H X = −(X' G + G X')."""
    a, w, e, first, second = right_of("sqrtm", point)
    x = root(a)
    g = sylvester(x, (w + truth.adjoint(w)) / 2)
    along = sylvester(x, e)
    h = -sylvester(x, along @ g + g @ along)
    assert off(first, g) < 1e-50
    assert off(second, h) < 1e-30


def test_the_polar_factor_solves_its_equation():
    """Of dQ = Q Ω with P Ω + Ω P = Qᵀ dA − dAᵀ Q, at a tie."""
    a, w, _, first, _ = right_of("polar", "integers")
    p = root(a.T @ a)
    q = a @ inverse(p)
    assert off(first, q @ sylvester(p, q.T @ w - w.T @ q)) < 1e-50


def test_the_inverse():
    """G = −YᵀWYᵀ with Y = A⁻¹, and Y' = −Y E Y."""
    a, w, e, first, second = right_of("pinv", "integers, scale 1e-6")
    y = inverse(a).T
    along = -y @ e.T @ y
    assert off(first, -(y @ w @ y)) < 1e-50
    assert off(second, -(along @ w @ y + y @ w @ along)) < 1e-30


def test_what_is_smooth_along_matrices_of_a_rank():
    """d⟨W, √(BBᵀ)⟩ along B C with symmetric C is that of the root of B (1 + tC)² Bᵀ: no zeros."""
    b, w, _, first, _ = right_of("sqrtm", "zeros")
    c = truth.lift(np.diag([1.0, 2.0, -1.0]))
    h = truth.STEP
    # B = Q R with orthonormal Q: √(BBᵀ) = Q √(RRᵀ) Qᵀ, a root without zeros.
    gram = root(b.T @ b)
    q = b @ inverse(gram)

    def value(t):
        r = gram @ (truth.lift(np.eye(3)) + t * c)
        return sum((w * (q @ root(r @ r.T) @ q.T)).ravel())

    moved = q @ gram @ c
    assert abs(sum((first * moved).ravel()) - (value(h) - value(-h)) / (2 * h)) < 1e-50
