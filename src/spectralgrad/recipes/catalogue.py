"""All operations, for the module of a framework."""

from collections.abc import Callable
from typing import Any

from spectralgrad.recipes import hermitian, rules, selected, singular
from spectralgrad.recipes.rules import Namespace, Rule, Sum

OPERATIONS = (
    *(hermitian.function, hermitian.trace_function, hermitian.sqrtm, hermitian.inv_sqrtm),
    *(hermitian.powm, hermitian.logm, hermitian.expm),
    *(selected.projector, selected.eigenvector, selected.eigvalsh),
    *(singular.polar, singular.rotation, singular.low_rank, singular.soft_threshold),
    *(singular.nuclear_norm, singular.spectral_norm),
    *(selected.pinv, selected.null_vector, selected.singular_vectors),
)


def operations(xp: Namespace, module: str) -> dict[str, Callable[..., Any]]:
    """Name -> operation, and what makes one of another rule."""

    def operation(rule: Rule | Sum) -> Callable[..., Any]:
        """Make a function of a matrix, with both derivatives, of a rule."""
        return rules.operation(xp, rule, module)

    rules.place(operation, module)
    made = [rules.operation(xp, of, module) for of in OPERATIONS]
    return {of.__name__: of for of in (*made, operation)}
