"""Hold every sentence that a chapter derives from its computation against that computation."""

import pytest
from executing import execute

from spectralgrad.book import building, prose

# Their sentences are made from the result, and their own tests read them.
WITHOUT = ("your_matrix", "theory_eigen", "theory_symmetric")


def check(chapter, facts, cells):
    told = prose.claimed(cells)
    tried = {label for label in facts["statements"] if label.isidentifier()}
    assert tried == set(told), f"chapter {chapter}: claims and their checks are not the same"
    for label, holds in facts["statements"].items():
        if holds is not True:
            said = told.get(label, label)
            pytest.fail(f"the book's statement “{said}” no longer holds (chapter {chapter})")


@pytest.mark.parametrize("chapter", sorted(building.chapters()))
def test_every_statement_holds(chapter, tmp_path):
    facts, _, cells = execute(chapter, tmp_path)
    if chapter in WITHOUT and "statements" not in facts:
        return
    assert facts["statements"], f"chapter {chapter} records no statement"
    check(chapter, facts, cells)


def test_a_statement_that_no_longer_holds_is_named():
    cells = [{"cell_type": "markdown", "source": "Ice is warm. <!-- claim: ice -->"}]
    facts = {"statements": {"Water is wet.": True, "ice": False}}
    message = r"the book's statement “Ice is warm\.” no longer holds \(chapter physics\)"
    with pytest.raises(pytest.fail.Exception, match=message):
        check("physics", facts, cells)
    with pytest.raises(AssertionError, match="not the same"):
        check("physics", {"statements": {"ice": True, "snow": True}}, cells)
