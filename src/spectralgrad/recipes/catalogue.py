"""All operations, for the module of a framework, and what their options have to be."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any

from spectralgrad.recipes import hermitian, invariant, rules, selected, singular
from spectralgrad.recipes.rules import Namespace, Option, Rule, Tensor

OPERATIONS = (
    *(hermitian.function, hermitian.trace_function, hermitian.sqrtm, hermitian.inv_sqrtm),
    *(hermitian.powm, hermitian.logm, hermitian.expm),
    *(selected.projector, selected.eigenvector, selected.eigvalsh),
    *(singular.polar, singular.rotation, singular.low_rank, singular.soft_threshold),
    *(singular.nuclear_norm, singular.spectral_norm),
    *(selected.pinv, selected.null_vector, selected.singular_vectors),
)


#: For the options of the rules: what they have to be, in words and as a test.
_SENSIBLE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rank": ("a whole number from 0", lambda x: isinstance(x, int) and x >= 0),
    "index": ("a whole number", lambda x: isinstance(x, int)),
    "rtol": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "threshold": ("a number from 0", lambda x: x >= 0),
}
_FUNCTIONS = ("f", "df", "d2f")


def checked(name: str, option: Option) -> Option:
    """An option as a number of Python, which does not widen the dtype of an array."""
    if option is None and name in ("rtol", "d2f"):
        return None
    if name in _FUNCTIONS:
        if not callable(option):
            raise TypeError(
                f"{name} is a function of an array, and this is of the type {type(option).__name__}"
            )
        return option
    if not isinstance(option, numbers.Real):
        raise TypeError(f"an option is a number, and this is of the type {type(option).__name__}")
    number = int(option) if isinstance(option, numbers.Integral) else float(option)
    wanted, is_sensible = _SENSIBLE.get(name, ("a finite number", math.isfinite))
    if isinstance(option, bool) or not (is_sensible(number) and math.isfinite(number)):
        raise ValueError(f"{name}: {option} will not do; give {wanted}")
    return number


def operation(xp: Namespace, of: Rule | Callable[..., Any], module: str) -> Callable[..., Tensor]:
    """Make a function of a framework's module, of a rule or of a function of ``(xp, matrix, …)``.

    It takes options by name too, and refuses those that make no sense: with a TypeError one that is
    missing, unknown or an array, which would get no gradient, and with a ValueError a number.
    """
    if isinstance(of, Rule):
        declared, call = of.declared, functools.partial(rules.apply, xp, of)
    else:
        declared, call = of, functools.partial(of, xp)
    _, _, *known = inspect.signature(declared).parameters.values()
    places = [x for x in known if x.kind is not inspect.Parameter.KEYWORD_ONLY]
    defaults = tuple(option.default for option in places)
    least = defaults.count(inspect.Parameter.empty)
    matrix = inspect.Parameter("matrix", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([matrix, *(x.replace(annotation=x.empty) for x in known)])
    usage = f"call it as {declared.__name__}{signature}"

    def of_matrix(matrix: Tensor, *options: Option, **named: Option) -> Tensor:
        arrays: dict[str, Tensor] = {}
        if named:
            bound = signature.bind(matrix, *options, **named)
            bound.apply_defaults()
            options, arrays = bound.args[1:], bound.kwargs
        if not least <= len(options) <= len(places):
            raise TypeError(usage)
        options += defaults[len(options) :]
        given = zip(places, options, strict=True)
        numbers = [checked(option.name, x) for option, x in given]
        matrix = xp.array(matrix)
        wide = xp.wide(matrix)
        result = call(wide, *numbers, **arrays)
        if wide is matrix:
            return result
        narrow = functools.partial(xp.cast, like=matrix)
        return tuple(map(narrow, result)) if isinstance(result, tuple) else narrow(result)

    functools.update_wrapper(of_matrix, declared)
    of_matrix.__signature__ = signature  # type: ignore[attr-defined]
    rules.place(of_matrix, module)
    # A graph holds no functions as options.
    return of_matrix if set(_FUNCTIONS) & {x.name for x in known} else xp.in_graph(of_matrix)


def operations(xp: Namespace, module: str) -> dict[str, Callable[..., Any]]:
    """Name -> operation, and what makes one of another rule."""

    def own(rule: Rule) -> Callable[..., Any]:
        """Make a function of a matrix, with both derivatives, of a rule."""
        return operation(xp, rule, module)

    own.__name__ = "operation"
    rules.place(own, module)
    made = [operation(xp, of, module) for of in OPERATIONS]
    made += invariant.functions(xp, module)
    return {of.__name__: of for of in (*made, own)}
