"""Numbers in text: tables of them, and Matrix Market, dense or sparse.

That is not read through ``scipy.io.mmread``, which ends the whole process on some damaged files
(SciPy 1.17).
"""

import cmath
import csv
import io
import math
import re
import string
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spectralgrad.matrices import checks
from spectralgrad.matrices.checks import HINT, counted, damaged, fault, not_finite, shown
from spectralgrad.theory.arrays import Array, MatrixError

_SEPARATORS = f",{string.whitespace}"


def read_number(text: str) -> complex | None:
    """A float or a complex number, as people write it; None if it is neither."""
    # Python takes 1_000 for a number; in a data file it is more likely a slip.
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    text = re.sub(r"[iIJ](\)?)$", r"j\1", text.strip())
    # A run of spaces is looked at once, and the sign of an exponent stays where it is.
    text = re.sub(r"(?<![\seE])\s*([+-])\s*", r"\1", text)
    # Older NumPy saved 1-2j as 1+-2j.
    text = re.sub(r"(?<![eE])\+-", "-", text)
    try:
        # Python takes (5) for a complex number, and an accountant for -5.
        return complex(text) if "j" in text else None
    except ValueError:
        return None


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8 text (byte 0x{error.object[error.start]:02x})"
        raise fault(what, "save the matrix as text in UTF-8", f"line {line}") from None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number the lines of a text, of which there is no second copy in memory."""
    content = path.read_bytes()
    try:
        for line, text in enumerate(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig"), 1):
            if len(text) > checks.MAX_ENTRIES < sum(map(text.count, _SEPARATORS)):
                raise checks.too_many(f"line {line}")
            yield line, text
    except UnicodeDecodeError:
        # For the place, which a part of the text does not tell.
        decoded(content)


def _read_table(split: Callable[[str], list[str]], separator: str, path: Path) -> Array:
    mend = f"write one number per cell, separated by {separator}"
    numbers: list[complex] = []
    height, width, first = 0, 0, 0
    for line, text in lines(path):
        if not text.strip() or text.lstrip().startswith(("#", "%")):
            continue
        try:
            cells = split(text)
        except csv.Error as error:
            raise fault(str(error), mend, f"line {line}") from None
        row = _read_row(cells, line, mend, is_first=not first)
        if first and len(row) != width:
            what = f"{counted(len(row), 'number')}, where line {first} has {width}"
            raise fault(what, "make all rows equally long", f"line {line}")
        first, height, width = first or line, height + 1, len(row)
        numbers += row
        checks.check_size((height, width))
    if not numbers:
        raise fault("empty: no line with numbers", "put a matrix into it, a row per line")
    return np.array(numbers).reshape(height, width)


def _read_row(cells: list[str], line: int, mend: str, *, is_first: bool) -> list[complex]:
    row = []
    for column, cell in enumerate(cells, 1):
        value, place = read_number(cell), f"line {line}, column {column}"
        if value is None:
            mend = f"{mend} ({HINT})" + "; no header row" * is_first
            if is_first and not any(re.search(r"\d", cell) for cell in cells):
                mend = "remove the header row"
            raise fault(f"{shown(cell)} is not a number", mend, place)
        if not cmath.isfinite(value):
            raise not_finite(place, value)
        row.append(value)
    return row


def _split(delimiter: str, text: str) -> list[str]:
    # Line by line, so that an unclosed quote spoils one line and line numbers stay true.
    row = [text.rstrip("\n")]
    return next(csv.reader(row, delimiter=delimiter, skipinitialspace=True, strict=True))


def _split_txt(text: str) -> list[str]:
    text = text.strip()
    # 1,5 2,5 is more likely two decimal commas than four numbers.
    if "," in text and re.search(r"[^\s,]\s+[^\s,]", text):
        raise csv.Error("both commas and white space between numbers, or decimal commas")
    # Two commas in a row stay an empty cell: a number is missing there.
    return re.split(r"\s*,\s*|\s+", text)


read_csv = partial(_read_table, partial(_split, ","), "commas")
read_tsv = partial(_read_table, partial(_split, "\t"), "tabs")
read_txt = partial(_read_table, _split_txt, "white space or commas")


_Lines = Iterator[tuple[int, list[str]]]
_Places = Iterator[tuple[int, int]]

# Of each field, how many numbers make an entry.
_WIDTHS = {"pattern": 0, "real": 1, "double": 1, "integer": 1, "unsigned-integer": 1, "complex": 2}

# Of each symmetry, what stands on the other side of the diagonal.
_MIRRORS = {"symmetric": np.positive, "skew-symmetric": np.negative, "hermitian": np.conjugate}

_BANNER = re.compile(
    rf"%%matrixmarket matrix (coordinate|array(?! pattern)) ({'|'.join(_WIDTHS)}) "
    rf"(general|{'|'.join(_MIRRORS)})"
)


# Entries given twice add up, as in SciPy, and may overflow; that is checked at the end.
@np.errstate(over="ignore")
def read_mtx(path: Path) -> Any:
    """A matrix, sparse if it is too large otherwise; of a symmetric one the file has one side."""
    content = (
        (line, text.split())
        for line, text in lines(path)
        if line == 1 or not (text.startswith("%") or text.isspace())
    )
    field, symmetry, shape, *_ = head = _read_head(content)
    dtype, mirror = complex if field == "complex" else float, _MIRRORS.get(symmetry)
    entries = _read_entries(content, head)
    if math.prod(shape) > checks.MAX_ENTRIES:
        from scipy.sparse import coo_array

        table = np.fromiter(entries, [("i", int), ("j", int), ("value", dtype)])
        matrix = coo_array((table["value"], (table["i"], table["j"])), shape=shape)
        if mirror is not None:
            off = table[table["i"] != table["j"]]
            matrix += coo_array((mirror(off["value"]), (off["j"], off["i"])), shape=shape)
        return checks.settle(matrix)
    matrix = np.zeros(shape, dtype)
    for i, j, value in entries:
        matrix[i, j] += value
        if mirror is not None and i != j:
            matrix[j, i] += mirror(value)
    return matrix


def _damaged(reason: str, line: int) -> MatrixError:
    return damaged(".mtx", reason, "scipy.io.mmwrite", f"line {line}")


_Head = tuple[str, str, tuple[int, int], int, _Places | None]


def _read_head(content: _Lines) -> _Head:
    """Field, symmetry, shape, how many entries follow, and the places of a dense matrix's."""
    banner = _BANNER.fullmatch(" ".join(next(content, (1, []))[1]).lower())
    if not banner:
        raise _damaged("no Matrix Market banner", 1)
    layout, field, symmetry = banner.groups()
    line, words = next(content, (2, []))
    sizes = [_whole(word) for word in words]
    if len(sizes) != (3 if layout == "coordinate" else 2) or min(sizes) < 0:
        raise _damaged("no line of sizes", line)
    rows, columns, *stored = sizes
    checks.check_size((rows, columns), *stored)
    if symmetry != "general" and rows != columns:
        raise _damaged(f"{symmetry}, but {rows} × {columns}", line)
    if stored:
        return field, symmetry, (rows, columns), stored[0], None
    if symmetry == "general":
        places = ((i, j) for j in range(columns) for i in range(rows))
        return field, symmetry, (rows, columns), rows * columns, places
    # Down the columns, without what symmetry implies.
    skip = symmetry == "skew-symmetric"
    places = ((i, j) for j in range(columns) for i in range(j + skip, rows))
    return field, symmetry, (rows, columns), rows * (rows + 1) // 2 - skip * rows, places


