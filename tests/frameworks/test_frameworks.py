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


def _squares(name):
    """Σ |Aᵢⱼ|² Bᵢⱼ, in each framework."""
    from verdict.losses import anp, jnp, tf

    return {
        "autograd": lambda a, b: anp.sum(anp.abs(a) ** 2 * b),
        "torch": lambda a, b: (a.abs() ** 2 * b).sum(),
        "tensorflow": lambda a, b: tf.reduce_sum(tf.abs(a) ** 2 * b),
        "jax": lambda a, b: jnp.sum(jnp.abs(a) ** 2 * b),
    }[name]


@framework
def test_value_and_gradient(name, rng):
    """In this book's convention, for each array, and 0 for one that does not matter."""
    library, function = frameworks.get(name), _squares(name)
    a, b = random_matrix(rng, 2, 3, is_complex=True), rng.standard_normal((2, 3))
    expected = np.sum(np.abs(a) ** 2 * b)
    value, (a_bar, b_bar) = library.value_and_gradient(function, a, b)
    assert value == pytest.approx(expected)
    assert library.value(function, a, b) == pytest.approx(expected)
    assert a_bar == pytest.approx(2 * a * b)
    assert b_bar == pytest.approx(np.abs(a) ** 2)
    _, (a_bar, b_bar) = library.value_and_gradient(lambda a, b: function(b, b), a, b)
    assert (a_bar.dtype, np.count_nonzero(a_bar)) == (a.dtype, 0)
    assert b_bar == pytest.approx(3 * b**2)


@pytest.mark.parametrize("name", ["numpy", *frameworks.NAMES])
def test_what_a_function_calls_is_noted_and_changed(name, rng):
    """By a module's name or by one's own, compiled or not; σ and Vᴴ are where NumPy has them."""
    from verdict import losses

    library = frameworks.get(name)
    a = random_matrix(rng, 4, 4, is_complex=True)
    functions = {
        "numpy": lambda a: np.linalg.svd(a)[2][1, 2],
        "autograd": lambda a: losses.anp.linalg.svd(a)[2][1, 2],
        "torch": lambda a: losses.torch.linalg.svd(a)[2][1, 2],
        "tensorflow": losses.tf_function(
            lambda a: losses.tf.math.conj(losses.tf.linalg.svd(a)[2][2, 1])
        ),
        "jax": losses.jitted(lambda a: losses.jnp.linalg.svd(a)[2][1, 2]),
    }
    before = library.value(functions[name], a)
    seen = []

    def change(name, factors):
        seen.append(factors)
        return [*factors[:-1], 2 * factors[-1]]

    with library.watch(functions[name], change) as calls:
        after = library.value(functions[name], a)
    assert calls == ["svd"]
    assert after == pytest.approx(2 * before)
    u, s, vh = seen[0]
    assert (u * s) @ vh == pytest.approx(a)
    assert library.value(functions[name], a) == before


def test_a_method_of_pytorch_and_its_older_svd_are_seen_too(rng):
    a = rng.standard_normal((3, 2))
    library, seen = frameworks.get("torch"), []

    def change(name, factors):
        seen.append(factors)
        return factors

    with library.watch(None, change) as calls:
        library.value(lambda a: a.svd()[2].sum() + a.pinverse().sum(), a)
    assert calls == ["svd", "pinverse"]
    u, s, vh = seen[0]
    assert (u * s) @ vh == pytest.approx(a)


def test_what_the_readers_module_imported_is_seen_and_put_back():
    space = {"__name__": "theirs"}
    exec("from numpy.linalg import eigh as own\ndef f(a):\n    return own(a)[0][0] + g", space)
    library, original = frameworks.get("numpy"), np.linalg.eigh
    with pytest.raises(NameError), library.watch(space["f"]) as calls:
        library.value(space["f"], np.eye(2))
    assert calls == ["eigh"]
    assert space["own"] is np.linalg.eigh is original
