"""Hold every sentence that a chapter derives from its computation against that computation."""

import pytest
from executing import execute

from spectralgrad.book import building

# Their sentences are made from the result, and their own tests read them.
WITHOUT = (
    *("eigh_example", "svd_example", "your_matrix"),
    *("theory_eigen", "theory_subgradient", "theory_svd", "theory_symmetric"),
)


def check(chapter, facts):
    for sentence, holds in facts["statements"].items():
        if holds is not True:
            pytest.fail(f"the book's statement “{sentence}” no longer holds (chapter {chapter})")


@pytest.mark.parametrize("chapter", sorted(building.chapters()))
def test_every_statement_holds(chapter, tmp_path):
    facts, _, _ = execute(chapter, tmp_path)
    if chapter in WITHOUT and "statements" not in facts:
        return
    assert facts["statements"], f"chapter {chapter} records no statement"
    check(chapter, facts)


def test_a_statement_that_no_longer_holds_is_named():
    facts = {"statements": {"Water is wet.": True, "Ice is warm.": False}}
    message = r"the book's statement “Ice is warm\.” no longer holds \(chapter physics\)"
    with pytest.raises(pytest.fail.Exception, match=message):
        check("physics", facts)
