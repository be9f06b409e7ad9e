"""The matrices and the numbers that the three source pages print, from ``published.toml``."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array


@dataclass(frozen=True)
class Printed:
    """An array as a source printed it: the numbers as text, a line for each row.

    It is a quantity of one of `MATRICES` by a framework, or by ``"numpy"``, an analytic formula.
    The version is empty where the source states none.
    """

    matrix: str
    quantity: str
    framework: str
    text: str
    version: str = ""

    @property
    def label(self) -> str:
        """Framework, version where the source states one, and that this is printed."""
        titles = {"autograd": "autograd", "torch": "PyTorch", "tensorflow": "TensorFlow"}
        title = titles.get(self.framework, "analytic formula")
        return " ".join(filter(None, (title, self.version, "(printed)")))

    @property
    def values(self) -> Array:
        """The printed numbers, a vector if there is one line of them."""
        return np.squeeze([[float(x) for x in row.split()] for row in self.text.splitlines()])

    @property
    def unit(self) -> Array:
        """One unit in the last printed place of each number, shape of `values`.

        Trailing zeros are not printed, so that the longest number tells how many places there are.
        """
        decimals = max(map(len, re.findall(r"\.(\d*)", self.text)))
        exponent = np.zeros(self.values.shape)
        if "e" in self.text:
            exponent = np.floor(np.log10(np.abs(self.values)))
        return 10.0 ** (exponent - decimals)

    @property
    def rounding(self) -> float:
        """Frobenius norm that rounding to the printed digits can at most amount to."""
        return float(np.linalg.norm(self.unit) / 2)

    def misses(self, values: ArrayLike) -> int:
        """Count the entries of `values` that would not print as these numbers."""
        difference = np.abs(np.asarray(values, dtype=float) - self.values)
        # A number half-way between two printed ones may be printed as either.
        return int(np.sum(~(difference <= self.unit * (0.5 + 1e-6))))


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

#: Name -> matrix, as float64.
MATRICES = {name: np.array(rows, dtype=float) for name, rows in _TABLES["matrices"].items()}

#: Name -> key of its source in ``references.bib``.
SOURCES: dict[str, str] = _TABLES["sources"]

#: Every array of numbers that the sources print.
PRINTED = tuple(Printed(**table) for table in _TABLES["printed"])


def find(matrix: str | None, quantity: str) -> dict[str, Printed]:
    """Everything printed about a quantity of a matrix, by framework; nothing of None."""
    return {p.framework: p for p in PRINTED if (p.matrix, p.quantity) == (matrix, quantity)}


def identify(matrix: Array) -> str | None:
    """Name of the published matrix that this array is, in its own dtype."""
    return next(
        (name for name, a in MATRICES.items() if np.array_equal(a.astype(matrix.dtype), matrix)),
        None,
    )
