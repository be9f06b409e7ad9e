"""The chapter `spd_functions`: its errors, and what it says of other covariance matrices."""

import numpy as np
import pytest
from executing import execute

from spectralgrad.book import reporting
from spectralgrad.system.errors import InputError


def covariance(spectrum, dtype=float):
    """A matrix in general position with given eigenvalues."""
    rng = np.random.default_rng(len(spectrum))
    drawn = rng.standard_normal((2, len(spectrum), len(spectrum)))
    drawn = drawn[0] + 1j * drawn[1] if dtype is complex else drawn[0]
    v = np.linalg.qr(drawn)[0]
    found = (v * np.asarray(spectrum, float)) @ v.conj().T
    return (found + found.conj().T) / 2


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The facts and the sentences of the page of the book."""
    return execute("spd_functions", tmp_path_factory.mktemp("spd"))[:2]


def test_the_page_is_right_and_says_of_its_matrix_what_is_so(page):
    facts, text = page
    assert facts["rank"] == [3, 3]
    assert facts["ties"] == 1
    assert facts["condition"] == pytest.approx(2.5)
    assert facts["yours"] < 1e-13
    assert facts["tried"] < 1e-9
    assert facts["distances"] < 1e-13
    assert "all functions of this page have a gradient there" in text
    assert "a gradient through `eigh` is not to be trusted" in text


def test_jitter_is_of_first_order_at_full_rank_and_of_order_one_half_without(page):
    bias = page[0]["bias"]
    sizes = np.geomspace(1e-13, 1, 27)
    between = (sizes > 1e-10) & (sizes < 1e-3)
    for title, order in {
        "root, 20 samples": 1,
        "logarithm, 20 samples": 1,
        "root, 4 samples": 0.5,
    }.items():
        error = np.array(bias[title])[between]
        slopes = np.diff(np.log(error)) / np.diff(np.log(sizes[between]))
        assert slopes == pytest.approx(order, abs=0.05), title


MATRICES = {
    # name: matrix, rank, ties, digits in double precision, whether there is a table
    "complex": (covariance([1, 2, 3], complex), 3, 0, 15, True),
    "graded": (covariance([1e-7, 1e-3, 1, 1]), 4, 1, 8, True),
    "rank two of six": (covariance([0, 0, 0, 0, 1, 2]), 2, 0, 15, False),
    "one": (np.array([[2.0]]), 1, 0, 15, True),
    "zero": (np.zeros((2, 2)), 0, 0, None, False),
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix, rank, ties, digits, table = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("spd_functions", tmp_path, matrix="my.npy")
    assert facts["rank"] == [rank, len(matrix)]
    assert facts["ties"] == ties
    assert facts["digits"].get("double") == digits
    assert ("a gradient through `eigh` is not to be trusted" in text) == bool(ties)
    assert ("all functions of this page have a gradient there" in text) == (rank == len(matrix))
    assert (facts["yours"] is not None) == table
    if table:
        assert facts["yours"] < 1e-14 * max(100, facts["condition"])
    assert all(facts["statements"].values())


def test_what_is_no_covariance_is_refused_in_one_line(tmp_path):
    message = r"has the eigenvalue -1; a covariance has none below 0: [^\n]*$"
    with pytest.raises(InputError, match=message):
        reporting.report("[[1, 2], [2, 1]]", chapter="spd_functions", output=tmp_path / "page")
    assert list(tmp_path.iterdir()) == []
