"""Figures for chapters and reports: matplotlib, as SVG with a text that says what they show."""

import base64
import html
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image

from spectralgrad.book import sentences
from spectralgrad.book.prose import kind_of_values, shortened, tied
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict.slopes import Slope

# Above this many columns, numbers in the cells are too small to read.
MOST_NUMBERED_COLUMNS = 6
WIDEST = 4  # heat maps side by side
# On a logarithmic axis, what is smaller is drawn here.
SMALLEST = 1e-18

_STYLE = matplotlib.rc_params_from_file(
    Path(__file__).with_suffix(".mplstyle"), use_default_template=False
)
# A colour, a marker and dashes for each of several curves.
STROKES: list[dict[str, Any]] = list(_STYLE["axes.prop_cycle"])


@dataclass(frozen=True)
class Figure:
    """A picture and what it shows, for those who do not see it; a notebook shows it as an image."""

    svg: str = field(repr=False)
    alt: str
    #: In inches, at which text has its nominal size.
    width: float = field(default=5.3, repr=False)

    def _repr_html_(self) -> str:
        # A data URI keeps the identifiers of one SVG apart from those of the next.
        data = base64.b64encode(self.svg.encode()).decode()
        size = f"min-width: {56 * self.width:.0f}px; max-width: {110 * self.width:.0f}px"
        image = (
            f'<img class="sg-figure" style="{size}" alt="{html.escape(self.alt)}" '
            f'src="data:image/svg+xml;base64,{data}">'
        )
        # On a phone, a wide one would be too small to read: it scrolls, without a mouse too.
        return f'<div class="sg-wide" tabindex="0">{image}</div>' if self.width > 5.5 else image


def _finish(canvas: Canvas, alt: str) -> Figure:
    buffer = io.StringIO()
    # No date, so that equal input gives equal bytes.
    canvas.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    svg = re.sub(r'(data:image/png;base64,)([^"]*)', _with_palette, buffer.getvalue())
    return Figure(svg, alt, canvas.get_figwidth())


def _with_palette(match: re.Match[str]) -> str:
    """An image in an SVG, with one byte for each point: the same, in a third of the space."""
    image = Image.open(io.BytesIO(base64.b64decode(match[2]))).convert("RGBA")
    points = np.array(image).view(np.uint32)[..., 0]
    colours, numbers = np.unique(points, return_inverse=True)
    if len(colours) > 256:
        return match[0]
    small = Image.fromarray(numbers.reshape(points.shape).astype(np.uint8))
    small.putpalette(colours.view(np.uint8).tobytes(), "RGBA")
    buffer = io.BytesIO()
    small.save(buffer, format="png")
    return match[1] + base64.b64encode(buffer.getvalue()).decode()


