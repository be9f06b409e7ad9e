"""The matrices and the numbers that the three source pages print.

A blog post of January 2020 on SVD gradients in autograd and TensorFlow states no versions. A
question of 2019 on eigh gradients has TensorFlow 1.14.0 and PyTorch 1.0.1. An article of January
2025 on ``tf.svd`` and ``GradientTape`` prints a matrix, and no numbers.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array


def _stack_overflow() -> Array:
    # NumPy freezes the stream of RandomState, so the seed of 2019 still gives the same matrix.
    square = np.random.RandomState(123).randn(4, 4)
    return square + square.T


#: Name -> matrix, as float64.
MATRICES = {
    "blog-rank-2": np.array(
        [[1, 2, 3, 4, 5], [6, 7, 8, 9, 0], [1, 2, 3, 4, 5], [6, 7, 8, 9, 0], [1, 2, 3, 4, 5]],
        dtype=float,
    ),
    "blog-full-rank": np.array(
        [[2, 2, 3, 4, 5], [6, 7, 2, 9, 0], [1, 2, 2, 4, 5], [6, 2, 8, 9, 0], [1, 2, 3, 4, 5]],
        dtype=float,
    ),
    "stack-overflow": _stack_overflow(),
    "article-2x2": np.array([[1.0, 2.0], [3.0, 4.0]]),
}

#: Name -> key of its source in ``references.bib``.
SOURCES = {
    "blog-rank-2": "tensorflowtutorial2020",
    "blog-full-rank": "tensorflowtutorial2020",
    "stack-overflow": "stackoverflow2019",
    "article-2x2": "gradienttape2025",
}


@dataclass(frozen=True)
class Printed:
    """An array as a source printed it.

    Attributes
    ----------
    matrix : str
        Name in `MATRICES`.
    quantity : str
        ``"singular values"``, ``"gradient of the nuclear norm"`` or
        ``"gradient of the smallest eigenvalue"``.
    framework : str
        ``"autograd"``, ``"tensorflow"``, ``"torch"`` or ``"numpy"`` (an analytic formula).
    text : str
        The numbers, a line for each row.
    version : str
        The version that the source states, or ``""`` where it states none.
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


_VALUES = "singular values"
_NORM = "gradient of the nuclear norm"
_SMALLEST = "gradient of the smallest eigenvalue"

_FULL_RANK_GRADIENT = """\
 0.6523  0.0744  0.159  -0.2673  0.6872
 0.3692  0.7379 -0.2595  0.4647 -0.1895
-0.1738 -0.3197 -0.3244  0.6852  0.5411
 0.3227 -0.2817  0.7171  0.4887 -0.2518
-0.5512  0.5181  0.5365  0.0651  0.3683"""
_FULL_RANK_VALUES = "20.6259  7.8468  5.5151  0.6618  0.3809"

#: Every array of numbers that the sources print.
PRINTED = (
    Printed("blog-rank-2", _VALUES, "autograd",
            "2.3617e+01 8.1995e+00 1.0725e-15 2.0245e-16 2.8529e-33"),
    Printed("blog-rank-2", _VALUES, "tensorflow",
            "2.3617e+01 8.1995e+00 1.6554e-07 1.2132e-07 1.0287e-07"),
    Printed("blog-rank-2", _NORM, "autograd", """\
-0.7682  0.3316  0.2661  0.297   0.3752
 0.412   0.7662  0.4684 -0.1456 -0.0505
 0.359   0.2421 -0.5396  0.3314  0.6415
 0.2086 -0.1071  0.2293  0.8818 -0.339
 0.2601 -0.4825  0.605  -0.0565  0.5747"""),
    Printed("blog-rank-2", _NORM, "tensorflow", """\
-0.7078  0.4885  0.0953  0.2866  0.4112
 0.0401 -0.1484  0.6581  0.645  -0.3567
 0.326  -0.263  -0.3958  0.6185  0.5342
 0.5805  0.8075  0.0395  0.0912 -0.0329
 0.2327 -0.1343  0.6321 -0.3332  0.6459"""),
    Printed("blog-full-rank", _VALUES, "autograd", _FULL_RANK_VALUES),
    Printed("blog-full-rank", _VALUES, "tensorflow", _FULL_RANK_VALUES),
    Printed("blog-full-rank", _NORM, "autograd", _FULL_RANK_GRADIENT),
    Printed("blog-full-rank", _NORM, "tensorflow", _FULL_RANK_GRADIENT),
    Printed("stack-overflow", _SMALLEST, "numpy", """\
 0.312 -0.204 -0.398 -0.12
-0.204  0.133  0.26   0.079
-0.398  0.26   0.509  0.154
-0.12   0.079  0.154  0.046"""),
    Printed("stack-overflow", _SMALLEST, "torch", """\
0.312 -0.407 -0.797 -0.241
0.     0.133  0.52   0.157
0.     0.     0.509  0.308
0.     0.     0.     0.046""", "1.0.1"),
    Printed("stack-overflow", _SMALLEST, "tensorflow", """\
 0.312 0.    0.    0.
-0.407 0.133 0.    0.
-0.797 0.52  0.509 0.
-0.241 0.157 0.308 0.046""", "1.14.0"),
)  # fmt: skip


def find(matrix: str | None, quantity: str) -> dict[str, Printed]:
    """Everything printed about a quantity of a matrix, by framework; nothing of None."""
    return {p.framework: p for p in PRINTED if (p.matrix, p.quantity) == (matrix, quantity)}


def identify(matrix: Array) -> str | None:
    """Name of the published matrix that this array is, in its own dtype."""
    return next(
        (name for name, a in MATRICES.items() if np.array_equal(a.astype(matrix.dtype), matrix)),
        None,
    )
