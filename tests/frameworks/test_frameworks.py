import subprocess
import sys

import numpy as np
import pytest
from drawing import eigenvalue_sum_gradient, random_matrix, singular_sum_gradient

from spectralgrad import frameworks, verdict
from spectralgrad.matrices import published
from spectralgrad.theory import subgradient, symmetric

framework = pytest.mark.parametrize("name", frameworks.NAMES)


@framework
def test_protocol(name):
    library = frameworks.get(name)
    assert name == library.NAME
    assert library.VERSION[0].isdigit()
    assert "+" not in library.VERSION


@framework
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (2, 5), (5, 2)])
def test_svdvals(name, dtype, shape, rng):
    matrix = random_matrix(rng, *shape, is_complex=dtype.startswith("complex")).astype(dtype)
    weights = rng.standard_normal(min(shape))
    values, gradient = frameworks.get(name).svdvals(matrix, weights)
    assert gradient.dtype == dtype
    assert values.dtype == matrix.real.dtype
    judgement = verdict.judge(gradient, subgradient.svdvals(matrix, weights))
    assert judgement.verdict == "agrees"
    # JAX and autograd return the conjugate: the book says so.
    expected = dtype.startswith("complex") and name in ("jax", "autograd")
    assert judgement.conjugated == expected
    reference = singular_sum_gradient(matrix, weights)
    reading = gradient.conj() if expected else gradient
    assert reading == pytest.approx(
        reference, abs=1e-4 if dtype in ("float32", "complex64") else 1e-9
    )


@framework
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_eigvalsh(name, dtype, rng):
    drawn = random_matrix(rng, 5, 5, is_complex=dtype.startswith("complex"))
    matrix = symmetric.hermitian_part(drawn).astype(dtype)
    weights = rng.standard_normal(5)
    values, gradient = frameworks.get(name).eigvalsh(matrix, weights)
    assert values == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-4)
    assert values.dtype == matrix.real.dtype
    judgement = verdict.judge(gradient, subgradient.eigvalsh(matrix, weights))
    assert judgement.verdict == "agrees"
    assert judgement.convention == ("symmetric" if name in ("torch", "jax") else "lower")
    assert judgement.conjugated == (dtype.startswith("complex") and name in ("jax", "autograd"))
    reading = gradient.conj() if judgement.conjugated else gradient
    reference = eigenvalue_sum_gradient(matrix, weights)
    assert symmetric.convert(reading, "symmetric") == pytest.approx(reference, abs=1e-4)


@framework
@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128"])
def test_vjp(name, dtype, rng):
    """In this book's convention for complex numbers, whatever the framework's own is."""
    is_complex = dtype.startswith("complex")
    matrix, cotangent = (random_matrix(rng, 4, 4, is_complex=is_complex) for _ in range(2))
    gradient = frameworks.get(name).vjp(lambda a: a @ a, matrix.astype(dtype), cotangent)
    assert gradient.dtype == dtype
    adjoint = matrix.conj().T
    assert gradient == pytest.approx(cotangent @ adjoint + adjoint @ cotangent, rel=1e-4, abs=1e-4)


def test_the_first_exercise_on_singular_values(rng):
    """The frameworks agree on a perturbed matrix, in double precision far better than in single."""
    matrix, p = published.MATRICES["blog-rank-2"], rng.standard_normal((5, 5))

    def spread(dtype):
        perturbed = (matrix + 1e-3 * p).astype(dtype)
        gradients = [frameworks.get(n).svdvals(perturbed, np.ones(5))[1] for n in frameworks.NAMES]
        return max(np.linalg.norm(g - gradients[0]) for g in gradients)

    assert spread("float64") < 1e-9
    assert 1e-9 < spread("float32") < 0.1

    # As the perturbation shrinks, W tends to the polar factor of U₀ᵀPV₀.
    valid = subgradient.svdvals(matrix, np.ones(5))
    u, _, vh = np.linalg.svd(valid.null_part(p))

    def distance(t):
        gradient = singular_sum_gradient(matrix + t * p, np.ones(5))
        return np.linalg.norm(valid.null_part(gradient) - u @ vh)

    assert distance(1e-6) < 1e-4
    assert distance(1e-6) < distance(1e-3) / 100


def test_unknown_name():
    with pytest.raises(ValueError, match="unknown framework 'theano'; choose from autograd, torch"):
        frameworks.get("theano")


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_package_imports_no_framework():
    code = "import sys, spectralgrad.verdict, spectralgrad.theory.subgradient\n"
    done = run(code + "print({'torch', 'tensorflow', 'jax', 'autograd'} & set(sys.modules))")
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_start_up_noise_is_kept_back():
    done = run("from spectralgrad import frameworks; frameworks.get('tensorflow')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_was_kept_back_is_shown_after_a_failure():
    code = "import os\nfrom spectralgrad import frameworks\nwith frameworks.quiet():\n"
    assert run(code + "    os.write(2, b'said')\n").stderr == ""
    failed = run(code + "    os.write(2, b'said')\n    raise RuntimeError('broke')\n")
    assert "said" in failed.stderr
    assert "broke" in failed.stderr
