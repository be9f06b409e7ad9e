"""For tests of programs that differentiate functions of a matrix."""

from collections.abc import Callable
from typing import Any

from spectralgrad.matrices import Source
from spectralgrad.verdict import functions, losses


def assert_gradient(
    function: Callable[..., Any],
    matrix: Source,
    *,
    framework: str = "torch",
    problem: str | None = None,
    rtol: float | None = None,
    **options: Any,
) -> None:
    """Fail, as a test does, unless a framework's gradient at a matrix is the derivative there.

    It has to be what `spectralgrad.verdict.functions.check_function` finds by differences. So it
    passes where PyTorch's ``gradcheck`` and JAX's ``check_grads`` fail for other reasons, as at
    symmetric input, of which they change single entries; and it fails where these pass and the
    value depends on a sign, a phase or a basis. An AssertionError has the finding, what to do, and
    three lines that reproduce what is wrong.

    Parameters
    ----------
    problem : {"eigh", "svd"}, optional
        The function takes the factors, as for `spectralgrad.verdict.losses.check_loss`.
    rtol : float, optional
        The relative error, in Frobenius norm, that the gradient may have; by default what the
        differences can tell.
    **options
        As for the check.
    """
    if problem is None:
        found = functions.check_function(function, matrix, framework, **options)
    else:
        found = losses.check_loss(function, matrix, problem, framework, **options)
    if found.verdict != "agrees" or not (rtol is None or found.relative_error <= rtol):
        said = (f"{found.verdict}: {found.message}", found.advice, found.reproducer)
        raise AssertionError("\n".join(filter(None, said)))
