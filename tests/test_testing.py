"""`assert_gradient` passes and fails for the gradient's own sake, where `gradcheck` does not."""

import re

import numpy as np
import pytest

from spectralgrad.frameworks import TITLES
from spectralgrad.testing import assert_gradient

torch = pytest.importorskip("torch")
rng = np.random.default_rng(3)
Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
SYMMETRIC = (Q * [1.0, 2, 3, 5]) @ Q.T
# Its two equal eigenvalues are equal to the last bit, as the others see to.
TIED = np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 1]])
C = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
HERMITIAN = C + C.conj().T


def gradcheck(function, matrix):
    try:
        return torch.autograd.gradcheck(function, torch.tensor(matrix, requires_grad=True))
    except RuntimeError:
        return False


def largest(a):
    return torch.linalg.eigh(a).eigenvalues[-1]


def moduli(a):
    return (torch.linalg.eigh(a).eigenvectors.abs() ** 4).sum()


def first_row(a):
    return torch.linalg.eigh((a + a.mH) / 2).eigenvectors[0].real.sum()


def cube(values, vectors):
    return ((vectors * values**3) @ vectors.mT)[0, 1]


@pytest.mark.parametrize("function", [largest, moduli])
@pytest.mark.parametrize("matrix", [SYMMETRIC, HERMITIAN], ids=["real", "complex"])
def test_it_passes_at_symmetric_input_where_gradcheck_fails(function, matrix):
    assert not gradcheck(function, matrix)
    assert_gradient(function, matrix)


def test_it_fails_where_the_value_hangs_on_a_phase_and_gradcheck_passes():
    assert gradcheck(first_row, HERMITIAN)
    with pytest.raises(AssertionError, match="not a function of the matrix: "):
        assert_gradient(first_row, HERMITIAN)


def test_it_fails_for_nan_at_a_tie_and_passes_what_mends_it():
    from spectralgrad.recipes.torch import eigenvector

    def by_eigh(a):
        return torch.linalg.eigh(a).eigenvectors[0, -1] ** 2

    with pytest.raises(AssertionError, match=r"not finite: .*\n.*eigenvector"):
        assert_gradient(by_eigh, TIED)
    assert_gradient(lambda a: eigenvector(a, -1)[0] ** 2, TIED)


def test_it_fails_where_there_is_no_gradient():
    with pytest.raises(AssertionError, match="no gradient here: "):
        assert_gradient(lambda a: torch.linalg.eigvalsh(a)[0], TIED)


def test_what_is_wrong_comes_with_what_shows_it():
    def half(a):
        return (a.detach() * a).sum()

    with pytest.raises(AssertionError) as caught:
        assert_gradient(half, SYMMETRIC)
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith("wrong: ")
    scope = {"torch": torch, "half": half}
    printed = []
    reproducer = str(caught.value).splitlines()[-3:]
    exec("\n".join(reproducer), scope | {"print": lambda *x: printed.extend(x)})
    assert last.startswith("print(")
    claimed, true = (x.item() for x in printed)
    assert claimed == pytest.approx(true / 2, rel=1e-3)


def test_rtol_asks_for_more_than_the_verdict():
    def slightly_off(a):
        return (a * a).sum() / 2 + 1e-6 * (a.detach()[0, 0] * a[0, 0])

    def exact(a):
        return (a * a).sum() / 2

    assert_gradient(exact, SYMMETRIC, rtol=1e-10)
    with pytest.raises(AssertionError):
        assert_gradient(slightly_off, SYMMETRIC, rtol=1e-10)
    with pytest.raises(AssertionError):
        assert_gradient(exact, SYMMETRIC, rtol=np.nan)


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 1, 3], [0, 0, 0]])
def test_a_loss_of_the_factors_is_held_to_the_right_gradient_at_ties(values):
    """The example of the docstring: PyTorch's rule has NaN at a tie, but for a zero cotangent."""
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    matrix = (q * values) @ q.T
    if len({*values}) == 3:
        assert_gradient(cube, matrix, problem="eigh", rtol=1e-12)
    else:
        with pytest.raises(AssertionError, match=r"not finite|wrong"):
            assert_gradient(cube, matrix, problem="eigh", rtol=1e-12)


@pytest.mark.parametrize("framework", TITLES)
def test_it_asks_the_framework_that_is_named(framework):
    pytest.importorskip(framework)
    functions = {
        "torch": lambda a: (a * a).sum(),
        "jax": lambda a: (a * a).sum(),
        "autograd": lambda a: (a * a).sum(),
        "tensorflow": lambda a: __import__("tensorflow").reduce_sum(a * a),
    }
    assert_gradient(functions.get(framework, functions["jax"]), SYMMETRIC, framework=framework)


def test_there_are_two_problems():
    with pytest.raises(ValueError, match="'qr' will not do; choose from eigh, svd"):
        assert_gradient(cube, SYMMETRIC, problem="qr")


def test_a_function_that_is_none_is_the_error_of_the_check():
    with pytest.raises(ValueError, match=re.escape("returns an array of 4 × 4, not one real")):
        assert_gradient(lambda a: a, SYMMETRIC)
