"""What to do about the gradient of a function, and how to see that it is wrong.

What is found is a `spectralgrad.verdict.functions.FunctionVerdict`.
"""

from typing import Any

from spectralgrad.frameworks import TITLES

#: The recipes that replace what a function calls.
RECIPES = {
    **dict.fromkeys(("eigh", "eigvalsh"), "trace_function function projector eigenvector eigvalsh"),
    **dict.fromkeys(("svd", "svdvals"), "polar rotation nuclear_norm low_rank singular_vectors"),
    **dict.fromkeys(("norm", "matrix_norm"), "nuclear_norm spectral_norm"),
    **dict.fromkeys(("pinv", "pinverse", "lstsq"), "pinv"),
    **dict.fromkeys(("expm", "matrix_exp"), "expm"),
    **{name: name for name in ("sqrtm", "logm", "polar")},
}

_ELSE = {
    "no gradient here": "No program can find a gradient where there is none: take one of the valid "
    "ones (the chapter on generalised gradients), or let f treat alike what is equal here.",
    "not a function of the matrix": "Draw random numbers once, outside of f; of vectors, use only "
    "what no sign, phase or basis changes, as the projector v vᴴ (the chapter on gauge).",
    "undecided": "Give the matrix and compute in double precision, or add less to the value.",
    "not installed": "pip install 'spectralgrad[{}]', or choose another framework.",
}

# How a framework makes an array, finds the gradient, and applies it to a direction.
_CODE = {
    "torch": (
        "torch.tensor(x, dtype=torch.",
        "x = A.clone().requires_grad_(); G = torch.autograd.grad({f}(x), x)[0]",
        "(G.conj() * D).sum().real",
    ),
    "tensorflow": (
        "tf.constant(x, dtype=tf.",
        "with tf.GradientTape() as tape: tape.watch(A); y = {f}(A)",
        "tf.math.real(tf.reduce_sum(tf.math.conj(tape.gradient(y, A)) * D))",
    ),
    "jax": ("jnp.array(x, dtype=jnp.", "G = jax.grad({f})(A)", "(G * D).sum().real"),
    "autograd": ("anp.array(x, dtype=anp.", "G = autograd.grad({f})(A)", "(G * D).sum().real"),
}


def advice(found: Any) -> str:
    """What to do, in a sentence; empty if the gradient can be used as it is."""
    if found.verdict == "agrees":
        steps = ["take the complex conjugate of G"] if found.conjugated else []
        steps += ["replace G by (G + Gᴴ)/2"] if found.convention in ("lower", "upper") else []
        text = f"{' and '.join(steps)} before you compare or take a step."
        return text[:1].upper() + text[1:] if steps else ""
    if found.verdict in _ELSE or found.framework not in TITLES:
        else_ = _ELSE.get(found.verdict, "spectralgrad.theory has gradients for NumPy.")
        return else_.format(found.framework)
    kept = [(call, RECIPES[call].split()) for call in found.calls if call in RECIPES]
    if kept:
        texts = [f"{call} by one of {', '.join(names)}" for call, names in kept]
        return f"In spectralgrad.recipes.{found.framework}: replace {'; '.join(texts)}."
    if found.calls:
        return (
            f"No recipe replaces {', '.join(found.calls)}: use the gradient that the slopes make."
        )
    return "f calls no decomposition: look for a rule of your own, a detach or a stop_gradient."


def reproducer(found: Any, name: str) -> str:
    """Three lines that print a slope according to the gradient, and the one of the function."""
    worst = found.worst_direction
    if found.verdict != "wrong" or worst is None or found.framework not in _CODE:
        return ""
    dtype = found.matrix.dtype.name if worst.direction.dtype.kind == "f" else "complex128"
    array, gradient, slope = _CODE[found.framework]
    f, t = name.replace("<lambda>", "f"), f"{worst.window / 16:.0e}"
    given = f"{found.matrix.tolist()}, {worst.direction.tolist()}"
    difference = f"({f}(A + {t} * D) - {f}(A - {t} * D)) / {t} / 2"
    lines = (
        f"A, D = ({array}{dtype}) for x in ({given}))",
        gradient,
        f"print({slope}, {difference})",
    )
    return "\n".join(lines).replace("{f}", f)


def of_matrix(loss: str, problem: str, framework: str) -> str:
    """A loss of the factors as a function of the matrix, in code."""
    spaces = {"torch": "torch", "jax": "jnp", "tensorflow": "tf", "autograd": "anp"}
    linalg = f"{spaces.get(framework, 'np')}.linalg"
    if framework == "tensorflow" and problem == "svd":
        ordered = f"(lambda s, u, v: {loss}(u, s, tf.linalg.adjoint(v)))"
        return f"(lambda A: {ordered}(*tf.linalg.svd(A)))"
    thin = ", full_matrices=False" if problem == "svd" else ""
    return f"(lambda A: {loss}(*{linalg}.{problem}(A{thin})))"
