"""The formulas of the chapter on rotations, held against the equation that they solve."""

import hard
import numpy as np
import pytest
from formulas import formula

#: What the last singular value becomes: that of points in general position, planar, mirrored.
LAST = {"general": 1, "planar": 0, "mirrored": -1}


def drawn(kind, last, n, dtype, rng):
    """A matrix, the rotation nearest to it, and s, from the factors in double precision."""
    h = hard.general(kind, n, n, dtype, rng)
    s = h.values * np.append(np.ones(n - 1), LAST[last])
    left = h.left.copy()
    left[:, 0] *= np.linalg.det(left) * np.linalg.det(h.right)
    return ((left * s) @ h.right.T).astype(dtype), left @ h.right.T, (h.right * s) @ h.right.T, s


def places(n, dtype):
    """Each kind of matrix that has a nearest rotation by more than rounding."""
    rng, eps = np.random.default_rng(n), np.finfo(dtype).eps
    for kind in hard.SPECTRA:
        for last in LAST:
            matrix, R, P, s = drawn(kind, last, n, dtype, rng)
            magnified = s[0] / (s[-2] + s[-1]) if s[-2] + s[-1] > 0 else np.inf
            if magnified < 1e-3 / eps:
                yield (kind, last), matrix, R, P, eps * magnified


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", hard.SIZES)
def test_the_gradient_solves_the_equation(n, dtype):
    """Z = Rᵀ G is skew, and Z P + P Z = Rᵀ C − Cᵀ R."""
    gradient, seen = formula("rotations", "rotation_gradient"), set()
    for what, matrix, R, P, unit in places(n, dtype):
        C = np.random.default_rng(n).standard_normal((n, n)).astype(dtype)
        G = gradient(matrix, C)
        assert G.dtype == dtype
        Z, right = R.T @ G, R.T @ C - C.T @ R
        allowed = 30 * unit * np.linalg.norm(Z)
        assert np.linalg.norm(Z + Z.T) < allowed, what
        size = np.linalg.norm(P, 2)
        assert np.linalg.norm(Z @ P + P @ Z - right) < 30 * unit * size * np.linalg.norm(Z), what
        seen.add(what)
    # Where the two smallest are tied or nearly so, a mirror image has no rotation of its own.
    assert {kind for kind, last in seen if last == "planar"} == set(hard.SPECTRA)
    assert ("tied", "mirrored") not in seen
    assert ("regular", "mirrored") in seen


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_in_space_no_decomposition_is_needed(dtype):
    gradient, of_turn = (
        formula("rotations", name) for name in ("rotation_gradient", "rotation_gradient_3d")
    )
    C = np.random.default_rng(1).standard_normal((3, 3)).astype(dtype)
    for what, matrix, R, _, unit in places(3, dtype):
        found, wanted = of_turn(matrix, R.astype(dtype), C), gradient(matrix, C)
        assert found.dtype == dtype
        assert np.linalg.norm(found - wanted) < 30 * unit * np.linalg.norm(wanted), what


def test_stacks_are_as_their_members():
    A, C = np.random.default_rng(2).standard_normal((2, 4, 3, 3))
    gradient = formula("rotations", "rotation_gradient")
    of_turn = formula("rotations", "rotation_gradient_3d")
    found = gradient(A, C)
    assert np.allclose(found, [gradient(a, c) for a, c in zip(A, C, strict=True)], rtol=1e-12)
    # Of a matrix, the derivative of its own rotation along itself is zero: ⟨G, A⟩ = 0.
    assert np.allclose(np.sum(found * A, (-2, -1)), 0, atol=1e-12)
    u, _, vh = np.linalg.svd(A)
    u[..., -1] *= np.linalg.det(u @ vh)[:, None]
    assert np.allclose(of_turn(A, u @ vh, C), found, rtol=1e-9)
