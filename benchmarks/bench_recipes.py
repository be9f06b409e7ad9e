"""Time each recipe, forward and backward, against what one would write in the framework itself.

Usage: python benchmarks/bench_recipes.py [NAME ...] [--frameworks torch,jax] [--sizes 8,256,stack]
       python benchmarks/bench_recipes.py [NAME ...] --compile

One core, both ways in turns, medians of the ratios of a round. `stack` is 10,000 matrices of 3 × 3.
JAX is compiled, `graph` is TensorFlow in a tf.function, and the others are called as they are.
`--compile` times tracing and compilation by JAX at n = 256. Times of a busy machine say nothing,
the ratios do; of one that is not sure, there is only about what it is, as ~1.2.
"""

import argparse
import math
import os
import statistics
import time
from types import SimpleNamespace

import numpy as np

from spectralgrad.book import costs

SIZES = ("8", "64", "256", "512", "stack")
FRAMEWORKS = ("torch", "jax", "tensorflow", "graph", "autograd")
LIMITS = {"8": 1.3, "64": 1.2, "256": 1.1, "512": 1.1, "stack": 1.1}


def torch_library():
    """What the ways below need of PyTorch, and how it differentiates."""
    import torch

    from spectralgrad.recipes import torch as recipes

    torch.set_num_threads(1)

    def prepare(function, arrays, weights):
        inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
        weights = torch.tensor(weights)
        return lambda: torch.autograd.grad(function(*inputs), inputs, weights)

    la = torch.linalg
    return SimpleNamespace(
        **{x: getattr(torch, x) for x in ("abs", "exp", "log", "sqrt", "tanh", "sign", "where")},
        **{x: getattr(la, x) for x in ("eigh", "eigvalsh", "cholesky", "det", "pinv", "svdvals")},
        recipes=recipes,
        prepare=prepare,
        array=torch.tensor,
        svd=lambda a, full=False: la.svd(a, full_matrices=full),
        adjoint=lambda a: a.mH,
        # With the triangular matrix on the left.
        solve=lambda t, a: la.solve_triangular(t, a, upper=False),
        solve_adjoint=lambda t, a: la.solve_triangular(t.mH, a, upper=True),
        sum=lambda a: a.sum(-1),
        nuclear=lambda a: la.matrix_norm(a, "nuc"),
        spectral=lambda a: la.matrix_norm(a, 2),
        stack=torch.stack,
    )


def jax_library():
    """The same of JAX, compiled."""
    import jax
    import jax.numpy as jnp

    from spectralgrad.recipes import jax as recipes

    jax.config.update("jax_enable_x64", True)

    def prepare(function, arrays, weights):
        arrays = [jnp.asarray(a) for a in arrays]
        gradient = jax.jit(lambda weights, *a: jax.vjp(function, *a)[1](weights))
        return lambda: jax.block_until_ready(gradient(weights, *arrays))

    def solve(t, a, adjoint=False):
        return jax.lax.linalg.triangular_solve(
            t, a, left_side=True, lower=True, transpose_a=adjoint, conjugate_a=adjoint
        )

    la = jnp.linalg
    return SimpleNamespace(
        **{x: getattr(jnp, x) for x in ("abs", "exp", "log", "sqrt", "tanh", "sign", "where")},
        **{x: getattr(la, x) for x in ("eigh", "eigvalsh", "cholesky", "det", "pinv", "svdvals")},
        recipes=recipes,
        prepare=prepare,
        array=jnp.asarray,
        svd=lambda a, full=False: la.svd(a, full_matrices=full),
        adjoint=lambda a: a.mT.conj(),
        solve=solve,
        solve_adjoint=lambda t, a: solve(t, a, adjoint=True),
        sum=lambda a: a.sum(-1),
        nuclear=lambda a: la.norm(a, "nuc", axis=(-2, -1)),
        spectral=lambda a: la.norm(a, 2, axis=(-2, -1)),
    )


