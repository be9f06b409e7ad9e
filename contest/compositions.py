"""How each operation is written through eigh(A) or svd(A), in each framework: Python source."""

import functools
import importlib

from contest.entrants import OPERATIONS, Entrant

#: Of contest.entrants.
MODULES = ("package", "frameworks", "rivals", "rules")

#: How a framework writes the conjugate transpose, and the conjugate, of X.
_ADJOINT = {
    "torch": "{}.mH",
    "jax": "{}.conj().T",
    "tensorflow": "tf.linalg.adjoint({})",
    "autograd": "anp.conj({}).T",
}
#: Its array functions.
_XP = {"torch": "torch", "jax": "jnp", "tensorflow": "tf", "autograd": "anp"}
IMPORTS = {
    "torch": "import torch\n",
    "jax": "import jax\nimport jax.numpy as jnp\n",
    "tensorflow": "import tensorflow as tf\n",
    "autograd": "import autograd.numpy as anp\n",
}

_OF_EIGENVALUES = {
    "sqrtm": "{xp}.sqrt(w)",
    "inv_sqrtm": "1 / {xp}.sqrt(w)",
    "logm": "{log}(w)",
    "powm": "w**p",
    "expm": "{xp}.exp(w)",
    "eigh_loss": "w / (1 + w**2)",
}
_OF_SINGULAR = {"svd_loss": "s / (1 + s**2)"}
_OPTION = {"powm": "p", "projector": "k", "eigenvector": "k", "low_rank": "k"}
_OPTION |= {"eigh_loss": "W", "svd_loss": "W"}

_EIGH = """
def {name}({arguments}):
    w, V = eigh(A)
    return {result}
"""
_SVD = """
def {name}({arguments}):
    U, s, Vh = svd(A)
    return {result}
"""
_ROTATION = """
def rotation(A):
    U, s, Vh = svd(A)
    d = {xp}.sign({det}(U @ Vh))
    return U[:, :-1] @ Vh[:-1] + d * U[:, -1:] @ Vh[-1:]
"""
# Values that the floating-point numbers cannot tell from 0 are dropped, and nowhere divided by.
_PINV = """
def pinv(A):
    U, s, Vh = svd(A)
    kept = s > s[0] * {eps} * max(A.shape)
    y = {xp}.where(kept, 1 / {xp}.where(kept, s, {xp}.ones_like(s)), {xp}.zeros_like(s))
    return {scaled} @ {U}
"""
_EPS = {
    "torch": "torch.finfo(s.dtype).eps",
    "jax": "jnp.finfo(s.dtype).eps",
    "tensorflow": "tf.experimental.numpy.finfo(s.dtype).eps",
    "autograd": "anp.finfo(s.dtype).eps",
}


def _words(framework):
    xp = _XP[framework]
    linalg = "tf.linalg" if framework == "tensorflow" else f"{xp}.linalg"
    log = "tf.math.log" if framework == "tensorflow" else f"{xp}.log"
    return {"xp": xp, "log": log, "det": f"{linalg}.det", "eps": _EPS[framework]}


def _columns(matrix, values, framework):
    """A matrix with its columns multiplied by real numbers."""
    if framework == "tensorflow":
        return f"({matrix} * tf.cast({values}, A.dtype))"
    return f"({matrix} * ({values}))"


def inner(result, framework):
    """Re Σ conj(W) F."""
    if framework == "tensorflow":
        return f"tf.reduce_sum(tf.math.real(tf.math.conj(W) * ({result})))"
    xp = _XP[framework]
    return f"{xp}.sum({xp}.real({xp}.conj(W) * ({result})))"


def _through_eigh(operation, framework):
    adjoint = _ADJOINT[framework].format
    if operation == "projector":
        return f"V[:, :k] @ {adjoint('V[:, :k]')}"
    if operation == "eigenvector":
        return f"V[:, k : k + 1] @ {adjoint('V[:, k : k + 1]')}"
    values = _OF_EIGENVALUES[operation].format(**_words(framework))
    result = f"{_columns('V', values, framework)} @ {adjoint('V')}"
    return inner(result, framework) if operation == "eigh_loss" else result


def _through_svd(operation, framework):
    if operation == "polar":
        return "U @ Vh"
    if operation == "low_rank":
        return f"{_columns('U[:, :k]', 's[:k]', framework)} @ Vh[:k]"
    result = f"{_columns('U', _OF_SINGULAR[operation], framework)} @ Vh"
    return inner(result, framework)


def source(operation, framework):
    """A function of the operation's name, of A and its option, that calls eigh or svd."""
    adjoint, words = _ADJOINT[framework].format, _words(framework)
    if operation == "rotation":
        return _ROTATION.format(**words)
    if operation == "pinv":
        scaled = _columns(adjoint("Vh"), "y", framework)
        return _PINV.format(scaled=scaled, U=adjoint("U"), **words)
    through, frame = (
        (_through_eigh, _EIGH) if operation in THROUGH["eigh"] else (_through_svd, _SVD)
    )
    return frame.format(
        name=operation,
        arguments=", ".join(["A", *filter(None, [_OPTION.get(operation)])]),
        result=through(operation, framework),
    )


#: Problem -> the operations that follow from it.
THROUGH = {
    "eigh": (
        *("sqrtm", "inv_sqrtm", "logm", "powm", "expm", "projector", "eigenvector"),
        "eigh_loss",
    ),
    "svd": ("polar", "rotation", "low_rank", "pinv", "svd_loss"),
}


def call(operation):
    """The expression that calls such a function."""
    return f"{operation}({', '.join(['A', *filter(None, [_OPTION.get(operation)])])})"


def entrants(found):
    """The entrants that follow from a decomposition."""
    known = {x: getattr(found, x) for x in ("name", "library", "framework", "meant", "source")}
    lines = found.setup.strip().splitlines()
    imports = [x for x in IMPORTS[found.framework].splitlines() if x not in lines]
    setup = "\n".join([*imports, *lines])
    return [
        Entrant(
            operation=operation,
            setup=f"{setup}\n\n{source(operation, found.framework)}",
            call=call(operation),
            through=found.problem,
            **known,
        )
        for operation in THROUGH[found.problem]
    ]


@functools.cache
def everyone():
    """(operation, name) -> entrant, of all modules, in the order of the tables."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"contest.entrants.{name}")
        through = [x for one in getattr(module, "DECOMPOSITIONS", ()) for x in entrants(one)]
        found |= {(x.operation, x.name): x for x in (*module.ENTRANTS, *through)}
    return dict(sorted(found.items(), key=lambda x: OPERATIONS.index(x[0][0])))
