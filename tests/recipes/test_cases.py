"""Inputs on which the package once gave a wrong number or a false sentence, with the right values.

``cases.json`` has them; the values are from 60-digit arithmetic that shares nothing with the
package. Hermitian gradients are in the symmetric convention.
"""

import numpy as np
import pytest
from cases import CASES, named
from formulas import formula

from spectralgrad import verdict
from spectralgrad.book import conclusions
from spectralgrad.theory import eigen, exact, gauge
from spectralgrad.theory.symmetric import hermitian_part

DTYPES = (np.float64, np.float32)


def arrays(name, *keys):
    return [np.array(CASES[name][key], dtype=float) for key in keys]


def close(found, right, dtype, *, times=1e3):
    """Within some rounding errors, relative to the norm."""
    assert np.linalg.norm(found - right) <= times * np.finfo(dtype).eps * np.linalg.norm(right)


def test_pentagon():
    (matrix, smallest) = arrays("pentagon", "matrix", "minimum_norm")
    checked = verdict.check(matrix, weights="first")
    assert not checked.valid.differentiable
    close(checked.gradient, smallest, float)
    assert {a.verdict for a in checked.answers.values()} <= {"subgradient", "not installed"}


def test_rounded_tie():
    """A near-tie of data that were rounded: the text names the pair, its distance and an rtol."""
    case = CASES["rounded-tie"]
    checked = verdict.check(case["matrix"], weights=case["weights"], frameworks="autograd")
    near, said = checked.to_dict()["near"], conclusions.near(checked)
    assert near["indices"] == [0, 1]
    values = exact.eigvalsh(np.array(case["matrix"]))
    assert near["distance"] == pytest.approx(float(values[1] - values[0]), rel=1e-5)
    assert all(word in said for word in ("λ₁ and λ₂", f"{near['distance']:.1e} apart", "--rtol"))
    again = verdict.check(
        case["matrix"], weights=case["weights"], rtol=near["rtol"], frameworks="autograd"
    )
    assert not again.valid.differentiable


