"""Draw assets/gradients.svg, the picture of the README.

Usage: python tools/picture.py
"""

from pathlib import Path

import numpy as np

from spectralgrad.book import figures
from spectralgrad.matrices import published
from spectralgrad.theory import subgradient

PICTURE = Path(__file__).parents[1] / "assets" / "gradients.svg"


def draw():
    """Show the gradients of Σσᵢ printed in 2020, and the valid answer of smallest norm.

    Returns
    -------
    spectralgrad.book.figures.Figure
    """
    matrix = "blog-rank-2"
    gradients = {
        p.label: p.values for p in published.find(matrix, "gradient of the nuclear norm").values()
    }
    valid = subgradient.svdvals(published.MATRICES[matrix], np.ones(5))
    return figures.heat_maps(gradients | {"smallest norm (theory)": valid.minimum_norm})


if __name__ == "__main__":
    PICTURE.write_text(draw().svg, encoding="utf-8")
