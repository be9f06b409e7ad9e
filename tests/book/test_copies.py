"""What a reader takes along keeps every digit."""

import base64
import html
import io
import re
from urllib.parse import unquote

import numpy as np
import pytest
from drawing import random_matrix
from judging import HERMITIAN, verdict_at

from spectralgrad import matrices
from spectralgrad.book import copies


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 1)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_source_and_downloads_keep_every_digit(shape, is_complex, rng, tmp_path):
    array = random_matrix(rng, *shape, is_complex=is_complex) * 10.0 ** rng.integers(-300, 300)
    array[0, 0] = -0.0
    assert np.array_equal(eval(copies.python_source(array), {"np": np}), array)
    files = links(copies.downloads(array))
    assert np.array_equal(np.load(io.BytesIO(files["gradient.npy"]), allow_pickle=False), array)
    (tmp_path / "g.csv").write_bytes(files["gradient.csv"])
    again = matrices.load(tmp_path / "g.csv")
    assert again.tobytes() == array.tobytes()


def links(html):
    """What the links of a page save, by file name."""
    found = re.findall(r'<a download="([\w.]+)" href="data:([^",]*),([^"]*)">', html)
    return {
        name: base64.b64decode(data) if kind.endswith("base64") else unquote(data).encode()
        for name, kind, data in found
    }


def test_a_csv_that_is_too_heavy_is_left_out_and_its_line_makes_it(monkeypatch, rng, tmp_path):
    array = random_matrix(rng, 3, 2, is_complex=True)
    monkeypatch.setattr(copies, "LARGEST_DOWNLOADS", 500)
    text = copies.downloads(array)
    files = links(text)
    assert list(files) == ["gradient.npy"]
    (tmp_path / "gradient.npy").write_bytes(files["gradient.npy"])
    line = html.unescape(re.search("<code>(np.*)</code>", text)[1])
    monkeypatch.chdir(tmp_path)
    exec(line, {"np": np})
    assert np.array_equal(matrices.load("gradient.csv"), array)


def test_the_downloads_of_the_largest_report_leave_room_on_its_page(rng):
    array = random_matrix(rng, 300, 300, is_complex=False)
    assert set(links(copies.downloads(array))) == {"gradient.npy", "gradient.csv"}
    text = copies.downloads(array + 1j * array)
    assert set(links(text)) == {"gradient.npy"}
    assert len(text) < 2e6


def test_to_copy():
    verdict = verdict_at(HERMITIAN, [1, 0])
    text = copies.to_copy(verdict.gradient, verdict)
    assert text.startswith("This is the gradient. It is Hermitian, and holds for Hermitian dA. ")
    assert "need its conjugate, `G.conj()`. With all digits, of which 14 can be trusted:" in text
    source = re.search(r"```python\nG = (.*)\n```", text, re.S)[1]
    assert np.array_equal(eval(source, {"np": np}), verdict.gradient)
    verdict = verdict_at(np.zeros((11, 2)), [1, 1], "svd")
    assert copies.to_copy(verdict.gradient, verdict) == (
        "This is the valid answer of smallest norm."
    )
