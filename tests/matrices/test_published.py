import numpy as np
import pytest

from spectralgrad.matrices import published


def test_the_numbers_belong_to_the_matrices():
    """Each printed array agrees with the matrix it is filed under, by a computation of its own."""
    for p in published.PRINTED:
        matrix = published.MATRICES[p.matrix]
        if p.quantity == "singular values":
            # The zeros of a rank-deficient matrix are noise, each library its own.
            expected = np.linalg.svd(matrix, compute_uv=False)
            printed = p.values > 1e-6
            assert printed.sum() == np.linalg.matrix_rank(matrix)
            half = (p.unit * 0.500001)[printed]
            assert np.all(np.abs(p.values - expected)[printed] <= half)
        elif p.matrix == "blog-full-rank":
            u, _, vh = np.linalg.svd(matrix)
            assert p.misses(u @ vh) == 0
        elif p.matrix == "blog-rank-2":
            # Orthogonal to printing accuracy, and with the inner product that df = f needs.
            assert p.values @ p.values.T == pytest.approx(np.eye(5), abs=3e-4)
            assert np.vdot(p.values, matrix) == pytest.approx(
                np.linalg.norm(matrix, "nuc"), abs=5e-3
            )
        else:
            vector = np.linalg.eigh(matrix)[1][:, 0]
            hermitian_part = (p.values + p.values.T) / 2
            assert hermitian_part == pytest.approx(np.outer(vector, vector), abs=6e-4)


def test_the_matrix_of_the_question_is_still_that_of_its_seed():
    square = np.random.RandomState(123).randn(4, 4)
    assert np.array_equal(published.MATRICES["stack-overflow"], square + square.T)


def test_what_is_printed_by_whom():
    assert set(published.find("blog-rank-2", "gradient of the nuclear norm")) == {
        "autograd",
        "tensorflow",
    }
    assert set(published.find("stack-overflow", "gradient of the smallest eigenvalue")) == {
        "numpy",
        "torch",
        "tensorflow",
    }
    assert published.find(None, "gradient of the nuclear norm") == {}
    labels = {
        p.label
        for p in published.find("stack-overflow", "gradient of the smallest eigenvalue").values()
    }
    assert labels == {
        "analytic formula (printed)",
        "PyTorch 1.0.1 (printed)",
        "TensorFlow 1.14.0 (printed)",
    }


def test_every_source_is_in_the_bibliography(pytestconfig):
    bibliography = (pytestconfig.rootpath / "references.bib").read_text(encoding="utf-8")
    assert set(published.SOURCES) == set(published.MATRICES)
    for source in published.SOURCES.values():
        assert f"{{{source}," in bibliography


@pytest.mark.parametrize(("shift", "misses"), [(0.0, 0), (0.4e-4, 0), (0.6e-4, 25)])
def test_misses_counts_what_would_print_otherwise(shift, misses):
    p = published.find("blog-full-rank", "gradient of the nuclear norm")["autograd"]
    assert p.misses(p.values + shift) == misses


def test_scientific_notation_has_a_unit_per_number():
    p = published.find("blog-rank-2", "singular values")["autograd"]
    assert p.unit == pytest.approx([1e-3, 1e-4, 1e-19, 1e-20, 1e-37])
    assert p.misses(p.values * (1 + 1e-3)) == 5
    assert p.misses(np.full(5, np.nan)) == 5


@pytest.mark.parametrize("name", published.MATRICES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_identify(name, dtype):
    matrix = published.MATRICES[name].astype(dtype)
    assert published.identify(matrix) == name
    assert published.identify(matrix + 1) is None
    assert published.identify(matrix[:1]) is None
