import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from spectralgrad import figures

SVG = "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 2), (8, 8), (50, 50), (3, 6), (7, 2), (1, 40), (40, 1)]
)
@pytest.mark.parametrize("dtype", [float, np.float32, complex])
def test_heat_maps_of_every_shape(shape, dtype, rng):
    matrices = {n: rng.standard_normal(shape).astype(dtype) for n in "abcdef"}
    figure = figures.heat_maps(matrices)
    root = ET.fromstring(figure.svg)
    assert root.tag == SVG
    width, height = (float(root.get(side).removesuffix("pt")) for side in ("width", "height"))
    assert width <= 720
    assert height <= 1.9 * width * (2 if dtype is complex else 1)
    assert f"{shape[0]} × {shape[1]}" in figure.alt


@pytest.mark.parametrize(
    ("matrices", "words"),
    [
        ({"a": np.eye(2), "b": np.eye(2)}, "All look the same."),
        ({"a": np.eye(2), "b": 3 * np.eye(2)}, "They differ, in some entry by 2."),
        ({"a": np.zeros((2, 2))}, "from -1 to 1"),
        ({"a": np.array([[np.nan, 2.0]])}, "Some entries are not finite."),
    ],
)
def test_alternative_text_says_what_the_picture_shows(matrices, words):
    assert words in figures.heat_maps(matrices).alt


def test_html_is_one_image_whose_text_is_escaped():
    figure = figures.heat_maps({'<script>"': np.eye(2)})
    html = figure._repr_html_()
    assert html.count("<") == 1
    assert "&lt;script&gt;&quot;" in html
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1]
    assert ET.fromstring(base64.b64decode(data)).tag == SVG


def titles(figure):
    # Text is drawn as paths; matplotlib leaves what it says in a comment.
    return re.findall(r"<!-- ((?:Re |Im )?[a-z]) -->", figure.svg)


def test_imaginary_parts_stand_below_the_real_parts():
    real = {name: np.eye(2) for name in "abcde"}
    assert titles(figures.heat_maps(real)) == list("abcde")
    figure = figures.heat_maps({name: 1j * a for name, a in real.items()})
    assert sorted(titles(figure)) == sorted(f"{part} {n}" for n in "abcde" for part in ("Re", "Im"))
    assert "on one colour scale from -1 to 1" in figure.alt


def test_imaginary_parts_are_what_is_drawn_below():
    matrix = np.array([[1 + 2j, 3 - 4j]])
    assert figures.heat_maps({"a": matrix}).svg != figures.heat_maps({"a": matrix.conj()}).svg


def test_equal_input_gives_equal_bytes():
    matrices = {"a": np.eye(3)}
    assert figures.heat_maps(matrices).svg == figures.heat_maps(matrices).svg


def test_curves_say_what_they_show():
    series = {"a": [1.0, 1e-3, 2.0], "<b>": [np.nan, np.inf, 5.0], "c": [np.nan] * 3}
    figure = figures.curves([1e-2, 1e-1, 1.0], series, across="gap", up="error")
    assert ET.fromstring(figure.svg).tag == SVG
    assert "Curves over gap from 0.01 to 1, logarithmic axes; error: " in figure.alt
    assert "a from 1 to 2, smallest 0.001 at 0.1, largest 2 at 1" in figure.alt
    assert "<b> from 5 to 5" in figure.alt
    assert "not finite at 2 places" in figure.alt
    assert "c is nowhere finite" in figure.alt
    assert "<b>" not in figure._repr_html_()


def test_curves_differ_in_more_than_colour():
    shapes = {(s["marker"], s["linestyle"]) for s in figures.STROKES}
    colours = {s["color"] for s in figures.STROKES}
    assert len(shapes) == len(colours) == len(figures.STROKES)


def test_an_error_of_zero_is_drawn_on_a_logarithmic_axis():
    drawn = figures.curves([0.1, 1.0], {"a": [0.0, 1.0]}, across="x", up="y")
    floor = figures.curves([0.1, 1.0], {"a": [figures.SMALLEST, 1.0]}, across="x", up="y")
    assert drawn.svg == floor.svg
    linear = figures.curves([0.1, 1.0], {"a": [0.0, 1.0]}, across="x", up="y", logarithmic=False)
    assert linear.svg != drawn.svg