@pytest.mark.parametrize("name", named("low-rank"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_low_rank_without_truncation(name, dtype):
    torch = pytest.importorskip("torch")
    from spectralgrad.recipes import torch as recipes

    matrix, cotangent, right = (x.astype(dtype) for x in arrays(name, "matrix", "C", "gradient"))
    x = torch.tensor(matrix, requires_grad=True)
    rank = {"low-rank-identity": 3, "low-rank-zero": 8}[name]
    (torch.tensor(cotangent) * recipes.low_rank(x, rank)).sum().backward()
    close(x.grad.numpy(), right, dtype)


@pytest.mark.parametrize("name", named("vector-beside-tie"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_simple_eigenvector_beside_a_tie(name, dtype):
    matrix, weights, right = (x.astype(dtype) for x in arrays(name, "matrix", "B", "gradient"))
    values, vectors = np.linalg.eigh(matrix)
    cotangent = np.zeros_like(vectors)
    cotangent[:, -1] = (weights + weights.T) @ vectors[:, -1]
    close(eigen.eigh_vjp(values, vectors, 0, cotangent), right, dtype)


FUNCTIONS = {
    "logm": (np.log, lambda x: 1 / x),
    "inverse square root": (lambda x: x**-0.5, lambda x: -0.5 * x**-1.5),
    "power 1/3": (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "six-minus-ones-sqrtm": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "six-minus-ones-logm": (np.log, lambda x: 1 / x),
}


@pytest.mark.parametrize(
    "name", named("logm", "inverse", "power", "six-minus-ones-sq", "six-minus-ones-l")
)
def test_functions_of_a_hermitian_matrix(name):
    matrix, cotangent, right = arrays(name, "matrix", "C", "gradient")
    (pair,) = (pair for start, pair in FUNCTIONS.items() if name.startswith(start))
    values, vectors = np.linalg.eigh(matrix)
    close(eigen.function_vjp(values, vectors, cotangent, *pair), right, float)


@pytest.mark.parametrize("framework", ["torch", "jax", "tensorflow", "autograd"])
def test_six_minus_ones_in_the_frameworks(framework):
    """Integers, and a tie: most libraries fail here."""
    pytest.importorskip(framework)
    from importlib import import_module

    from spectralgrad import frameworks

    recipes = import_module(f"spectralgrad.recipes.{framework}")
    for function in ("sqrtm", "polar"):
        matrix, cotangent, right = arrays(f"six-minus-ones-{function}", "matrix", "C", "gradient")
        found = frameworks.get(framework).vjp(getattr(recipes, function), matrix, cotangent)
        found = hermitian_part(found) if function == "sqrtm" else found
        assert np.allclose(found, right, atol=1e-14)


def test_a_phase_that_no_cotangent_shows():
    """LAPACK makes the first row of V real, where the loss is stationary in the phases."""
    matrix = np.array(CASES["phase-unseen"]["matrix"]) @ [1, 1j]
    values, vectors = np.linalg.eigh(matrix)

    def pullback(values, vectors):
        cotangent = np.zeros_like(vectors)
        cotangent[0] = 1
        return np.zeros_like(values), cotangent

    eigen.eigh_vjp(values, vectors, *pullback(values, vectors))
    with pytest.raises(gauge.GaugeError):
        eigen.invariant_vjp(values, vectors, pullback)


@pytest.mark.parametrize("dtype", DTYPES)
def test_homography(dtype):
    """A simple smallest eigenvalue, in single precision nearer to five others than √eps."""
    torch = pytest.importorskip("torch")
    from spectralgrad.recipes import torch as recipes

    first, second, weights, right = arrays("homography", "first", "second", "W", "gradient")
    points = torch.tensor(second.astype(dtype), requires_grad=True)
    x, y = torch.tensor(first.astype(dtype)).T
    u, v = points.T
    one, none = torch.ones_like(x), torch.zeros_like(x)
    rows = [
        torch.stack([none, none, none, -x, -y, -one, v * x, v * y, v], dim=-1),
        torch.stack([x, y, one, none, none, none, -u * x, -u * y, -u], dim=-1),
    ]
    a = torch.stack(rows, dim=1).reshape(8, 9)
    weights = torch.tensor(weights.astype(dtype))
    loss = recipes.invariant_eigh(lambda _, w: weights @ (w[:, 0] / w[8, 0]))
    if dtype is np.float32:
        # AᴴA has lost the gap: no answer, rather than a wrong one.
        with pytest.raises(gauge.GaugeError, match="λ₁ and λ₂ count as equal"):
            loss(a.mT @ a).backward()
    else:
        loss(a.mT @ a).backward()
        close(points.grad.numpy(), right, dtype, times=1e7)


def test_invariant_svd_of_a_stack():
    torch = pytest.importorskip("torch")
    from spectralgrad.recipes import torch as recipes

    stack, weights = arrays("invariant-svd-of-a-stack", "stack", "B")
    b = torch.tensor(weights)
    loss = recipes.invariant_svd(lambda u, s, vh: (b * ((u * s) @ vh)).sum())
    with pytest.raises(ValueError, match="stack"):
        loss(torch.tensor(stack, requires_grad=True))
    for matrix in torch.tensor(stack):
        close(torch.func.grad(loss)(matrix).numpy(), weights, float)


def test_log_determinant_of_a_kernel():
    """The sign that slogdet returns is dropped by its users; Cholesky says that it fails."""
    torch = pytest.importorskip("torch")
    case = CASES["log-determinant-of-a-kernel"]
    x = np.linspace(*case["interval"], case["points"])
    kernel = np.exp(-((x[:, None] - x) ** 2) / 2)
    logdet = formula("recipes", "torch_logdet")
    logdet.__globals__["torch"] = torch
    with pytest.raises(torch.linalg.LinAlgError, match="not positive-definite"):
        logdet(torch.tensor(kernel))
