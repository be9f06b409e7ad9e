"""Matrix Market, dense or sparse.

Not through ``scipy.io.mmread``, which ends the whole process on some damaged files (SciPy 1.17).
"""

import cmath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectralgrad.matrices.binary import damaged
from spectralgrad.matrices.checks import check_size, not_finite, shown
from spectralgrad.matrices.text import lines, read_number
from spectralgrad.theory.arrays import Array, MatrixError

_Lines = Iterator[tuple[int, list[str]]]

# Of each field, how many numbers make an entry.
_WIDTHS = {"pattern": 0, "real": 1, "double": 1, "integer": 1, "unsigned-integer": 1, "complex": 2}

# Of each symmetry, what stands on the other side of the diagonal.
_MIRRORS: dict[str, Any] = {
    "symmetric": lambda z: z,
    "skew-symmetric": lambda z: -z,
    "hermitian": lambda z: z.conjugate(),
}


_BANNER = re.compile(
    rf"%%matrixmarket matrix (coordinate|array(?! pattern)) ({'|'.join(_WIDTHS)}) "
    rf"(general|{'|'.join(_MIRRORS)})"
)


class _Head(NamedTuple):
    """What the first two lines say."""

    is_sparse: bool
    field: str
    symmetry: str
    shape: tuple[int, int]
    stored: int


# Entries given twice add up, as in SciPy, and may overflow; that is checked at the end.
@np.errstate(over="ignore")
def read_mtx(path: Path) -> Array:
    """A matrix; of a symmetric one the file has one side."""
    content = (
        (line, text.split())
        for line, text in lines(path)
        if text.strip() and (line == 1 or not text.startswith("%"))
    )
    head = _read_head(content)
    matrix = np.zeros(head.shape, complex if head.field == "complex" else float)
    mirror, sides = _MIRRORS.get(head.symmetry), set()
    for line, i, j, value in _read_entries(content, head):
        matrix[i, j] += value
        if mirror is None:
            continue
        sides.add((i > j) - (i < j))
        if {-1, 1} <= sides:
            raise _damaged(f"{head.symmetry}, but with entries on both sides", line)
        if i != j:
            matrix[j, i] += mirror(value)
        elif value != mirror(value):
            raise _damaged(f"no {head.symmetry} matrix has this on its diagonal", line)
    return matrix


def _damaged(reason: str, line: int) -> MatrixError:
    return damaged(".mtx", reason, "scipy.io.mmwrite", f"line {line}")


def _read_head(content: _Lines) -> _Head:
    banner = _BANNER.fullmatch(" ".join(next(content, (1, []))[1]).lower())
    if not banner:
        raise _damaged("no Matrix Market banner", 1)
    layout, field, symmetry = banner.groups()
    line, words = next(content, (2, []))
    sizes = [_whole(word) for word in words]
    if len(sizes) != (3 if layout == "coordinate" else 2) or min(sizes) < 0:
        raise _damaged("no line of sizes", line)
    rows, columns, *stored = sizes
    check_size((rows, columns))
    if symmetry != "general" and rows != columns:
        raise _damaged(f"{symmetry}, but {rows} × {columns}", line)
    dense = rows * columns if symmetry == "general" else rows * (rows + 1) // 2
    dense -= rows if symmetry == "skew-symmetric" else 0
    return _Head(bool(stored), field, symmetry, (rows, columns), (*stored, dense)[0])


def _read_entries(content: _Lines, head: _Head) -> Iterator[tuple[int, int, int, complex]]:
    """Yield for each entry its line, its place, and its value."""
    (rows, columns), places, found, line = head.shape, _dense_places(head), 0, 2
    width = _WIDTHS[head.field] + 2 * head.is_sparse
    for line, words in content:
        found += 1
        if len(words) != width or found > head.stored:
            many = found > head.stored
            raise _damaged("more entries than promised" if many else f"not {width} numbers", line)
        if head.is_sparse:
            i, j = (_whole(word) - 1 for word in words[:2])
            if not (0 <= i < rows and 0 <= j < columns):
                raise _damaged(f"{shown(' '.join(words[:2]))} is no place in the matrix", line)
        else:
            i, j = next(places)
        written = words[width - _WIDTHS[head.field] :]
        parts: list[Any] = [read_number(word) for word in written] or [1.0]
        for word, part in zip(written, parts, strict=False):
            if not isinstance(part, float):
                raise _damaged(f"{shown(word)} is not a number", line)
        value = complex(*parts) if head.field == "complex" else parts[0]
        if not cmath.isfinite(value):
            raise not_finite(f"line {line}", value)
        yield line, i, j, value
    if found < head.stored:
        raise _damaged(f"ends after {found} of the {head.stored} entries", line)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else -1


def _dense_places(head: _Head) -> Iterator[tuple[int, int]]:
    """Down the columns, without what symmetry implies."""
    (rows, columns), skip = head.shape, head.symmetry == "skew-symmetric"
    is_general = head.symmetry == "general"
    return ((i, j) for j in range(columns) for i in range(0 if is_general else j + skip, rows))