def tensorflow_library(graph=False):
    """The same of TensorFlow."""
    import tensorflow as tf

    from spectralgrad.recipes import tensorflow as recipes

    def prepare(function, arrays, weights):
        inputs, weights = [tf.constant(a) for a in arrays], tf.constant(weights)

        def gradient():
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = function(*inputs)
            return tape.gradient(value, inputs, output_gradients=weights)

        return tf.function(gradient) if graph else gradient

    def svd(a, full=False):
        s, u, v = la.svd(a, full_matrices=full)
        return u, s, la.adjoint(v)

    la, svdvals = tf.linalg, lambda a: tf.linalg.svd(a, compute_uv=False)
    return SimpleNamespace(
        **{x: getattr(tf.math, x) for x in ("abs", "exp", "log", "sqrt", "tanh", "sign")},
        **{x: getattr(la, x) for x in ("eigh", "eigvalsh", "cholesky", "det", "pinv", "adjoint")},
        where=tf.where,
        recipes=recipes,
        prepare=prepare,
        array=tf.constant,
        svd=svd,
        svdvals=svdvals,
        solve=la.triangular_solve,
        solve_adjoint=lambda t, a: la.triangular_solve(t, a, adjoint=True),
        sum=lambda a: tf.reduce_sum(a, -1),
        nuclear=lambda a: tf.reduce_sum(svdvals(a), -1),
        spectral=lambda a: svdvals(a)[..., 0],
    )


def autograd_library():
    """The same of HIPS autograd, which has no triangular solver."""
    import autograd.numpy as anp
    from autograd import make_vjp

    from spectralgrad.recipes import autograd as recipes

    def prepare(function, arrays, weights):
        places = tuple(range(len(arrays)))
        return lambda: make_vjp(function, places)(*arrays)[0](weights)

    def adjoint(a):
        return anp.conj(anp.swapaxes(a, -1, -2))

    def svdvals(a):
        return la.svd(a, compute_uv=False)

    la = anp.linalg
    return SimpleNamespace(
        **{x: getattr(anp, x) for x in ("abs", "exp", "log", "sqrt", "tanh", "sign", "where")},
        **{x: getattr(la, x) for x in ("eigh", "cholesky", "det", "pinv", "solve")},
        recipes=recipes,
        prepare=prepare,
        array=anp.array,
        adjoint=adjoint,
        eigvalsh=lambda a: la.eigh(a)[0],
        svd=lambda a, full=False: la.svd(a, full_matrices=full),
        svdvals=svdvals,
        solve_adjoint=lambda t, a: la.solve(adjoint(t), a),
        sum=lambda a: anp.sum(a, -1),
        nuclear=lambda a: anp.sum(svdvals(a), -1),
        spectral=lambda a: svdvals(a)[..., 0],
    )


LIBRARIES = {
    "torch": torch_library,
    "jax": jax_library,
    "tensorflow": tensorflow_library,
    "graph": lambda: tensorflow_library(graph=True),
    "autograd": autograd_library,
}


def of_values(xp, a, f):
    """V f(Λ) Vᴴ."""
    values, v = xp.eigh(a)
    return (v * f(values)[..., None, :]) @ xp.adjoint(v)


def of_singular_values(xp, a, f):
    """U f(Σ) Vᴴ, or U[:, k] f(Σ)[k] Vᴴ[k] if f gives fewer."""
    u, s, vh = xp.svd(a)
    found = f(s)
    k = found.shape[-1]
    return (u[..., :, :k] * found[..., None, :]) @ vh[..., :k, :]


def rotation(xp, a):
    """U diag(1, …, 1, det U Vᴴ) Vᴴ."""
    u, _, vh = xp.svd(a)
    sign = xp.sign(xp.det(u @ vh))[..., None, None]
    return u[..., :, :-1] @ vh[..., :-1, :] + sign * u[..., :, -1:] @ vh[..., -1:, :]


