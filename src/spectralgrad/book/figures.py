"""Figures for chapters and reports: matplotlib, as SVG with a text that says what they show."""

from __future__ import annotations

import base64
import html
import io
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image

from spectralgrad.theory.arrays import Array

if TYPE_CHECKING:
    from spectralgrad.theory.subgradient import GeneralisedGradient

# Blue to red through white: told apart with every common form of colour blindness.
COLOUR_MAP = "RdBu_r"
# Above this many columns, numbers in the cells are too small to read.
MOST_NUMBERED_COLUMNS = 6
WIDEST = 4  # heat maps side by side
# Okabe and Ito's colours, which remain apart with every common form of colour blindness; markers
# and dashes tell the curves apart without any.
STROKES: list[dict[str, Any]] = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#000000", "marker": "v", "linestyle": "-"},
    {"color": "#E69F00", "marker": "P", "linestyle": "--"},
]
# On a logarithmic axis, what is smaller is drawn here.
SMALLEST = 1e-18


@dataclass(frozen=True)
class Figure:
    """A picture and its alternative text; a notebook shows it as an image.

    Attributes
    ----------
    svg : str
    alt : str
        What the picture shows, for those who do not see it.
    """

    svg: str = field(repr=False)
    alt: str

    def _repr_html_(self) -> str:
        # A data URI keeps the identifiers of one SVG apart from those of the next.
        data = base64.b64encode(self.svg.encode()).decode()
        source = f"data:image/svg+xml;base64,{data}"
        return f'<img class="sg-figure" alt="{html.escape(self.alt)}" src="{source}">'