def _read_entries(content: _Lines, head: _Head) -> Iterator[tuple[int, int, complex]]:
    """Yield for each entry its place, and its value."""
    field, symmetry, shape, stored, places = head
    found, line, parts = 0, 2, _WIDTHS[field]
    width, mirror, sides = parts if places else parts + 2, _MIRRORS.get(symmetry), set[int]()
    for line, words in content:
        found += 1
        if len(words) != width or found > stored:
            many = found > stored
            raise _damaged("more entries than promised" if many else f"not {width} numbers", line)
        i, j = next(places) if places else (_whole(words[0]) - 1, _whole(words[1]) - 1)
        if not (0 <= i < shape[0] and 0 <= j < shape[1]):
            raise _damaged(f"{shown(' '.join(words[:2]))} is no place in the matrix", line)
        numbers: list[Any] = [*map(read_number, words[width - parts :])] or [1.0]
        for word, number in zip(words[width - parts :], numbers, strict=False):
            if not isinstance(number, float):
                raise _damaged(f"{shown(word)} is not a number", line)
        value = complex(*numbers) if field == "complex" else numbers[0]
        if not cmath.isfinite(value):
            raise not_finite(f"line {line}", value)
        if mirror is not None:
            sides.add((i > j) - (i < j))
            if {-1, 1} <= sides:
                raise _damaged(f"{symmetry}, but with entries on both sides", line)
            if i == j and value != mirror(value):
                raise _damaged(f"no {symmetry} matrix has this on its diagonal", line)
        yield i, j, value
    if found < stored:
        raise _damaged(f"ends after {found} of the {stored} entries", line)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else -1
