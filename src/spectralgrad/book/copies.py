"""A gradient for a reader to take along: as source code, and as files to save."""

import base64
import html
import io
import urllib.parse

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.verdict import Verdict

#: Rows and columns of the largest matrix that a page writes out as source code.
LARGEST_SOURCE = 10
#: Bytes that all downloads of one page may take.
LARGEST_DOWNLOADS = 3_500_000


def python_source(array: ArrayLike) -> str:
    """Write a matrix as Python source, with every digit; ``np`` is NumPy."""
    # Adding 0 turns −0.0, which complex numbers in source code cannot express, into 0.0.
    rows = (np.asarray(array) + 0).tolist()
    lines = [f"    [{', '.join(map(repr, row))}]," for row in rows]
    return "\n".join(["np.array([", *lines, "])"])


def to_copy(gradient: ArrayLike, verdict: Verdict) -> str:
    """Say what a gradient from theory is, and write it as source code unless it is large."""
    valid, is_complex = verdict.valid, np.iscomplexobj(gradient)
    what = "the gradient" if valid.differentiable else "the valid answer of smallest norm"
    text = f"This is {what}."
    if valid.problem == "eigh":
        kind = "Hermitian" if is_complex else "symmetric"
        text += f" It is {kind}, and holds for {kind} dA."
    if is_complex:
        text += " Programs of autograd and JAX need its conjugate, `G.conj()`."
    if max(np.shape(gradient)) > LARGEST_SOURCE:
        return text
    trusted = f", of which {verdict.digits} can be trusted" if verdict.digits else ""
    return f"{text} With all digits{trusted}:\n\n```python\nG = {python_source(gradient)}\n```"


def downloads(array: ArrayLike) -> str:
    """Links that save a matrix with every digit, as HTML that fetches nothing from elsewhere."""
    array = np.asarray(array)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    data = base64.b64encode(buffer.getvalue()).decode()
    npy = f"data:application/octet-stream;base64,{data}"
    # A complex number is written in parentheses, which few programs read.
    rows = [",".join(repr(number).strip("()") for number in row) for row in array.tolist()]
    text = "".join(f"{row}\n" for row in rows)
    csv = f"data:text/csv;charset=utf-8,{urllib.parse.quote(text, safe=',+')}"
    files = {_link("gradient.npy", npy): "to save, for <code>numpy.load</code>"}
    if len(npy) + len(csv) <= LARGEST_DOWNLOADS:
        files[_link("gradient.csv", csv)] = "to save, for other programs"
    else:
        line = 'np.savetxt("gradient.csv", np.load("gradient.npy"), delimiter=",")'
        size = f"would take {len(csv) / 1e6:.1f} MB of this page"
        files["gradient.csv"] = f"{size}: <code>{html.escape(line)}</code>"
    body = "".join(f"<tr><th>{name}</th><td>{what}</td></tr>" for name, what in files.items())
    # The theme gives any other HTML a light ground in dark mode too.
    return f'<table class="dataframe noprint"><tbody>{body}</tbody></table>'


def _link(name: str, data: str) -> str:
    return f'<a download="{name}" href="{data}">{name}</a>'
