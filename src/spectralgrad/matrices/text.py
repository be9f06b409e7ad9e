"""Numbers in text, and tables of them."""

import cmath
import csv
import io
import re
import string
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from spectralgrad.matrices import checks
from spectralgrad.matrices.checks import HINT, counted, fault, not_finite, shown
from spectralgrad.theory.arrays import Array

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