@matplotlib.rc_context(_STYLE)
def heat_maps(matrices: Mapping[str, ArrayLike]) -> Figure:
    """Show matrices of one shape on one colour scale, imaginary parts below the real ones."""
    arrays = {title: np.asarray(a) for title, a in matrices.items()}
    parts: dict[str, Any] = {"": np.real}
    if any(np.iscomplexobj(a) for a in arrays.values()):
        parts = {"Re ": np.real, "Im ": np.imag}
    m, n = next(iter(arrays.values())).shape
    entries = np.array([part(a) for a in arrays.values() for part in parts.values()], dtype=float)
    limit = float(np.abs(entries).max(where=np.isfinite(entries), initial=0.0)) or 1.0
    lines = -(-len(arrays) // WIDEST)
    columns = -(-len(arrays) // lines)
    rows = lines * len(parts)
    height = np.clip(m / n, 0.35, 2.0)
    canvas = Canvas(figsize=(7.5, rows * (1.9 * height * 4 / max(columns, 3) + 0.4)))
    axes = canvas.subplots(rows, columns, squeeze=False)
    for i, (title, array) in enumerate(arrays.items()):
        for j, (prefix, part) in enumerate(parts.items()):
            axis = axes[i // columns * len(parts) + j, i % columns]
            image = _heat_map(axis, part(array), limit)
            axis.set_title(prefix + title)
    for axis in axes.flat:
        if not axis.has_data():
            axis.remove()
    canvas.colorbar(image, ax=canvas.axes, shrink=0.9)
    alt = (
        f"Heat maps of {m} × {n} matrices on one colour scale from {-limit:.3g} to {limit:.3g}: "
        f"{', '.join(arrays)}. {_difference(arrays)}"
    )
    return _finish(canvas, alt)


def _heat_map(axis: Axes, panel: Array, limit: float) -> AxesImage:
    # Where points of the picture are averages, they are so of numbers, and not of colours.
    image = axis.imshow(panel, vmin=-limit, vmax=limit, aspect="auto", interpolation_stage="data")
    axis.set(xticks=[], yticks=[])
    if panel.shape[1] <= MOST_NUMBERED_COLUMNS and panel.shape[0] <= 2 * MOST_NUMBERED_COLUMNS:
        for (i, j), value in np.ndenumerate(panel):
            colour = "white" if abs(value) > 0.6 * limit else "black"
            # Adding 0 turns −0.00 into 0.00.
            text = f"{round(float(value), 2) + 0:.2f}"
            axis.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    return image


def _difference(arrays: Mapping[str, Array]) -> str:
    """Sentence on how far the matrices lie apart."""
    stack = np.stack(list(arrays.values()))
    if not np.all(np.isfinite(stack)):
        return "Some entries are not finite."
    gap = float(np.abs(stack[:, None] - stack).max(initial=0.0))
    if gap <= 1e-3 * np.abs(stack).max(initial=0.0):
        return "All look the same."
    return f"They differ, in some entry by {gap:.3g}."


@matplotlib.rc_context(_STYLE)
def curves(
    places: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    across: str,
    up: str,
    logarithmic: bool = True,
) -> Figure:
    """Show how at most six quantities change along one; what is not finite is left out."""
    places, scale = np.asarray(places, dtype=float), "log" if logarithmic else "linear"
    known = {title: np.asarray(values, dtype=float) for title, values in series.items()}
    canvas = Canvas(figsize=(5.3, 3.7))
    axis = canvas.subplots()
    for (title, values), stroke in zip(known.items(), itertools.cycle(STROKES)):
        shown = np.maximum(values, SMALLEST) if logarithmic else values
        axis.plot(places, shown, label=title, **stroke)
    axis.set(xscale=scale, yscale=scale, xlabel=across, ylabel=up)
    canvas.legend(loc="outside upper center", ncols=2)
    parts = [f"{title} {_course(places, values)}" for title, values in known.items()]
    alt = (
        f"Curves over {across} from {places.min():.3g} to {places.max():.3g}, "
        f"{'logarithmic' if logarithmic else 'linear'} axes; {up}: {'; '.join(parts)}."
    )
    return _finish(canvas, alt)


def _course(places: Array, values: Array) -> str:
    """Say where a curve begins and ends, and its extremes between."""
    finite = np.isfinite(values)
    if not finite.any():
        return "is nowhere finite"
    order = np.argsort(places[finite])
    known, here = values[finite][order], places[finite][order]
    gaps = "" if finite.all() else f", not finite at {np.count_nonzero(~finite)} places"
    return (
        f"from {known[0]:.2g} to {known[-1]:.2g}, smallest {known.min():.2g} at "
        f"{here[np.argmin(known)]:.2g}, largest {known.max():.2g} at "
        f"{here[np.argmax(known)]:.2g}{gaps}"
    )


@matplotlib.rc_context(_STYLE)
def quotients(
    steps: Array, left: Array, right: Array, slope: Slope, who: str, own: float | None
) -> Figure:
    """Show difference quotients over the step, and how far they are from what they tend to.

    A line is the slope that a framework has of its own, if it has one.
    """
    canvas, parts = Canvas(figsize=(5.5, 5.2)), []
    above, below = canvas.subplots(2, 1, sharex=True)
    sides = {"from the left": (left, slope.left), "from the right": (right, slope.right)}
    for (side, (found, limit)), stroke in zip(sides.items(), STROKES, strict=False):
        off = np.abs(found - (limit if np.isfinite(limit) else np.nanmedian(found)))
        above.plot(steps, found, label=side, **stroke)
        below.plot(steps, np.maximum(off, SMALLEST), **stroke)
        best = np.min(off, where=np.isfinite(off), initial=np.inf)
        parts.append(f"{side} {limit:.6g}, at best up to {best:.0e}")
    # At the smallest steps a quotient may be anything, and so may a line.
    low, high = np.nanquantile(np.append(left, right), [0.15, 0.85])
    margin = max(high - low, 0.1 * abs(high)) or 1.0
    if own is not None:
        line = STROKES[2] | {"marker": "", "linewidth": 2.0}
        parts.append(f"{who}: {own:.6g}" if np.isfinite(own) else f"{who}: not finite")
        above.axhline(own, label=parts[-1], **line)
        ends = [slope.left, slope.right] if slope.kink else [slope.derivative]
        below.axhline(max(min(abs(own - x) for x in ends), SMALLEST), **line)
        if low - 20 * margin < own < high + 20 * margin:
            low, high = min(low, own), max(high, own)
    above.set_ylim(low - margin, high + margin)
    above.set_ylabel("difference quotient")
    below.set(xscale="log", yscale="log", xlabel="step", ylabel="distance from the slope")
    canvas.legend(loc="outside upper center", ncols=2)
    alt = (
        f"Difference quotients over the step, from {steps.min():.0e} to {steps.max():.0e}, and, on "
        f"a logarithmic axis, how far they are from what they tend to: {'; '.join(parts)}."
    )
    return _finish(canvas, alt)


@matplotlib.rc_context(_STYLE)
def panels(groups: Mapping[str, Mapping[str, Any]], *, across: str, up: str) -> Figure:
    """Show curves by panel: rows of the variable, lower quartile, median and upper quartile."""
    rows = -(-len(groups) // 2)
    canvas = Canvas(figsize=(5.3, 2.3 * rows + 0.9))
    axes = canvas.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
    names = dict.fromkeys(name for curves in groups.values() for name in curves)
    strokes = dict(zip(names, itertools.cycle(STROKES)))
    drawn: dict[str, Any] = {}
    parts: list[str] = []
    for axis, (title, group) in zip(axes.flat, groups.items(), strict=False):
        for name, points in group.items():
            place, lower, median, upper = np.asarray(points, dtype=float).T
            spread = [median - lower, upper - median]
            drawn[name] = axis.errorbar(place, median, spread, **strokes[name])
            ends = dict.fromkeys(f"{x:.2g}" for x in median[[0, -1]])
            parts.append(f"{title}, {name}: {' to '.join(ends)}")
        axis.set(xscale="log", yscale="log", xlabel=across, ylabel=up, title=title)
        axis.label_outer()
        # They would be half of the picture's bytes.
        axis.minorticks_off()
    for axis in axes.flat[len(groups) :]:
        axis.remove()
    canvas.legend(list(drawn.values()), list(drawn), loc="outside upper center", ncols=2)
    return _finish(
        canvas,
        f"Curves over {across}, logarithmic axes; {up} at the first and last: {'; '.join(parts)}.",
    )


@matplotlib.rc_context(_STYLE)
def disc(answers: Mapping[str, ArrayLike]) -> Figure:
    """Show stacks of symmetric 2 × 2 matrices of trace 1, in the disc of the semidefinite ones."""
    canvas = Canvas(figsize=(5.3, 4.6))
    axis = canvas.subplots()
    angles = np.linspace(0, 2 * np.pi, 90)
    axis.fill(np.cos(angles), np.sin(angles), facecolor="#e3edf4", edgecolor="#555555")
    parts = []
    # Where points coincide, the smaller lies on the larger.
    sizes = np.linspace(11, 4, len(answers))
    for (title, stack), stroke, size in zip(answers.items(), itertools.cycle(STROKES), sizes):
        G = np.asarray(stack, dtype=float).reshape(-1, 2, 2)
        x, y = G[:, 0, 0] - G[:, 1, 1], 2 * G[:, 0, 1]
        axis.plot(x, y, **stroke | {"linestyle": "none", "markersize": size}, label=title)
        radii = dict.fromkeys(f"{r + 0:.2g}" for r in np.sort(np.round(np.hypot(x, y), 6)))
        parts.append(f"{title} at the radius {' to '.join([*radii][:: max(len(radii) - 1, 1)])}")
    axis.set(xlabel="G₁₁ − G₂₂", ylabel="2 G₁₂", aspect="equal", xlim=(-1.2, 1.2))
    canvas.legend(loc="outside upper center", ncols=2)
    return _finish(canvas, f"Disc of radius 1, and points in it: {'; '.join(parts)}.")


# As text, not as outlines: there are many names.
@matplotlib.rc_context(_STYLE | {"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]})
def errors(rows: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> Figure:
    """Show relative errors by row and column: dark is wrong, crosses are not finite."""
    found = np.array([[row.get(c, -1.0) for c in columns] for row in rows.values()])
    tried = found != -1
    shown = np.ma.masked_array(np.log10(np.clip(found, SMALLEST, 1)), ~tried | ~np.isfinite(found))
    canvas = Canvas(figsize=(5.3, 0.21 * len(rows) + 1.9))
    axis = canvas.subplots()
    image = axis.imshow(shown, cmap="cividis_r", aspect="auto", interpolation="none")
    image.set_clim(-16, 0)
    y, x = np.nonzero(tried & ~np.isfinite(found))
    axis.plot(x, y, linestyle="none", marker="x", color="#D55E00", markersize=5)
    axis.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=9)
    axis.set_yticks(range(len(rows)), [*rows], fontsize=9)
    axis.grid(visible=False)
    axis.tick_params(bottom=False, left=False)
    canvas.colorbar(image, ax=axis, label="log₁₀ of the relative error; × not finite")
    lost = [name for name, e in zip(rows, found, strict=True) if not e.max() <= 0.01]
    alt = (
        f"Errors of {len(rows)} entrants in {len(columns)} columns, logarithmic colours; wrong or "
    )
    return _finish(canvas, f"{alt}not finite somewhere: {', '.join(lost) or 'none'}.")


# What a value or a distance is, with a colour and a marker of its own.
KINDS = {
    "on its own": STROKES[0],
    "equal to a neighbour": STROKES[1],
    "zero": STROKES[4],
    "wide": STROKES[0],
    "small": STROKES[3],
    "none: the two count as equal": STROKES[1],
}
# More labels than these would cover one another.
MOST_LABELS = 4
# Above this many values, markers of the usual size would.
MOST_LARGE_MARKERS = 40


@matplotlib.rc_context(_STYLE)
def values_and_gaps(valid: GeneralisedGradient, *, near: float) -> Figure:
    """Show eigenvalues or singular values, their clusters, and how far each is from the next."""
    values, singular = valid.values, valid.problem == "svd"
    size = float(np.max(np.abs(values), initial=0.0)) or 1.0
    gaps = np.abs(np.diff(np.append(values, 0.0) if singular else values))
    canvas = Canvas(figsize=(5.3, 5.4 if gaps.size else 3.0))
    axes = canvas.subplots(2 if gaps.size else 1, 1, sharex=True, squeeze=False)[:, 0]
    _draw_values(axes[0], valid)
    if gaps.size:
        _draw_gaps(axes[1], valid, gaps, size, near)
    for axis in axes:
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[-1].set_xlim(0.5 - 0.02 * len(values), len(values) + 0.8 + 0.02 * len(values))
    axes[-1].set_xlabel(f"number, counted from the {'largest' if singular else 'smallest'}")
    return _finish(canvas, _in_words(valid, size, near))


def _scatter(axis: Axes, places: Array, heights: Array, kinds: Array, hollow: Array) -> None:
    """Draw points, with one entry of the legend for each kind."""
    # The hollow ones first, so that they do not cover the others.
    for is_hollow in (True, False):
        alike = hollow == is_hollow
        for kind in dict.fromkeys(kinds[alike]):
            chosen, stroke = alike & (kinds == kind), KINDS[kind]
            axis.plot(
                places[chosen],
                heights[chosen],
                **stroke | {"linestyle": "none"},
                markerfacecolor="white" if is_hollow else stroke["color"],
                markersize=6 if np.count_nonzero(alike) <= MOST_LARGE_MARKERS else 3,
                label=f"{kind}, weight 0" if is_hollow else kind,
            )


def _draw_values(axis: Axes, valid: GeneralisedGradient) -> None:
    places = np.arange(1, len(valid.values) + 1)
    kinds = np.full(len(places), "on its own", dtype=object)
    groups = [c for c in valid.clusters if c.stop - c.start > 1]
    for c in groups:
        kinds[c] = "equal to a neighbour"
    kinds[valid.rank :] = "zero"
    _scatter(axis, places, valid.values, kinds, valid.weights == 0)
    for c in groups if len(groups) <= MOST_LABELS else ():
        axis.annotate(
            valid.name(c),
            (np.mean(places[c]), np.mean(valid.values[c])),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.margins(y=0.2)
    axis.set_ylabel(kind_of_values(valid))


def _draw_gaps(
    axis: Axes, valid: GeneralisedGradient, gaps: Array, size: float, near: float
) -> None:
    limits = {
        f"√eps · largest = {near * size:.1e}": (near * size, ":"),
        f"rtol · largest = {valid.rtol * size:.1e}": (valid.rtol * size, "--"),
    }
    # A distance of 0 has no place on a logarithmic axis, and one far below the lines needs none.
    floor = min(x for x in (valid.rtol * size, near**2 * size) if x > 0) / 10
    kinds = np.where(gaps < near * size, "small", "wide").astype(object)
    # The zero that the singular values are held against belongs to their zero cluster.
    for c in valid.clusters:
        last = len(gaps) if valid.is_zero(c) else c.stop - 1
        kinds[c.start : last] = "none: the two count as equal"
    everywhere = np.arange(len(gaps)) + 1.5
    _scatter(axis, everywhere, np.maximum(gaps, floor), kinds, np.zeros(len(gaps), dtype=bool))
    for label, (height, style) in limits.items():
        if height:
            axis.axhline(height, color="#555555", linestyle=style, linewidth=1.2, label=label)
    axis.set_yscale("log")
    axis.set_ylabel(f"distance to the next{' or to 0' if valid.problem == 'svd' else ''}")


def _in_words(valid: GeneralisedGradient, size: float, near: float) -> str:
    groups = [c for c in valid.clusters if c.stop - c.start > 1 or valid.is_zero(c)]
    found = [tied(valid, c) for c in groups]
    found = shortened(found, MOST_LABELS, "{} more groups are equal or zero")
    means = [float(np.mean(valid.values[c])) for c in valid.clusters]
    if valid.problem == "svd" and valid.rank == len(valid.values):
        means.append(0.0)
    return sentences.spectrum(valid, found, np.abs(np.diff(means)), size, near)
