"""For maintainers: the smallest program for each gradient that is finite and wrong, and its truth.

A program is made of the entrant's own source, and run before anything is said of it: what is kept
is what it printed, beside the derivatives in 30 digits.
"""

import ast
import subprocess
import sys

import numpy as np

from contest import compositions, points, truth

#: From this relative error on, a gradient is wrong.
WRONG = 1e-2
DIGITS = 30
# The first of these points at which an entrant is wrong makes the shortest program.
_SHORT = ("integers", "integers, scale 1e-6", "all equal", "zeros", "tie, exact")
_PATIENCE = 300  # seconds for a program
_TRIES = 4  # points for each operation

_TORCH = """
A = torch.tensor({a}, dtype=torch.{dtype}, requires_grad=True)
W = torch.arange({size}, dtype=torch.{dtype}).reshape({shape})
loss = {loss}
loss.backward()
G = A.grad{conj}
"""
_JAX = """
jax.config.update("jax_enable_x64", True)
W = jnp.arange({size}, dtype=jnp.{dtype}).reshape({shape})


def loss(A):
    return {loss}


G = {conj}(jax.grad(loss)(jnp.array({a}, dtype=jnp.{dtype})))
"""
_TENSORFLOW = """
A = tf.Variable({a}, dtype=tf.{dtype})
W = tf.reshape(tf.cast(tf.range({size}), tf.{dtype}), ({shape}))
with tf.GradientTape() as tape:
    loss = {loss}
G = tape.gradient(loss, A).numpy()
"""
_AUTOGRAD = """
W = anp.arange({size}, dtype=anp.{dtype}).reshape({shape})


def loss(A):
    return {loss}


G = {conj}(autograd.grad(loss)(anp.array({a}, dtype=anp.{dtype})))
"""
_FRAMES = {
    "torch": (_TORCH, ("import torch",), "({}).sum()", ".resolve_conj()"),
    "jax": (_JAX, ("import jax", "import jax.numpy as jnp"), "({}).sum()", "jnp.conj"),
    "tensorflow": (_TENSORFLOW, ("import tensorflow as tf",), "tf.reduce_sum({})", ""),
    "autograd": (
        *(_AUTOGRAD, ("import autograd", "import autograd.numpy as anp")),
        *("anp.sum({})", "anp.conj"),
    ),
}
_REAL = {"torch": "torch.real", "jax": "jnp.real", "tensorflow": "tf.math.real"}
_REAL |= {"autograd": "anp.real"}


def weights(operation, matrix):
    """W of the loss, of whole numbers: 0, 1, 2, and so on, by rows."""
    shape = points.weights(operation, matrix).shape
    return np.arange(np.prod(shape), dtype=matrix.dtype).reshape(shape)


def program(entrant, matrix):
    """A program that prints the gradient of an entrant at a matrix."""
    frame, imports, total, conj = _FRAMES[entrant.framework]
    options = points.options(entrant.operation, matrix)
    lines = [f"{name} = {value!r}" for name, value in options.items()]
    call, is_complex = entrant.call, np.iscomplexobj(matrix)
    shape = weights(entrant.operation, matrix).shape
    if points.is_factor(matrix):
        # The function of A = B Bᵀ, by B.
        product = {"tensorflow": "A @ tf.transpose(A)"}.get(entrant.framework, "A @ A.T")
        lines.append("")
        lines += ["", f"def of_factor(A):\n    A = {product}\n    return {call}", ""]
        call = "of_factor(A)"
    scalar = entrant.operation.endswith("_loss")
    loss = call if scalar else total.format(f"W * {call}")
    if is_complex and not scalar:
        loss = f"{_REAL[entrant.framework]}({loss})"
    setup = entrant.setup.strip().splitlines()
    made = frame.format(
        a=matrix.tolist(),
        dtype=matrix.dtype.name,
        size=int(np.prod(shape)),
        shape=", ".join(map(str, shape)),
        loss=loss,
        conj=conj if is_complex else "",
    )
    last = "G"
    if points.is_hermitian(entrant.operation, matrix):
        adjoint = ".conj()" * is_complex + ".T"
        last = f"((G + G{adjoint}) / 2)"
    head = [line for line in imports if line not in setup]
    gap = ["", ""] if lines and setup[-1].startswith(" ") else []
    return "\n".join([*head, *setup, *gap, *lines, made.rstrip(), f"print({last}.tolist())"]) + "\n"


def printed(text):
    """Run a program, and return what it printed last as an array; None where that is no number."""
    command = [sys.executable, "-W", "ignore", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    try:
        return np.array(ast.literal_eval(done.stdout.strip().splitlines()[-1]))
    except (ValueError, SyntaxError, IndexError):
        return None


def true(operation, matrix):
    """The gradient of the program's loss, in mpmath's numbers."""
    found = truth.derivatives(matrix, [operation], weights=weights(operation, matrix))
    return found[operation][1]


def groups(records, conditions):
    """What is wrong for one reason: a name, and the operations with the points, the shortest first.

    A function of its own is one reason, and so is a rule for eigh or svd, whatever goes through it.
    A gradient is wrong if it is finite, and rounding of the matrix is no excuse.
    """
    rank = {point: i for i, point in enumerate(_SHORT)}
    known, found = compositions.everyone(), {}
    for operation, point, name, order, error, note in records:
        if order == 1 and error is not None and not note:
            eps = np.finfo(points.of(operation)[point].dtype).eps
            if error > max(WRONG, 100 * eps * conditions[operation][point]):
                reason = (name, known[operation, name].through or operation)
                found.setdefault(reason, {}).setdefault(operation, []).append(point)
    ordered = {
        reason: [[of, sorted(at, key=lambda p: rank.get(p, len(rank)))] for of, at in by.items()]
        for reason, by in found.items()
    }
    for by in ordered.values():
        by.sort(key=lambda x: rank.get(x[1][0], len(rank)))
    return [[name, by] for (name, _), by in ordered.items()]


def finding(name, by):
    """What a program of an entrant prints at the first matrix at which it is wrong, and the truth.

    With other weights than in the contest it may be right, or not finite: then there is none.
    """
    for operation, at in by:
        entrant = compositions.everyone()[operation, name]
        for point in at[:_TRIES]:
            matrix = points.of(operation)[point]
            text = program(entrant, matrix)
            got = printed(text)
            if got is None:
                continue
            right = true(operation, matrix)
            exact = right.astype(complex if np.iscomplexobj(matrix) else float)
            error = np.linalg.norm(got - exact) / np.linalg.norm(exact)
            if error > WRONG:
                about = {x: getattr(entrant, x) for x in ("name", "library", "meant", "source")}
                about |= {"operation": operation, "point": point, "also": dict(by)}
                about |= {"program": text, "printed": [[f"{x:.6g}" for x in row] for row in got]}
                return about | {"right": digits(right), "error": float(error)}
    return {}


def digits(array):
    """Rows of an array of mpmath's numbers, as strings."""
    return [[truth.MP.nstr(x, DIGITS) for x in row] for row in array]
