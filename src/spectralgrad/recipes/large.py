"""A few eigenpairs of a large Hermitian operator, with gradients in what its products are made of.

``eigsh`` of each framework gives k values, ascending, and their vectors, (n, k). For PyTorch,
TensorFlow and autograd, `spectralgrad.theory.large` finds them and their gradients, on the host, in
eager mode, and its conditions and errors hold; a second derivative is a NotImplementedError. JAX
has a method of its own (`spectralgrad.recipes.jax.eigsh`). In all of them,

``matvec``
    is x ↦ A x, ``matvec(x, *parameters)`` for a vector (n,), in functions of the framework. A is
    Hermitian whatever the parameters are.
``k``, ``which``
    are how many pairs, and ``"smallest"``, ``"largest"`` or, but for JAX, a number and ``solve``.
``n``, ``dtype``
    are the size and the type of x, as in ``"complex128"``; by default that of the parameters.
``options``
    are those of `spectralgrad.theory.krylov.eigen`; ``solve`` and ``preconditioner`` take arrays.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from spectralgrad.recipes import rules
from spectralgrad.recipes.rules import Factors, Namespace, Tensor
from spectralgrad.theory import krylov, large
from spectralgrad.theory.symmetric import adjoint

SECOND = "eigsh has first derivatives only, except in JAX"


def require_alike(made: Tensor, n: int, dtype: Any) -> None:
    """Refuse products that are not of the shape and type of vectors."""
    if made.shape != (n,) or made.dtype != dtype:
        what = f"{made.dtype} {tuple(made.shape)} of {dtype} {(n,)}"
        raise ValueError(f"matvec makes {what}; give another n or dtype")


def pull(pairs: krylov.Pairs, *cotangents: Tensor) -> Tensor:
    """X, for which that of A is the Hermitian part of X Vᴴ, so that A V has the cotangent X."""
    G, V = large.eigen_vjp(pairs, *cotangents), pairs.vectors
    both = G.left @ (adjoint(G.right) @ V)
    return 2 * both - V @ (adjoint(V) @ both)


def on_host(
    xp: Namespace,
    numpy: Callable[[Tensor], Any],
    once: Callable[[krylov.Pairs, Tensor], Factors],
    module: str,
) -> Callable[..., Factors]:
    """Make ``eigsh`` for a framework's module, with values and vectors ``once`` a function of A V.

    ``numpy`` makes an array of a tensor.
    """

    def eigsh(
        matvec: Callable[..., Tensor],
        k: int = 1,
        which: str | float = "smallest",
        *,
        parameters: Sequence[Tensor] = (),
        n: int,
        dtype: str | None = None,
        **options: Any,
    ) -> Factors:
        """A few eigenpairs of an operator, as `spectralgrad.recipes.large` says.

        What ``matvec`` takes from elsewhere gets its gradients too.
        """
        stopped = [xp.stop(xp.array(x)) for x in parameters]
        kind = dtype or np.result_type(np.float32, *(numpy(x).dtype for x in stopped))

        def product(x: Any) -> Any:
            return numpy(matvec(xp.array(x.reshape(-1)), *stopped))

        require_alike(product(np.zeros(n, kind)), n, kind)
        pairs = krylov.eigen(LinearOperator((n, n), product, dtype=kind), k, which, **options)
        columns = [matvec(xp.array(x), *parameters)[:, None] for x in pairs.vectors.T.copy()]
        return once(pairs, xp.concatenate(columns, -1))

    rules.place(eigsh, module)
    return eigsh
