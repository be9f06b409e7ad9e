import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from spectralgrad.book import figures
from spectralgrad.theory import subgradient
from spectralgrad.verdict.slopes import Slope

SVG = "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *(((1, 1), float), ((50, 50), np.float32), ((3, 6), complex)),
        *(((1, 40), float), ((40, 1), complex)),
    ],
)
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
    assert re.findall(r"<\w+", html) == ["<div", "<img"]
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


def images(figure):
    for data in re.findall(r'"data:image/png;base64,([^"]*)"', figure.svg):
        yield Image.open(io.BytesIO(base64.b64decode(data)))


def test_images_take_a_byte_for_each_point_and_are_the_same(monkeypatch, rng):
    matrix = rng.standard_normal((40, 40))
    matrix[3, 4] = np.nan
    small = figures.heat_maps({"a": matrix})
    monkeypatch.setattr(figures, "_with_palette", lambda match: match[0])
    large = figures.heat_maps({"a": matrix})
    assert len(small.svg) < len(large.svg)
    pairs = list(zip(images(small), images(large), strict=True))
    assert len(pairs) == 2
    for one, other in pairs:
        assert one.mode == "P"
        assert np.array_equal(one.convert("RGBA"), other.convert("RGBA"))


def test_an_image_of_many_colours_is_left_as_it_is(rng):
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 40, 4), dtype=np.uint8)).save(buffer, format="png")
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    match = re.fullmatch(r"(data:image/png;base64,)(.*)", source)
    assert figures._with_palette(match) == source


def test_heat_maps_of_large_matrices_are_light(rng):
    matrices = {n: rng.standard_normal((300, 300)) + 1j for n in "abcde"}
    assert len(figures.heat_maps(matrices)._repr_html_()) < 1.6e6


# matplotlib leaves the text of legends, labels and notes in comments.
def written(figure):
    return re.findall(r"<!-- (.*?) -->", figure.svg)


