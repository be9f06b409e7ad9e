"""Arrays, nested lists of whatever a person puts into them, and those as JSON."""

import numbers
from pathlib import Path
from typing import Any

import numpy as np

from spectralgrad.matrices import checks
from spectralgrad.matrices.checks import HINT, check_size, counted, fault, place_of, shown
from spectralgrad.matrices.text import decoded, read_number
from spectralgrad.system.errors import said
from spectralgrad.theory.arrays import Array, MatrixError

# NumPy's own limit; it also ends the walk into a list that contains itself.
_MAX_DEPTH = 64
# Of an object in JSON it is enough that it is one; many that are the same take no memory.
_OBJECT = object()
_JSON_NAMES = {"None": "null", "True": "true", "False": "false"}


def as_array(source: Any) -> Array:
    """The numbers of anything that NumPy takes for an array."""
    if np.ma.is_masked(source):
        raise fault("has masked entries", "fill them in with .filled(value)")
    kind = type(source).__name__
    try:
        array = np.asarray(source)
    # __array__ is anybody's code: a PyTorch tensor that requires a gradient raises RuntimeError.
    except Exception as error:
        what = f"a {kind} that NumPy cannot read ({said(error, 200)})"
        raise fault(what, "pass a NumPy array") from None
    if array.dtype == object and array.ndim == 0:
        mend = "pass a published name, a path, a nested list or an array"
        raise fault(f"a {kind}, not a matrix", mend)
    checks.check_kind(array.dtype)
    check_size(array.shape)
    return array


def read_json(path: Path) -> Array:
    """The numbers of a nested list in a file."""
    return from_json(decoded(path.read_bytes()))


def from_json(text: str) -> Array:
    """The numbers of a nested list, written as JSON."""
    import json

    # Of whatever Python would make, each has one of these before it, or is the first.
    if sum(map(text.count, ",[{")) > 2 * checks.MAX_ENTRIES + 1:
        raise checks.too_many()
    try:
        # As floats, because Python refuses to read an integer of thousands of digits.
        value = json.loads(text, parse_int=float, object_pairs_hook=lambda _: _OBJECT)
    except json.JSONDecodeError as error:
        mend = f"write a nested list, such as [[1, 2], [3, 4]], {HINT}"
        place = f"line {error.lineno}, column {error.colno}"
        raise fault(f"not valid JSON ({error.msg})", mend, place) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, list):
        raise fault("JSON, but not a nested list", "write a list of rows: [[1, 2], [3, 4]]")
    return from_nested(value, is_json=True)


def _too_deep() -> MatrixError:
    return fault("nested too deeply", "pass a list of rows, such as [[1, 2], [3, 4]]")


def from_nested(source: Any, *, is_json: bool = False) -> Array:
    """The numbers of a nested list, level by level; its shape is that of its first items."""
    ndim, first = 0, _plain(source)
    while isinstance(first, list | tuple):
        ndim, first = ndim + 1, _plain(first[0]) if first else None
        if ndim > _MAX_DEPTH:
            raise _too_deep()
    shape: list[int] = []
    level = [source]
    for noun in [*["item"] * (ndim - 2), "row", "number"][-ndim:]:
        items = [_plain(item) for item in level]
        length = len(items[0])
        for i, item in enumerate(items):
            is_list = isinstance(item, list | tuple)
            if not is_list or len(item) != length:
                found = counted(len(item), noun) if is_list else shown(item)
                place = place_of(np.unravel_index(i, shape), ndim)
                what = f"{found} instead of {counted(length, noun)}"
                raise fault(what, "make all rows equally long", place)
        shape.append(length)
        check_size(shape)
        level = [child for item in items for child in item]
    flat = []
    for i, item in enumerate(level):
        try:
            flat.append(_entry(item, is_json))
        except MatrixError as error:
            error.place = place_of(np.unravel_index(i, shape), ndim)
            raise
    return np.array(flat).reshape(shape)


def _plain(item: Any) -> Any:
    if not isinstance(item, list | tuple | str) and hasattr(item, "__array__"):
        return as_array(item).tolist()
    return item


def _entry(item: Any, is_json: bool) -> complex:
    # Most are, and the other questions take most of the time.
    if type(item) is float:
        return item
    item = _plain(item)
    value = read_number(item) if isinstance(item, str) else item
    if not isinstance(value, numbers.Complex) or (is_json and isinstance(item, bool)):
        what = _JSON_NAMES.get(shown(item), shown(item)) if is_json else shown(item)
        raise fault(f"{what} is not a number", f"write a number there ({HINT})")
    try:
        return float(value) if isinstance(value, numbers.Real) else complex(value)
    except OverflowError:
        raise fault("too large for a float64", "scale the matrix down") from None
