"""Inputs on which the package once gave a wrong number or a false sentence, with the right values.

``cases.json`` has them; the values are from 60-digit arithmetic that shares nothing with the
package. Hermitian gradients are in the symmetric convention.
"""

import numpy as np
import pytest
from cases import CASES, named
from formulas import formula
from recipes.modes import FIRST, FRAMEWORKS, MODES, SECOND, call, derivative, module, total

from spectralgrad import verdict
from spectralgrad.book import conclusions
from spectralgrad.theory import eigen, exact, gauge

DTYPES = (np.float64, np.float32)


def arrays(name, *keys):
    return [np.array(CASES[name][key], dtype=float) for key in keys]


def close(found, right, dtype, *, times=1e3):
    """Within some rounding errors, relative to the norm."""
    assert np.linalg.norm(found - right) <= times * np.finfo(dtype).eps * np.linalg.norm(right)


def along(framework, mode, function, matrix, cotangent, *directions):
    """What a mode gives; it need not have directions."""
    e, f = directions or (matrix, matrix)
    (together,) = (modes for modes in (("value",), FIRST, SECOND) if mode in modes)
    arrays = (matrix, e, f, cotangent)
    return derivative(framework, mode, function, *arrays, together=together)


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


GRADIENTS = {
    "low-rank-identity": ("low_rank", {"rank": 3}),
    "low-rank-zero": ("low_rank", {"rank": 8}),
    "rotation": ("rotation", {}),
    "logm": ("logm", {}),
    "inverse square root": ("inv_sqrtm", {}),
    "power 1/3": ("powm", {"p": 1 / 3}),
    **{f"six-minus-ones-{name}": (name, {}) for name in ("sqrtm", "logm", "polar")},
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", named(*GRADIENTS))
def test_gradients_in_the_frameworks(framework, name):
    """Of ⟨C, F(A)⟩; in forward mode along the gradient itself."""
    ((recipe, options),) = (x for start, x in GRADIENTS.items() if name.startswith(start))
    matrix, cotangent, right = arrays(name, "matrix", "C", "gradient")
    function = call(framework, recipe, **options)
    forward, reverse = (
        along(framework, mode, function, matrix, cotangent, right, right) for mode in FIRST
    )
    close(reverse, right, float)
    close(np.sum(cotangent * forward), np.sum(right**2), float)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", named("vector-beside-tie"))
def test_a_selected_eigenvector_in_the_frameworks(framework, name, dtype):
    """The sign of the vector is open, and the loss does not depend on it."""
    matrix, weights, right = (x.astype(dtype) for x in arrays(name, "matrix", "B", "gradient"))
    vector = call(framework, "eigenvector", index=len(matrix) - 1)
    form = MODES[framework].array(weights)

    def loss(a):
        v = vector(a)
        return (v[..., None, :] @ form @ v[..., :, None])[..., 0, 0]

    close(along(framework, "reverse", loss, matrix, dtype(1)), right, dtype)


def direct_linear_transform(first, second):
    """The matrix, as an affine function of the second points: what to multiply them by, and add."""

    def rows(points):
        matrix = []
        for (x, y), (u, v) in zip(first, points, strict=True):
            matrix.append([0, 0, 0, -x, -y, -1, v * x, v * y, v])
            matrix.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        return np.array(matrix, dtype=float).ravel()

    fixed = rows(np.zeros_like(second))
    units = np.eye(second.size).reshape(-1, *second.shape)
    return np.array([rows(unit) - fixed for unit in units]), fixed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_homography_by_the_null_vector(framework, dtype):
    """The eight singular values from 293 to 0.53 amplify an error of the matrix by some 10³."""
    of = module(framework)
    first, second, weights, right = arrays("homography", "first", "second", "W", "gradient")
    null_vector, array = call(framework, "null_vector"), MODES[framework].array
    factor, fixed = direct_linear_transform(first, second)
    factor, fixed, weights = (array(x.astype(dtype)) for x in (factor, fixed, weights))

    def loss(points):
        v = null_vector(of.reshape(of.reshape(points, (1, 8)) @ factor + fixed, (8, 9)))
        return total(framework, weights * v / v[8])

    found = along(framework, "reverse", loss, second.astype(dtype), dtype(1))
    close(found, right, dtype, times=1e4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fidelity_of_pure_states(framework):
    """Roots of matrices of rank 1; the angle moves along matrices of that rank."""
    case, of = CASES["fidelity-of-pure-states"], module(framework)
    sqrtm = call(framework, "sqrtm")
    q = np.array([[np.cos(0.25)], [np.sin(0.25)]])
    s, eye = (MODES[framework].array(x) for x in (q @ q.T, np.eye(2)))

    def fidelity(t):
        p = of.stack([of.cos(t), of.sin(t)])[:, None]
        root = sqrtm(p * p[:, 0])
        return total(framework, sqrtm(root @ s @ root) * eye) ** 2

    one = np.array(1.0)
    for mode in ("value", *FIRST):
        found = along(framework, mode, fidelity, np.array(case["t"]), one, one, one)
        close(found, case["value" if mode == "value" else "slope"], float)


HESSIANS = {
    "hessian-of-trace-sqrtm-at-a-tie": "sqrtm",
    "hessian-of-polar-at-identity": "polar",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", HESSIANS)
def test_hessians_at_ties(framework, name):
    matrix, e, f = arrays(name, "matrix", "E1", "E2")
    cotangent = np.array(CASES[name].get("C", np.eye(3)))
    function = call(framework, HESSIANS[name])
    for mode in SECOND:
        found = along(framework, mode, function, matrix, cotangent, e, f)
        paired = cotangent if mode == "forward over forward" else f
        close(np.sum(paired * found), CASES[name]["second_derivative"], float)
