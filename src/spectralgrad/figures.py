"""Figures for chapters and reports: matplotlib, as SVG with a text that says what they show."""

import base64
import html
import io
import itertools
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Canvas

# Blue to red through white: told apart with every common form of colour blindness.
COLOUR_MAP = "RdBu_r"
# Above this many columns, numbers in the cells are too small to read.
MOST_NUMBERED_COLUMNS = 6
WIDEST = 4  # heat maps side by side
# Okabe and Ito's colours, which remain apart with every common form of colour blindness; markers
# and dashes tell the curves apart without any.
STROKES = [
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

    svg: str
    alt: str

    def _repr_html_(self):
        # A data URI keeps the identifiers of one SVG apart from those of the next.
        data = base64.b64encode(self.svg.encode()).decode()
        source = f"data:image/svg+xml;base64,{data}"
        return f'<img class="sg-figure" alt="{html.escape(self.alt)}" src="{source}">'


def _finish(canvas, alt):
    buffer = io.StringIO()
    # A fixed salt and no date, so that equal input gives equal bytes.
    with matplotlib.rc_context({"svg.hashsalt": "spectralgrad", "svg.fonttype": "path"}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return Figure(buffer.getvalue(), alt)


def heat_maps(matrices):
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
    parts = {"": np.real}
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


def _largest(arrays):
    """Largest finite real or imaginary part, in absolute value."""
    parts = np.abs([part(a) for a in arrays for part in (np.real, np.imag)])
    return float(parts[np.isfinite(parts)].max(initial=0.0))


def _heat_map(axis, panel, limit):
    image = axis.imshow(panel, cmap=COLOUR_MAP, vmin=-limit, vmax=limit, aspect="auto")
    axis.set_xticks([])
    axis.set_yticks([])
    if panel.shape[1] <= MOST_NUMBERED_COLUMNS and panel.shape[0] <= 2 * MOST_NUMBERED_COLUMNS:
        _write_numbers(axis, panel, limit)
    return image


def _write_numbers(axis, panel, limit):
    for (i, j), value in np.ndenumerate(panel):
        colour = "white" if abs(value) > 0.6 * limit else "black"
        # Adding 0 turns −0.00 into 0.00.
        text = f"{round(float(value), 2) + 0:.2f}"
        axis.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)


def _difference(arrays):
    """Sentence on how far the matrices lie apart."""
    stack = np.stack(list(arrays.values()))
    if not np.all(np.isfinite(stack)):
        return "Some entries are not finite."
    pairs = itertools.combinations(stack, 2)
    gap = max((float(np.abs(a - b).max()) for a, b in pairs), default=0.0)
    if gap <= 1e-3 * np.abs(stack).max(initial=0.0):
        return "All look the same."
    return f"They differ, in some entry by {gap:.3g}."


def curves(places, series, *, across, up, logarithmic=True):
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


def _course(places, values):
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
