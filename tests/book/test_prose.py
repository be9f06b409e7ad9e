"""Words that all pages share."""

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.book import prose
from spectralgrad.theory import exact


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_literal_shows_the_text_and_nothing_else(text):
    shown = prose.literal(text)
    assert html.unescape(shown) == text
    assert not re.search(r"[<>*_`\[\]\\!|$\"']|&(?!#\d+;)", shown)


@pytest.mark.parametrize(
    ("items", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listing(items, text):
    assert prose.listing(items) == text
    assert prose.listing(items, "or") == text.replace("and", "or")


def test_claims_are_recorded_and_their_outcome_is_one_line():
    claims = prose.Claims()
    assert re.fullmatch(r"✓ Holds with NumPy [\d.]+\.", claims("NumPy", legs=np.True_))
    assert claims(legs=True, tail=True) == "✓ All 2 hold."
    line = claims(legs=True, five_legs=False)
    assert line._repr_html_() == (
        '<p class="sg-outcome"><strong>✗ No longer so:</strong> five legs.</p>'
    )
    assert claims == {"legs": True, "tail": True, "five_legs": False}
    assert all(type(holds) is bool for holds in claims.values())


def test_a_claim_is_the_text_before_its_mark():
    text = "A cat.\n\nIt has\nfour legs. <!-- claim: legs --> And a tail. <!-- claim: tail -->\n"
    text += "- It purrs. <!-- claim: purrs -->\n- It sleeps."
    cells = [{"cell_type": "markdown", "source": text}, {"cell_type": "code", "source": "1"}]
    said = {"legs": "It has four legs.", "tail": "And a tail.", "purrs": "- It purrs."}
    assert prose.claimed(cells) == said
    with pytest.raises(ValueError, match="made twice"):
        prose.claimed(cells * 2)


def compared(digits=0.25, error=1e-17):
    return exact.Comparison(0.25, 0.2500001, 1e-7, digits, error)


def test_comparisons_are_a_table():
    lines = prose.comparisons({"a": compared(), "b": compared(error=3e-13)}).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "| a | 0.25 | 0.2500001 | 1e-07 | 0.25 | 1e-17 |" in lines
    assert lines[-1].endswith("| 3e-13 |")
    without = prose.comparisons({"a": compared(None, None)})
    assert "| – | – |" in without
    assert without.endswith("too large for 50 digits, which would take minutes.")


def test_an_error_far_below_the_precision_is_none():
    assert prose.error(3e-16) == "relative error 3e-16"
    assert prose.error(1e-101) == prose.error(0.0) == "relative error 0"
    assert prose.error(np.inf) == "not finite"


def test_a_clause_agrees_with_the_number_of_its_names():
    text = "{} [returns|return] [a valid answer|valid answers]"
    assert prose.clause(["[a|b]"], text) == "[a|b] returns a valid answer"
    assert prose.clause("ab", text, "ab", "All") == "a and b return valid answers"
    assert prose.clause("abc", text, "abc", "All of them") == "All of them return valid answers"
    assert prose.clause("abc", text, "abc", "Every one") == "Every one returns a valid answer"
    assert prose.clause("abc", text, "abcd", "All") == "a, b and c return valid answers"
    assert prose.paragraph(prose.clause([], text), "One.", "", "Two.") == "One. Two."


@pytest.mark.parametrize(("number", "text"), [(0, "0 digits"), (1, "1 digit"), (2, "2 digits")])
def test_a_count_agrees(number, text):
    assert prose.count(number, "digit") == text


def test_what_is_long_is_shortened():
    assert prose.shortened("abc", 3, "{} more") == ["a", "b", "c"]
    assert prose.shortened("abcd", 3, "{} more") == ["a", "b", "2 more"]
    assert prose.numbers([1.0, 2.5]) == "1 and 2.5"
    assert prose.numbers(range(7)) == "0, 1, 2, 3, 4, 5 and so on"


def test_errors_and_distances_have_one_form():
    assert [prose.relative(x) for x in (0.0, 3.4e-13, 0.0123, 12.3, np.nan)] == [
        *("0", "3e-13", "0.012", "12", "not finite"),
    ]
