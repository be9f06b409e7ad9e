import json
import os
from pathlib import Path

import pytest

from spectralgrad.book import building, reporting
from spectralgrad.system.errors import InputError


@pytest.fixture
def notebook():
    return json.loads(building.chapters()["eigh_example"].read_text(encoding="utf-8"))


def test_parameters_are_read_from_the_notebook(notebook):
    known = reporting.parameters(notebook)
    assert list(known) == ["matrix", "eigenvalue"]
    assert known["eigenvalue"] == 0


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [("a", "my.csv", "my.csv"), (0, "-1", -1), (0.0, "1e-3", 1e-3), ([], "[1]", [1])],
)
def test_parse(default, text, value):
    assert reporting.parse("p", text, default) == value


@pytest.mark.parametrize(
    ("default", "text"),
    [(0, "x"), (0, "1.5"), (0, "true"), (0.0, "NaN x"), ([], "1"), ([], "[" * 100_000)],
)
def test_parse_refuses(default, text):
    name = type(default).__name__
    with pytest.raises(InputError, match=f"parameter p: must be of type {name}, not"):
        reporting.parse("p", text, default)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"matrix": "[[1, 2], [3, 4]]"}, "row 1, column 2: holds 2.0, and its mirror image is 3.0"),
        ({"matrix": "[[1, 2, 3]]"}, "is 1 × 3"),
        ({"eigenvalue": 4}, "choose from -4 to 3"),
        ({"matrix": "blog-rank"}, "did you mean blog-rank-2?"),
    ],
)
def test_check_input_refuses_in_one_line(notebook, values, message):
    with pytest.raises(InputError) as caught:
        reporting.check_input(notebook, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_input_accepts_the_defaults(notebook):
    reporting.check_input(notebook, {})


def test_two_dots_do_not_lead_to_a_folder_that_is_not_ours(tmp_path, monkeypatch):
    """As long as new is not there, new/../thesis is not there either."""
    monkeypatch.chdir(tmp_path)
    Path("thesis").mkdir()
    Path("thesis", "work.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="holds files that are not a rendered book"):
        reporting.report("[[1]]", chapter="svd_example", output="new/../thesis")
    assert os.listdir() == ["thesis"]


def test_names_made_from_a_long_name_are_short():
    assert len(reporting._stem("x" * 240 + ".csv").encode()) < 100
    assert len(reporting._stem("ü" * 120 + ".csv").encode()) <= 200
