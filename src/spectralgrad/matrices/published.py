"""The matrices and the numbers that the three source pages print.

The sources, by their key in ``references.bib``:

``tensorflowtutorial2020``
    A blog post of January 2020 on SVD gradients in autograd and TensorFlow. It states no versions.
``stackoverflow2019``
    A question on eigh gradients, with TensorFlow 1.14.0 and PyTorch 1.0.1.
``gradienttape2025``
    An article of January 2025 on ``tf.svd`` and ``GradientTape``. It prints a matrix, no numbers.
"""

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


@dataclass(frozen=True, eq=False)
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
    version : str
        The version that the source states, or ``""`` where it states none.
    source : str
        Key of the source in ``references.bib``.
    decimals : int
        Digits printed after the decimal point (of the mantissa, in scientific notation).
    values : numpy.ndarray
        The printed numbers, float64.
    scientific : bool
        Whether they were printed in scientific notation.
    """

    matrix: str
    quantity: str
    framework: str
    version: str
    source: str
    decimals: int
    values: Array
    scientific: bool = False

    @property
    def label(self) -> str:
        """Framework, version where the source states one, and that this is printed."""
        titles = {"autograd": "autograd", "torch": "PyTorch", "tensorflow": "TensorFlow"}
        title = titles.get(self.framework, "analytic formula")
        return " ".join(filter(None, (title, self.version, "(printed)")))

    @property
    def unit(self) -> Array:
        """One unit in the last printed place of each number, shape of `values`."""
        exponent = np.zeros(self.values.shape)
        if self.scientific:
            exponent = np.floor(np.log10(np.abs(self.values)))
        return 10.0 ** (exponent - self.decimals)

    @property
    def rounding(self) -> float:
        """Frobenius norm that rounding to the printed digits can at most amount to."""
        return float(np.linalg.norm(self.unit) / 2)

    def misses(self, values: ArrayLike) -> int:
        """Count the entries of `values` that would not print as these numbers.

        Parameters
        ----------
        values : array_like
            Same shape as `values`.

        Returns
        -------
        int
            0 where every printed digit is met.
        """
        difference = np.abs(np.asarray(values, dtype=float) - self.values)
        # A number half-way between two printed ones may be printed as either.
        return int(np.sum(~(difference <= self.unit * (0.5 + 1e-6))))


def _printed(
    matrix: str,
    quantity: str,
    framework: str,
    version: str,
    source: str,
    decimals: int,
    text: str,
    scientific: bool = False,
) -> Printed:
    rows = [[float(number) for number in line.split()] for line in text.strip().splitlines()]
    values = np.array(rows[0] if quantity == "singular values" else rows)
    return Printed(matrix, quantity, framework, version, source, decimals, values, scientific)


_BLOG = "tensorflowtutorial2020"
_QUESTION = "stackoverflow2019"
_NORM = "gradient of the nuclear norm"
_SMALLEST = "gradient of the smallest eigenvalue"

_FULL_RANK_GRADIENT = """
 0.6523  0.0744  0.159  -0.2673  0.6872
 0.3692  0.7379 -0.2595  0.4647 -0.1895
-0.1738 -0.3197 -0.3244  0.6852  0.5411
 0.3227 -0.2817  0.7171  0.4887 -0.2518
-0.5512  0.5181  0.5365  0.0651  0.3683
"""
_FULL_RANK_VALUES = "20.6259  7.8468  5.5151  0.6618  0.3809"

#: Every array of numbers that the sources print.
PRINTED = (
    _printed(
        "blog-rank-2", "singular values", "autograd", "", _BLOG, 4,
        "2.3617e+01 8.1995e+00 1.0725e-15 2.0245e-16 2.8529e-33", scientific=True,
    ),
    _printed(
        "blog-rank-2", "singular values", "tensorflow", "", _BLOG, 4,
        "2.3617e+01 8.1995e+00 1.6554e-07 1.2132e-07 1.0287e-07", scientific=True,
    ),
    _printed(
        "blog-rank-2", _NORM, "autograd", "", _BLOG, 4,
        """
        -0.7682  0.3316  0.2661  0.297   0.3752
         0.412   0.7662  0.4684 -0.1456 -0.0505
         0.359   0.2421 -0.5396  0.3314  0.6415
         0.2086 -0.1071  0.2293  0.8818 -0.339
         0.2601 -0.4825  0.605  -0.0565  0.5747
        """,
    ),
    _printed(
        "blog-rank-2", _NORM, "tensorflow", "", _BLOG, 4,
        """
        -0.7078  0.4885  0.0953  0.2866  0.4112
         0.0401 -0.1484  0.6581  0.645  -0.3567
         0.326  -0.263  -0.3958  0.6185  0.5342
         0.5805  0.8075  0.0395  0.0912 -0.0329
         0.2327 -0.1343  0.6321 -0.3332  0.6459
        """,
    ),
    _printed("blog-full-rank", "singular values", "autograd", "", _BLOG, 4, _FULL_RANK_VALUES),
    _printed("blog-full-rank", "singular values", "tensorflow", "", _BLOG, 4, _FULL_RANK_VALUES),
    _printed("blog-full-rank", _NORM, "autograd", "", _BLOG, 4, _FULL_RANK_GRADIENT),
    _printed("blog-full-rank", _NORM, "tensorflow", "", _BLOG, 4, _FULL_RANK_GRADIENT),
    _printed(
        "stack-overflow", _SMALLEST, "numpy", "", _QUESTION, 3,
        """
         0.312 -0.204 -0.398 -0.12
        -0.204  0.133  0.26   0.079
        -0.398  0.26   0.509  0.154
        -0.12   0.079  0.154  0.046
        """,
    ),
    _printed(
        "stack-overflow", _SMALLEST, "torch", "1.0.1", _QUESTION, 3,
        """
        0.312 -0.407 -0.797 -0.241
        0.     0.133  0.52   0.157
        0.     0.     0.509  0.308
        0.     0.     0.     0.046
        """,
    ),
    _printed(
        "stack-overflow", _SMALLEST, "tensorflow", "1.14.0", _QUESTION, 3,
        """
         0.312  0.     0.     0.
        -0.407  0.133  0.     0.
        -0.797  0.52   0.509  0.
        -0.241  0.157  0.308  0.046
        """,
    ),
)  # fmt: skip


def find(matrix: str | None, quantity: str) -> dict[str, Printed]:
    """Everything printed about a quantity of a matrix, by framework.

    Parameters
    ----------
    matrix : str or None
        Name in `MATRICES`; None (no published matrix) finds nothing.
    quantity : str
        ``"singular values"``, ``"gradient of the nuclear norm"`` or
        ``"gradient of the smallest eigenvalue"``.

    Returns
    -------
    dict of str to Printed
    """
    return {p.framework: p for p in PRINTED if (p.matrix, p.quantity) == (matrix, quantity)}


def identify(matrix: Array) -> str | None:
    """Name of the published matrix that this array is, in its own dtype.

    Parameters
    ----------
    matrix : numpy.ndarray

    Returns
    -------
    str or None
    """
    return next(
        (name for name, a in MATRICES.items() if np.array_equal(a.astype(matrix.dtype), matrix)),
        None,
    )
