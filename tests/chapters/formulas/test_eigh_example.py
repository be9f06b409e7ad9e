"""What the chapter says to do with gradients of an eigenvalue, in general position."""

import hard
import numpy as np
import pytest
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.theory import subgradient, symmetric

KINDS = ("regular", "nearly tied", "graded", "large", "small")


def doubled(g):
    """D + Dᵀ − diag D, or with conjugates."""
    return g + g - np.diag(np.diag(g))


@pytest.mark.parametrize("n", hard.SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_half_the_sum_with_the_adjoint_undoes_each_convention(n, dtype, rng):
    """The derivative along a Hermitian E shows it, and that the doubled form is none of them."""
    h = hard.hermitian("regular", n, dtype, rng)
    v = h.left[:, n // 2]
    g, e = np.outer(v, v.conj()), hard.hermitian("regular", n, dtype, rng).matrix
    slope = (v.conj() @ e @ v).real
    for convention in symmetric.CONVENTIONS:
        x = symmetric.convert(g, convention)
        assert np.vdot(x, e).real == pytest.approx(slope)
        assert (x + x.conj().T) / 2 == pytest.approx(g)
    assert abs(np.vdot(doubled(g), e).real - slope) > 1e-3
    # And all of them descend.
    assert min(np.vdot(x, g).real for x in (doubled(g), symmetric.convert(g, "lower"))) > 0.9


@pytest.mark.parametrize("name", frameworks.NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_to_symmetrise_the_input_works_in_every_framework(name, dtype, rng):
    """The gradient is Hermitian, right in this precision, and given for a matrix that is not."""
    eigenvalues, library = formula("eigh_example", "of_hermitian_part")[name], frameworks.get(name)
    for kind in KINDS:
        h = hard.hermitian(kind, 5, dtype, rng)
        w = rng.standard_normal(5)
        valid = subgradient.eigvalsh(h.matrix, w)
        x = rng.standard_normal((5, 5))
        skew = ((x - x.T) * np.abs(h.matrix).max()).astype(dtype)
        with np.errstate(all="ignore"):
            g = library.vjp(eigenvalues, h.matrix + skew, w)
        assert np.linalg.norm(g - g.conj().T) <= valid.tolerance, kind
        if valid.differentiable:
            # Adding the skew part rounds once more.
            assert np.linalg.norm(g - (h.left * w) @ h.left.conj().T) <= 4 * valid.tolerance, kind


@pytest.mark.parametrize("n", hard.SIZES)
def test_the_shortest_way_to_another_eigenvalue_is_along_the_symmetric_gradient(n, rng):
    h = hard.hermitian("regular", n, np.float64, rng)
    k, (v, values) = n // 2, (h.left, h.values)
    target = values[k] - (values[k] - values[k - 1]) / 4
    b = h.matrix + (target - values[k]) * np.outer(v[:, k], v[:, k])
    assert np.linalg.eigvalsh(b)[k] == pytest.approx(target, rel=1e-12)
    assert np.linalg.norm(b - h.matrix) == pytest.approx(values[k] - target)
