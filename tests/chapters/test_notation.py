"""Two pages of notation, with other matrices than the one that is worked by hand."""

import numpy as np
import pytest
from executing import execute

from spectralgrad.book import building, reporting


def test_the_three_slopes_of_a_wide_matrix_agree(tmp_path):
    facts, _, _ = execute("notation", tmp_path, matrix="[[1, 2, 0.5], [0, -1, 3e4]]")
    forward, reverse, quotient, its_error = facts["slope"]
    assert forward == pytest.approx(reverse, rel=1e-12)
    assert abs(quotient - reverse) <= 10 * its_error + 1e-9 * abs(reverse)
    assert max(facts["errors"]) < 1e-14
    assert facts["statements"] == {"four_return_g": True, "who_conjugates": True}


def test_a_complex_matrix_is_refused_in_one_line(tmp_path):
    np.save(tmp_path / "c.npy", np.eye(2) * 1j)
    with pytest.raises((ValueError, building.CommandError), match=r"is complex, .* real matrix"):
        reporting.report(str(tmp_path / "c.npy"), chapter="notation", output=tmp_path / "page")
