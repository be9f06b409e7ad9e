"""The truth of these tests, tried with equations that it does not use."""

import numpy as np
import pytest
from recipes import truth
from recipes.points import POINTS
from recipes.truth import MP, adjoint, lift


def blocks(*rows):
    return MP.matrix(np.block([list(row) for row in rows]).tolist())


def array(matrix):
    return np.array(matrix.tolist(), dtype=object)


def close(found, right):
    found, right = (np.asarray(x, object).astype(complex) for x in (found, right))
    assert np.linalg.norm(found - right) <= 1e-14 * np.linalg.norm(right)


def at(kind, name):
    (point,) = (p for p in POINTS if p.kind == kind and p.name == name)
    a, *directions = map(lift, (point.matrix, *point.directions))
    if kind == "hermitian":
        directions = [(e + adjoint(e)) / 2 for e in directions]
    return point, a, *directions


@pytest.mark.parametrize("name", ["regular, complex", "tie", "gap 1e-8", "equal", "five"])
def test_a_function_of_block_triangular_matrices(name):
    """exp of [[A, E, 0], [0, A, F], [0, 0, A]] with both orders has the second derivative."""
    point, a, e, f = at("hermitian", name)
    jet, zero, n = truth.jet("expm", point), 0 * a, len(a)
    with MP.workdps(60):
        first, second = (
            array(MP.expm(blocks((a, x, zero), (zero, a, y), (zero, zero, a)), method="taylor"))
            for x, y in ((e, f), (f, e))
        )
    close(first[:n, n : 2 * n], jet.first)
    close(first[:n, 2 * n :] + second[:n, 2 * n :], jet.second)


@pytest.mark.parametrize("name", ["regular, complex", "tie", "gap 1e-12", "equal", "graded"])
def test_the_root_satisfies_its_equation(name):
    point, a, e, _ = at("hermitian", name)
    [x], [first, other], [second, *_], _ = truth.differences("sqrtm", point)
    close(x @ x, a)
    close(x @ first + first @ x, e)
    close(x @ second + second @ x, -(first @ other + other @ first))


@pytest.mark.parametrize("name", ["regular", "tie", "rank 2", "reflection", "identity"])
def test_a_rotation_stays_one_and_leaves_a_symmetric_factor(name):
    point, a, e, f = at("general", name)
    [r], [first, other], [second, *_], _ = truth.differences("rotation", point)
    assert np.linalg.det(r.astype(float)) == pytest.approx(1)
    symmetric = (
        r.T @ a,
        first.T @ a + r.T @ e,
        second.T @ a + first.T @ f + other.T @ e,
    )
    for part in symmetric:
        assert np.linalg.norm((part - part.T).astype(float)) < 1e-14 * np.linalg.norm(
            a.astype(float)
        )
    close(first.T @ r, -r.T @ first)
    bent = second.T @ r + first.T @ other
    close(bent, -bent.T)


@pytest.mark.parametrize("name", ["tie", "rank 2, wide, complex"])
def test_the_pseudo_inverse_has_the_derivative_of_golub_and_pereyra(name):
    point, a, e, _ = at("general", name)
    jet = truth.jet("pinv", point)
    p, eh = lift(jet.value), adjoint(e)
    left, right = (np.eye(len(x)) - x for x in (a @ p, p @ a))
    expected = -p @ e @ p + p @ adjoint(p) @ eh @ left + right @ eh @ adjoint(p) @ p
    close(jet.first, expected)


def test_a_pair_is_decomposed_as_one():
    point, stack, *_ = at("pair", "regular, complex")
    values, v, b = truth.generalised(stack)
    close(stack[0] @ v, (b @ v) * values)
    close(adjoint(v) @ b @ v, np.eye(len(b)))
    assert values.astype(complex) == pytest.approx(sorted(point.spectrum.values))


def test_conditions_grow_with_one_over_the_gap():
    """What an error may be multiplied by is not large where nothing is near a singularity."""
    for name in truth.DEFINED:
        for point in truth.smooth(name, POINTS):
            if point.name in ("tie", "gap 1e-12", "rank 2", "equal", "five apart"):
                _, first, second = truth.jet(name, point).conditions
                assert first < 100 and second < 100, (name, point)
    (point,) = (p for p in POINTS if p.kind == "general" and p.name == "cut 1e-6")
    assert min(truth.jet("low_rank", point).conditions[1:]) > 1e5