def quaternion(xp, a):
    """The nearest rotation of three dimensions by the quaternion of Horn (1987)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = ([a[..., i, j] for j in range(3)] for i in range(3))
    rows = [
        [xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, xx - yy - zz, xy + yx, zx + xz],
        [xz - zx, xy + yx, yy - xx - zz, yz + zy],
        [yx - xy, zx + xz, yz + zy, zz - xx - yy],
    ]
    matrix = xp.stack([xp.stack(row, -1) for row in rows], -2)
    w, x, y, z = xp.eigh(matrix)[1][..., -1].unbind(-1)
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return xp.stack([xp.stack(row, -1) for row in rows], -2)


def standard(xp, a, b):
    """Eigenvalues and vectors of A v = λ B v, with Vᴴ B V = 1."""
    lower = xp.cholesky(b)
    half = xp.solve(lower, a)
    values, v = xp.eigh(xp.solve(lower, xp.adjoint(half)))
    return values, xp.solve_adjoint(lower, v)


def leading_projector(xp, v, rank, b=None):
    """V Vᴴ of the last columns, or V Vᴴ B."""
    kept = v[..., :, v.shape[-1] - rank :]
    product = kept @ xp.adjoint(kept)
    return product if b is None else product @ b


def own_singular_vectors(xp, a):
    """u₁ + v₁."""
    u, _, vh = xp.svd(a)
    return u[..., :, 0] + xp.adjoint(vh)[..., :, 0]


def of_vectors(xp):
    """Losses of (λ, V) and of (U, σ, Vᴴ), the same in every basis: eᵀ f(A) e."""
    return (
        lambda values, v: xp.sum(xp.tanh(values) * v[..., 0, :] ** 2),
        lambda u, s, vh: xp.sum(xp.tanh(s) * u[..., 0, :] * vh[..., :, 0]),
    )


def recipe(xp, name, options):
    """The recipe of a name, of A or of A and B; of two vectors, their sum."""
    function = getattr(xp.recipes, name.split(",")[0])
    if name.startswith("invariant"):
        return function(*options)

    def call(a, *b):
        found = function(a, *options, **dict(zip("b", b, strict=False)))
        return sum(found) if isinstance(found, tuple) else found

    return call


def hermitian(xp, rank):
    """By name, the options of a recipe of a positive definite A and what one would write."""
    derivative = (xp.tanh, lambda x: 1 - xp.tanh(x) ** 2)
    loss = of_vectors(xp)[0]
    return {
        "function": (derivative, lambda a: of_values(xp, a, xp.tanh)),
        "trace_function": (derivative, lambda a: xp.sum(xp.tanh(xp.eigvalsh(a)))),
        "sqrtm": ((), lambda a: of_values(xp, a, xp.sqrt)),
        "inv_sqrtm": ((), lambda a: of_values(xp, a, lambda x: x**-0.5)),
        "powm": ((0.3,), lambda a: of_values(xp, a, lambda x: x**0.3)),
        "logm": ((), lambda a: of_values(xp, a, xp.log)),
        "expm": ((), lambda a: of_values(xp, a, xp.exp)),
        "projector": ((rank,), lambda a: leading_projector(xp, xp.eigh(a)[1], rank)),
        "eigenvector": ((0,), lambda a: xp.eigh(a)[1][..., :, 0]),
        "eigvalsh": ((), xp.eigvalsh),
        "invariant_eigh": ((loss,), lambda a: loss(*xp.eigh(a))),
        "projector, b": (
            (rank,),
            lambda a, b: leading_projector(xp, standard(xp, a, b)[1], rank, b),
        ),
        "eigenvector, b": ((0,), lambda a, b: standard(xp, a, b)[1][..., :, 0]),
        "eigvalsh, b": ((), lambda a, b: standard(xp, a, b)[0]),
    }


def general(xp, rank):
    """The same of any A."""
    loss = of_vectors(xp)[1]

    def soft(s):
        return xp.where(s > 0.5, s - 0.5, 0 * s)

    return {
        "polar": ((), lambda a: of_singular_values(xp, a, lambda s: 1 + 0 * s)),
        "rotation": ((), lambda a: rotation(xp, a)),
        "low_rank": ((rank,), lambda a: of_singular_values(xp, a, lambda s: s[..., :rank])),
        "soft_threshold": ((0.5,), lambda a: of_singular_values(xp, a, soft)),
        "pinv": ((), xp.pinv),
        "null_vector": ((), lambda a: xp.adjoint(xp.svd(a, full=True)[2])[..., :, -1]),
        "singular_vectors": ((0,), lambda a: own_singular_vectors(xp, a)),
        "invariant_svd": ((loss,), lambda a: loss(*xp.svd(a))),
        "nuclear_norm": ((), xp.nuclear),
        "spectral_norm": ((), xp.spectral),
    }


def drawn(positive, size, count):
    """Matrices in general position, one or 10,000."""
    rng = np.random.default_rng(0)
    shape = (10_000, 3, 3) if size == "stack" else (int(size), int(size))
    found = [rng.standard_normal(shape) for _ in range(count)]
    if not positive:
        return found
    return [a @ np.swapaxes(a, -1, -2) / shape[-1] + np.eye(shape[-1]) for a in found]


def ways(xp, name, size):
    """By name, functions of the same matrices; these, and the weights of a sum of the values."""
    rank = 1 if size == "stack" else int(size) // 2
    positive = name in hermitian(xp, rank)
    options, own = (hermitian if positive else general)(xp, rank)[name]
    arrays = drawn(positive, size, 1 + name.endswith(", b"))
    functions = {"recipe": recipe(xp, name, options), "own": own}
    if name == "rotation" and size == "stack" and hasattr(xp, "stack"):
        functions["quaternion"] = lambda a: quaternion(xp, a)
    value = np.asarray(own(*map(xp.array, arrays)))
    return functions, arrays, np.random.default_rng(1).standard_normal(value.shape)


def timed(xp, name, size, rounds):
    """The time of a recipe in milliseconds, and its ratios to the other ways."""
    functions, arrays, weights = ways(xp, name, size)
    found = costs.compare(
        lambda way, *_: xp.prepare(functions[way], arrays, weights),
        *(name, arrays[0], functions),
        rounds=rounds,
    )
    by_way = {cost.way: cost for cost in found.costs}
    recipe = by_way.pop("recipe", None)
    texts = [f"{way}: {error}" for way, error in found.refused.items()]
    if not recipe:
        return math.nan, *texts
    for way, cost in by_way.items():
        texts.append(f"{way} {said(recipe, cost, LIMITS[size])}")
    return recipe.median * 1e3, ", ".join(texts)


def compiled(xp, name, rounds):
    """The time in which JAX traces and compiles a recipe and its gradient, and the ratio."""
    import jax

    functions, arrays, weights = ways(xp, name, "256")
    seconds = {way: [] for way in functions}
    for _ in range(rounds):
        for way, function in functions.items():
            jax.clear_caches()
            start = time.perf_counter()

            def gradient(weights, *a, function=function):
                return jax.vjp(function, *a)[1](weights)

            jax.jit(gradient).lower(weights, *arrays).compile()
            seconds[way].append(time.perf_counter() - start)
    pairs = zip(seconds["recipe"], seconds["own"], strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(seconds["recipe"]) * 1e3, f"compiled {ratio:.2f}{mark(ratio, 1.5)}"


def said(recipe, other, limit):
    """The ratio of two costs with its interval, or about what it is."""
    ratio = costs.ratio(recipe, other)
    if ratio is None:
        return f"~{recipe.median / other.median:.2f}"
    return "{1:.2f} ({0:.2f}–{2:.2f})".format(*ratio) + mark(ratio[1], limit)


def mark(ratio, limit):
    """What shows a ratio above the one that is wanted."""
    return " !" if ratio > limit else ""


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="functions; all if none is given")
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    # One core for every library, whatever its own settings are.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for framework in ["jax"] if given.compile else given.frameworks.split(","):
        xp = LIBRARIES[framework]()
        for name in given.names or [*hermitian(xp, 1), *general(xp, 1)]:
            if not hasattr(xp.recipes, name.split(",")[0]):
                continue
            for size in ["256"] if given.compile else given.sizes.split(","):
                if given.compile:
                    ms, text = compiled(xp, name, given.rounds)
                else:
                    ms, text = timed(xp, name, size, given.rounds)
                print(f"{name:<17}{framework:<11}{size:<6}{ms:>9.3g} ms  {text}", flush=True)


if __name__ == "__main__":
    main()