def _finish(canvas: Canvas, alt: str) -> Figure:
    buffer = io.StringIO()
    # A fixed salt and no date, so that equal input gives equal bytes.
    with matplotlib.rc_context({"svg.hashsalt": "spectralgrad", "svg.fonttype": "path"}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    svg = re.sub(r'(data:image/png;base64,)([^"]*)', _with_palette, buffer.getvalue())
    return Figure(svg, alt)


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


def heat_maps(matrices: Mapping[str, ArrayLike]) -> Figure:
    """Show matrices side by side on one colour scale, symmetric about 0.

    Complex matrices have their imaginary parts below their real parts.

    Parameters
    ----------
    matrices : dict of str to (m, n) array_like
        Title to matrix; all of one shape.

    Returns
    -------
    Figure
    """
    arrays = {title: np.asarray(a) for title, a in matrices.items()}
    parts: dict[str, Callable[[Array], Array]] = {"": np.real}
    if any(np.iscomplexobj(a) for a in arrays.values()):
        parts = {"Re ": np.real, "Im ": np.imag}
    m, n = next(iter(arrays.values())).shape
    limit = _largest(arrays.values()) or 1.0
    lines = -(-len(arrays) // WIDEST)
    columns = -(-len(arrays) // lines)
    rows = lines * len(parts)
    height = np.clip(m / n, 0.35, 2.0)
    canvas = Canvas(
        figsize=(10, rows * (2.5 * height * 4 / max(columns, 3) + 0.4)), layout="constrained"
    )
    axes = canvas.subplots(rows, columns, squeeze=False)
    for i, (title, array) in enumerate(arrays.items()):
        for j, (prefix, part) in enumerate(parts.items()):
            axis = axes[i // columns * len(parts) + j, i % columns]
            image = _heat_map(axis, part(array), limit)
            axis.set_title(prefix + title, fontsize=10)
    for axis in axes.flat:
        if not axis.has_data():
            axis.remove()
    canvas.colorbar(image, ax=canvas.axes, shrink=0.9)
    alt = (
        f"Heat maps of {m} × {n} matrices on one colour scale from {-limit:.3g} to {limit:.3g}: "
        f"{', '.join(arrays)}. {_difference(arrays)}"
    )
    return _finish(canvas, alt)


def _largest(arrays: Iterable[Array]) -> float:
    """Largest finite real or imaginary part, in absolute value."""
    parts = np.abs([part(a) for a in arrays for part in (np.real, np.imag)])
    return float(parts[np.isfinite(parts)].max(initial=0.0))


def _heat_map(axis: Axes, panel: Array, limit: float) -> AxesImage:
    # Where points of the picture are averages, they are so of numbers, and not of colours.
    image = axis.imshow(
        panel,
        cmap=COLOUR_MAP,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation_stage="data",
    )
    axis.set_xticks([])
    axis.set_yticks([])
    if panel.shape[1] <= MOST_NUMBERED_COLUMNS and panel.shape[0] <= 2 * MOST_NUMBERED_COLUMNS:
        _write_numbers(axis, panel, limit)
    return image


def _write_numbers(axis: Axes, panel: Array, limit: float) -> None:
    for (i, j), value in np.ndenumerate(panel):
        colour = "white" if abs(value) > 0.6 * limit else "black"
        # Adding 0 turns −0.00 into 0.00.
        text = f"{round(float(value), 2) + 0:.2f}"
        axis.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)


def _difference(arrays: Mapping[str, Array]) -> str:
    """Sentence on how far the matrices lie apart."""
    stack = np.stack(list(arrays.values()))
    if not np.all(np.isfinite(stack)):
        return "Some entries are not finite."
    pairs = itertools.combinations(stack, 2)
    gap = max((float(np.abs(a - b).max()) for a, b in pairs), default=0.0)
    if gap <= 1e-3 * np.abs(stack).max(initial=0.0):
        return "All look the same."
    return f"They differ, in some entry by {gap:.3g}."


def curves(
    places: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    across: str,
    up: str,
    logarithmic: bool = True,
) -> Figure:
    """Show how quantities change along one variable.

    Parameters
    ----------
    places : (n,) array_like
        Of the variable.
    series : dict of str to (n,) array_like
        Name of the curve to its values; at most six. What is not finite is left out.
    across, up : str
        What the axes show.
    logarithmic : bool, optional
        Whether both axes are.

    Returns
    -------
    Figure
    """
    places = np.asarray(places, dtype=float)
    canvas = Canvas(figsize=(8, 4.2), layout="constrained")
    axis = canvas.subplots()
    for (title, values), stroke in zip(series.items(), itertools.cycle(STROKES)):
        values = np.asarray(values, dtype=float)
        shown = np.maximum(values, SMALLEST) if logarithmic else values
        axis.plot(places, shown, label=title, markersize=4, linewidth=1.4, **stroke)
    if logarithmic:
        axis.set_xscale("log")
        axis.set_yscale("log")
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.grid(alpha=0.3)
    canvas.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    scale = "logarithmic axes" if logarithmic else "linear axes"
    parts = [f"{title} {_course(places, values)}" for title, values in series.items()]
    alt = (
        f"Curves over {across} from {places.min():.3g} to {places.max():.3g}, {scale}; {up}: "
        f"{'; '.join(parts)}."
    )
    return _finish(canvas, alt)


def panels(
    groups: Mapping[str, Mapping[str, Any]], *, across: str, up: str, columns: int = 2
) -> Figure:
    """Show how measured quantities change along one variable, on logarithmic axes, with spread.

    Parameters
    ----------
    groups : dict of str to dict of str to (n, 4) array_like
        Title of a panel to its curves: name to rows of the variable, lower quartile, median and
        upper quartile. At most six names, each with one stroke in all panels.
    across, up : str
        What the axes show.
    columns : int, optional
        Panels side by side.

    Returns
    -------
    Figure
    """
    rows = -(-len(groups) // columns)
    canvas = Canvas(figsize=(8, 3.1 * rows + 0.6), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    names = list(dict.fromkeys(name for curves in groups.values() for name in curves))
    strokes = dict(zip(names, itertools.cycle(STROKES)))
    drawn: dict[str, Any] = {}
    parts: list[str] = []
    for axis, (title, group) in zip(axes.flat, groups.items(), strict=False):
        for name, points in group.items():
            place, lower, median, upper = np.asarray(points, dtype=float).T
            spread = [median - lower, upper - median]
            drawn[name] = axis.errorbar(
                place, median, spread, markersize=4, linewidth=1.4, **strokes[name]
            )
            ends = f"{median[0]:.2g} to {median[-1]:.2g}" if len(median) > 1 else f"{median[0]:.2g}"
            parts.append(f"{title}, {name}: {ends}")
        axis.set_title(title, fontsize=10)
        axis.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
        axis.label_outer()
        # They would be half of the picture's bytes.
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(groups) :]:
        axis.remove()
    order = [name for name in names if name in drawn]
    canvas.legend(
        [drawn[name] for name in order],
        order,
        loc="outside upper center",
        ncols=3,
        fontsize=9,
        frameon=False,
    )
    return _finish(
        canvas,
        f"Curves over {across}, logarithmic axes; {up} at the first and last: {'; '.join(parts)}.",
    )


def _course(places: Array, values: ArrayLike) -> str:
    """Say where a curve begins and ends, and its extremes between."""
    values = np.asarray(values, dtype=float)
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


def spectrum(valid: GeneralisedGradient, *, near: float) -> Figure:
    """Show eigenvalues or singular values, their clusters, and how far each is from the next.

    Hollow markers are values of weight 0. The last singular value has 0 as its next.

    Parameters
    ----------
    valid : spectralgrad.theory.subgradient.GeneralisedGradient
    near : float
        Distance, relative to the largest modulus, below which values are near; as for
        `spectralgrad.verdict.reasons.regimes`.

    Returns
    -------
    Figure
    """
    values, singular = valid.values, valid.problem == "svd"
    size = float(np.max(np.abs(values), initial=0.0)) or 1.0
    gaps = np.abs(np.diff(np.append(values, 0.0) if singular else values))
    closest = [abs(a - b) for a, b in itertools.pairwise(_centres(valid))]
    height = 5.8 if gaps.size else 3.0
    canvas = Canvas(figsize=(7, height), layout="constrained")
    axes = canvas.subplots(2 if gaps.size else 1, 1, sharex=True, squeeze=False)[:, 0]
    _draw_values(axes[0], valid)
    if gaps.size:
        _draw_gaps(axes[1], valid, gaps, size, near)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9, frameon=False
        )
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[-1].set_xlim(0.5 - 0.02 * len(values), len(values) + 0.8 + 0.02 * len(values))
    axes[-1].set_xlabel(f"number, counted from the {'largest' if singular else 'smallest'}")
    return _finish(canvas, _spectrum_in_words(valid, closest, size, near))


def _centres(valid: GeneralisedGradient) -> list[float]:
    """Mean of each cluster; of singular values, 0 at the end."""
    means = [float(np.mean(valid.values[c])) for c in valid.clusters]
    return [*means, 0.0] if valid.problem == "svd" and valid.rank == len(valid.values) else means


def _kinds(valid: GeneralisedGradient) -> Array:
    """What each value is: a key of `KINDS`."""
    kinds = np.full(len(valid.values), "on its own", dtype=object)
    for c in valid.clusters:
        if c.start >= valid.rank:
            kinds[c] = "zero"
        elif c.stop - c.start > 1:
            kinds[c] = "equal to a neighbour"
    return kinds


def _scatter(
    axis: Axes, places: Array, heights: Array, kinds: Array, *, hollow: Array | None = None
) -> None:
    """Draw points, with one entry of the legend for each kind."""
    hollow = np.zeros(len(places), dtype=bool) if hollow is None else hollow
    # The hollow ones first, so that they do not cover the others.
    for is_hollow in (True, False):
        alike = hollow == is_hollow
        for kind in dict.fromkeys(kinds[alike]):
            chosen, stroke = alike & (kinds == kind), KINDS[kind]
            axis.plot(
                places[chosen],
                heights[chosen],
                linestyle="none",
                marker=stroke["marker"],
                color=stroke["color"],
                markerfacecolor="white" if is_hollow else stroke["color"],
                markersize=6 if np.count_nonzero(alike) <= MOST_LARGE_MARKERS else 3,
                label=f"{kind}, weight 0" if is_hollow else kind,
            )


def _draw_values(axis: Axes, valid: GeneralisedGradient) -> None:
    places = np.arange(1, len(valid.values) + 1)
    _scatter(axis, places, valid.values, _kinds(valid), hollow=valid.weights == 0)
    groups = [c for c in valid.clusters if c.stop - c.start > 1]
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
    axis.set_ylabel("singular value" if valid.problem == "svd" else "eigenvalue")


def _draw_gaps(
    axis: Axes, valid: GeneralisedGradient, gaps: Array, size: float, near: float
) -> None:
    limits = {
        f"√eps · largest = {near * size:.1e}": (near * size, ":"),
        f"rtol · largest = {valid.rtol * size:.1e}": (valid.rtol * size, "--"),
    }
    # A distance of 0 has no place on a logarithmic axis, and one far below the lines needs none.
    floor = min(x for x in (valid.rtol * size, near**2 * size) if x > 0) / 10
    numbers = np.repeat(np.arange(len(valid.clusters)), [c.stop - c.start for c in valid.clusters])
    # The zero that the singular values are held against belongs to their zero cluster.
    zero = [numbers[-1] + (valid.rank == len(numbers))] if len(gaps) == len(numbers) else []
    equal = np.diff(np.append(numbers, zero)) == 0
    kinds = np.where(gaps < near * size, "small", "wide").astype(object)
    kinds[equal] = "none: the two count as equal"
    _scatter(axis, np.arange(len(gaps)) + 1.5, np.maximum(gaps, floor), kinds)
    for label, (height, style) in limits.items():
        if height:
            axis.axhline(height, color="#555555", linestyle=style, linewidth=1.2, label=label)
    axis.set_yscale("log")
    axis.set_ylabel(f"distance to the next{' or to 0' if valid.problem == 'svd' else ''}")


def _spectrum_in_words(
    valid: GeneralisedGradient, closest: list[float], size: float, near: float
) -> str:
    singular = valid.problem == "svd"
    k, kind = len(valid.values), "singular value" if singular else "eigenvalue"
    low, high = np.min(valid.values), np.max(valid.values)
    found = [
        f"{valid.name(c)} {'is' if c.stop - c.start == 1 else 'are'} "
        f"{'zero' if c.start >= valid.rank else 'equal'}"
        for c in valid.clusters
        if c.stop - c.start > 1 or c.start >= valid.rank
    ]
    if len(found) > MOST_LABELS:
        found = [*found[:2], f"{len(found) - 2} more groups are equal or zero"]
    alike = "; ".join(found) or "no two are equal" + (", and none is zero" if singular else "")
    many = f"{k} {kind}s from {low:.3g} to {high:.3g}" if k > 1 else f"one {kind}, {low:.3g}"
    text = f"Spectrum of {many}: {alike if k > 1 or singular else 'nothing to compare it with'}."
    if closest:
        text += (
            f" The smallest distance between different ones{' or to zero' if singular else ''} is "
            f"{min(closest):.2g}; what is closer than {valid.rtol * size:.1e} counts as equal, and "
            f"what is closer than {near * size:.1e} as near."
        )
    return text