SPECTRA = {
    "tie": (
        subgradient.eigvalsh(np.diag([1.0, 1, 1, 2]), [1, 0, 0, 0]),
        "4 eigenvalues from 1 to 2: λ₁ to λ₃ are equal.",
        "between different ones is 1;",
    ),
    "zeros": (
        subgradient.svdvals(np.diag([3.0, 3, 1, 0, 0]), np.ones(5)),
        "5 singular values from 0 to 3: σ₁ and σ₂ are equal; σ₄ and σ₅ are zero.",
        "between different ones or to zero is 1;",
    ),
    "full rank": (
        subgradient.svdvals(np.diag([3.0, 1e-9]), [1, 1]),
        "2 singular values from 1e-09 to 3: no two are equal, and none is zero.",
        "between different ones or to zero is 1e-09;",
    ),
    "one": (
        *(subgradient.eigvalsh([[2.0]], [1]), "one eigenvalue, 2: nothing to compare it with."),
        "",
    ),
    "nothing": (
        *(subgradient.svdvals(np.zeros((2, 3)), [1, 1]), "from 0 to 0: σ₁ and σ₂ are zero."),
        "",
    ),
    "many ties": (
        subgradient.eigvalsh(np.diag(np.repeat(np.arange(1.0, 8), 2)), np.ones(14)),
        "λ₃ and λ₄ are equal; λ₅ and λ₆ are equal; 4 more groups are equal or zero.",
        "is 1;",
    ),
    "300": (
        subgradient.eigvalsh(np.diag(np.arange(300.0)), np.eye(300)[0]),
        "300 eigenvalues from 0 to 299: no two are equal.",
        "is 1; what is closer than 1.6e-10 counts as equal, and what is closer than 3.0e-06 as",
    ),
    "far apart": (subgradient.svdvals(np.diag([1e150, 1e-150]), [1, 1]), "σ₂ is zero", "1e+150"),
    "exact": (subgradient.svdvals(np.diag([2.0, 2]), [1, 1], rtol=0.0), "σ₁ and σ₂ are equal", ""),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_spectra(name):
    valid, alike, smallest = SPECTRA[name]
    figure = figures.values_and_gaps(valid, near=1e-8)
    assert ET.fromstring(figure.svg).tag == SVG
    assert figure.alt.startswith("Spectrum of ")
    assert alike in figure.alt
    assert smallest in figure.alt
    assert ("distance" in figure.alt) == bool(smallest) or name == "exact"
    root = ET.fromstring(figure.svg)
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(5.3 * 72)


def test_a_spectrum_marks_ties_zeros_and_what_is_near():
    values = [3.0, 3.0, 1.0, 1.0 + 1e-9, 0.0]
    valid = subgradient.svdvals(np.diag(values), [1, 0, 0, 0, 0])
    texts = written(figures.values_and_gaps(valid, near=1e-8))
    for label in (
        *("equal to a neighbour", "equal to a neighbour, weight 0", "on its own, weight 0"),
        *("zero, weight 0", "wide", "small", "none: the two count as equal"),
        *("σ₁ and σ₂", "√eps · largest = 3.0e-08", "rtol · largest = 9.2e-14"),
    ):
        assert label in texts
    assert "on its own" not in texts
    # Of five distances (the last to 0), two count as none, one is small, and two are wide; each
    # has one more marker in the legend. So have the five values.
    svg = figures.values_and_gaps(valid, near=1e-8).svg
    small, equal = figures.KINDS["small"], figures.KINDS["none: the two count as equal"]
    assert marks(svg, small["color"]) == 1 + 1
    assert marks(svg, equal["color"]) == (2 + 1) + (2 + 2)


def marks(svg, colour):
    return len(re.findall(rf"<use [^>]*stroke: {colour.lower()}", svg))


def test_kinds_differ_in_more_than_colour():
    for kinds in (
        ("on its own", "equal to a neighbour", "zero"),
        ("wide", "small", "none: the two count as equal"),
    ):
        strokes = [figures.KINDS[kind] for kind in kinds]
        assert len({s["marker"] for s in strokes}) == len({s["color"] for s in strokes}) == 3


def test_only_a_figure_that_a_phone_cannot_show_scrolls():
    """It takes the focus, so that it scrolls without a mouse."""
    wide = figures.heat_maps({"a": np.eye(2)})._repr_html_()
    narrow = figures.curves([1, 2], {"a": [1, 2]}, across="x", up="y")._repr_html_()
    assert wide.startswith('<div class="sg-wide" tabindex="0"><img ')
    assert narrow.startswith("<img ")
    assert int(re.search(r"min-width: (\d+)px", narrow)[1]) < 313 < 360
    assert int(re.search(r"min-width: (\d+)px", wide)[1]) > 360


def test_a_disc_says_how_far_from_the_centre_points_are():
    v = np.array([[np.cos(t), np.sin(t)] for t in (0.0, 1.0, 2.0)])
    rim = v[:, :, None] * v[:, None, :]
    figure = figures.disc({"rim": rim, "centre": np.eye(2) / 2, "both": [rim[0], np.eye(2) / 2]})
    assert figure.alt == (
        "Disc of radius 1, and points in it: rim at the radius 1; centre at the radius 0; "
        "both at the radius 0 to 1."
    )


def test_a_figure_prints_what_it_shows_and_not_its_source():
    """A notebook keeps the printed form beside the picture."""
    assert repr(figures.Figure("<svg/>", "A curve.")) == "Figure(alt='A curve.')"


def test_panels_say_what_they_show():
    groups = {"One": {"a": [(4, 1, 2, 3), (8, 2, 3, 4)], "b": [(4, 1, 1, 1)]}}
    groups["Two"] = {"b": [(8, 5, 6, 7)]}
    figure = figures.panels(groups, across="n", up="seconds")
    assert figure.alt == (
        "Curves over n, logarithmic axes; seconds at the first and last: One, a: 2 to 3; One, b: "
        "1; Two, b: 6."
    )
    assert figure.svg == figures.panels(groups, across="n", up="seconds").svg


def quotients(function, own, left, right):
    """The figure of a function of one number at 0, whose slopes there are known."""
    steps = 4.0 ** -np.arange(2, 27)
    ahead, behind = ((function(t) - function(0.0)) / t for t in (steps, -steps))
    nothing = np.empty((2, 0))
    slope = Slope(
        *(np.ones((1, 1)), left, right, (left + right) / 2, 0.0, 0.0),
        *(nothing[0], nothing, 0.0),
        unbounded=False,
    )
    return figures.quotients(steps, behind, ahead, slope, "PyTorch", own)


@pytest.mark.parametrize(
    ("function", "own", "left", "right", "said"),
    [
        (np.exp, 1.0, 1.0, 1.0, "PyTorch: 1."),
        (np.exp, np.nan, 1.0, 1.0, "PyTorch: not finite."),
        (np.exp, 1e15, 1.0, 1.0, "PyTorch: 1e+15."),
        (np.exp, None, 1.0, 1.0, "from the right 1, at best up to "),
        (np.abs, 1.0, -1.0, 1.0, "from the left -1, at best up to 0e+00; from the right 1, "),
        (np.zeros_like, 0.0, 0.0, 0.0, "PyTorch: 0."),
        # Only to the right of -0.01 it has a value; and of chance nobody knows the slope.
        (lambda t: np.where(t > -0.01, 1 + t, np.nan), 1.0, 1.0, 1.0, "from the left 1, at best"),
        (np.sign, np.inf, np.nan, np.nan, "PyTorch: not finite."),
    ],
)
def test_quotients_of_whatever_function(function, own, left, right, said):
    figure = quotients(function, own, left, right)
    assert said in figure.alt
    assert ET.fromstring(figure.svg).tag == SVG


def test_the_distance_of_the_quotients_is_small_between_both_ends():
    """Rounding on one, truncation on the other: at best half of the digits are left."""
    best = [
        float(x)
        for x in re.findall(r"at best up to (\S+?)[;.]", quotients(np.exp, 1.0, 1.0, 1.0).alt)
    ]
    assert len(best) == 2
    assert max(best) < 1e-7
