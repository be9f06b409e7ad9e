"""The package itself: `spectralgrad.recipes`, as its chapters call it."""

from contest import compositions
from contest.entrants import FRAMEWORKS, Entrant

_NAMES = {"torch": "PyTorch", "jax": "JAX", "tensorflow": "TensorFlow", "autograd": "autograd"}
_CALLS = {
    "polar": "polar(A)",
    "rotation": "rotation(A)",
    "sqrtm": "sqrtm(A)",
    "inv_sqrtm": "inv_sqrtm(A)",
    "logm": "logm(A)",
    "powm": "powm(A, p)",
    "expm": "expm(A)",
    # It projects on the vectors of the largest values.
    "projector": "projector(-A, k)",
    "low_rank": "low_rank(A, k)",
    "pinv": "pinv(A)",
}
_OUTER = {
    "tensorflow": "tf.expand_dims(v, 1) * tf.math.conj(tf.expand_dims(v, 0))",
    "autograd": "anp.outer(v, anp.conj(v))",
}
_OUTER |= dict.fromkeys(("torch", "jax"), "v[:, None] * v.conj()")


def _entrant(framework, operation, call, setup, way="spectralgrad"):
    return Entrant(
        operation=operation,
        name=f"{way} ({_NAMES[framework]})",
        library="spectralgrad",
        framework=framework,
        setup=setup,
        call=call,
    )


def _vector(framework):
    return (
        f"{compositions.IMPORTS[framework]}"
        f"from spectralgrad.recipes.{framework} import eigenvector\n\n\n"
        "def own_projector(A, k):\n"
        f"    v = eigenvector(A, k)\n"
        f"    return {_OUTER[framework]}\n"
    )


def _loss(framework, problem):
    """A loss of the factors, and what makes of it a function of the matrix."""
    name, factors = f"{problem}_loss", {"eigh": "w, V", "svd": "U, s, Vh"}[problem]
    through = compositions.source(name, framework).strip("\n")
    body = through.split("\n")[-1]
    return (
        f"{compositions.IMPORTS[framework]}"
        f"from spectralgrad.recipes.{framework} import invariant_{problem}\n\n\n"
        f"def {name}(A, W):\n"
        f"    def loss({factors}):\n"
        f"    {body}\n\n"
        f"    return invariant_{problem}(loss)(A)\n"
    )


# The same loss as a function of the matrix, with f, f′ and f″: vectors do not occur in it.
_FUNCTION = """
def f(x):
    return x / (1 + x**2)


def df(x):
    return (1 - x**2) / (1 + x**2) ** 2


def d2f(x):
    return 2 * x * (x**2 - 3) / (1 + x**2) ** 3
"""


def _of(framework):
    for operation, call in _CALLS.items():
        setup = f"from spectralgrad.recipes.{framework} import {operation}\n"
        yield _entrant(framework, operation, call, setup)
    yield _entrant(framework, "eigenvector", "own_projector(A, k)", _vector(framework))
    for problem in ("eigh", "svd"):
        name = f"{problem}_loss"
        yield _entrant(framework, name, f"{name}(A, W)", _loss(framework, problem))
    call = compositions.inner("function(A, f, df, d2f)", framework)
    taken = f"from spectralgrad.recipes.{framework} import function\n"
    setup = f"{compositions.IMPORTS[framework]}{taken}\n{_FUNCTION}"
    yield _entrant(framework, "eigh_loss", call, setup, "spectralgrad, function")


ENTRANTS = tuple(x for framework in FRAMEWORKS for x in _of(framework))
