"""The report on one matrix: what it says, against what is computed here by other means."""

import base64
import io
import json
import re
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from executing import KERNEL, _read, execute

from spectralgrad import frameworks, matrices
from spectralgrad.book import building, reporting


def symmetric_matrix(n, dtype=float):
    a = np.random.default_rng(n).standard_normal((n, n))
    return (a + a.T).astype(dtype)


def rotated(values):
    """A symmetric matrix with these eigenvalues."""
    q = np.linalg.qr(np.random.default_rng(7).standard_normal((len(values), len(values))))[0]
    matrix = (q * np.array(values)) @ q.T
    return (matrix + matrix.T) / 2


def complex_matrix(*shape):
    rng = np.random.default_rng(3)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def hermitian_matrix(n):
    a = complex_matrix(n, n)
    return a + a.conj().T


def links(html):
    """What the links of a page save, by file name."""
    found = re.findall(r'<a download="([\w.]+)" href="data:([^",]*),([^"]*)">', html)
    return {
        name: base64.b64decode(data) if kind.endswith("base64") else unquote(data).encode()
        for name, kind, data in found
    }


def saved(cells, folder):
    """The answer to use, from the link on the page; the same in every form in which it is given."""
    outputs = [o["data"] for c in cells for o in c.get("outputs", ()) if "data" in o]
    (html,) = (x for x in ("".join(d.get("text/html", "")) for d in outputs) if "download" in x)
    files = links(html)
    answer = np.load(io.BytesIO(files["gradient.npy"]), allow_pickle=False)
    (folder / "again.csv").write_bytes(files["gradient.csv"])
    again = matrices.load(folder / "again.csv")
    assert np.array_equal(again, answer)
    assert again.dtype == answer.dtype
    text = "\n".join("".join(d.get("text/markdown", "")) for d in outputs)
    sources = re.findall(r"```python\nG = (np\.array.*?)\n```", text, re.S)
    assert len(sources) == (max(answer.shape) <= 10)
    for source in sources:
        assert np.array_equal(eval(source, {"np": np}), answer)
    return answer


#: Matrix, parameters, groups of equal values (0 at the front: the zeros), regimes.
CASES = {
    "1x1": ([[-2.0]], {"problem": "svd"}, [[0]], ["regular"]),
    "hermitian": (hermitian_matrix(2), {}, [[0], [1]], ["regular"]),
    "tie": (np.diag([1.0, 1, 3]), {}, [[0, 1], [2]], ["tie"]),
    "tie-beside": (np.diag([1.0, 1, 3]), {"weights": "last"}, [[0, 1], [2]], ["tie"]),
    "zero": (np.zeros((3, 3)), {}, [[0, 1, 2]], ["tie"]),
    "zero-svd": (np.zeros((2, 3)), {}, [[0, 1]], ["rank-deficient"]),
    "near-tie": (rotated([1, 1 + 1e-10, 2, 3]), {}, [[0], [1], [2], [3]], ["near-tie"]),
    "near-tie-joined": (
        *(rotated([1, 1 + 1e-10, 2, 3]), {"rtol": 1e-6}, [[0, 1], [2], [3]], ["tie"]),
    ),
    "deficient": (
        *(np.outer(np.arange(1.0, 6), [1, 2, 3.0]), {}, [[0], [1, 2]], ["rank-deficient"]),
    ),
    "nearly-deficient": (
        *(np.diag([1e-9, 1.0, 2.0]) @ rotated([1, 2, 3]), {}, [[0], [1], [2]]),
        ["nearly rank-deficient"],
    ),
    "tiny": (1e-6 * symmetric_matrix(3), {}, [[0], [1], [2]], ["extreme scale"]),
    "wide-complex": (complex_matrix(3, 6), {}, [[0], [1], [2]], ["regular"]),
    "float32": (symmetric_matrix(5, np.float32), {}, [[i] for i in range(5)], ["regular"]),
    "60x60": (symmetric_matrix(60), {"weights": "sum"}, [[i] for i in range(60)], ["regular"]),
    "60x40": (
        symmetric_matrix(60)[:, :40],
        {"weights": "first"},
        [[i] for i in range(40)],
        ["regular"],
    ),
    "weights": (
        *(np.diag([2.0, 2, 2, 1, 0, 0]), {"problem": "svd", "weights": "[3, 1, -1, 5, 2, 1]"}),
        *([[0, 1, 2], [3], [4, 5]], ["tie", "rank-deficient"]),
    ),
}


def weights_of(parameters, problem, k):
    choice = parameters.get("weights", "first" if problem == "eigh" else "sum")
    if choice in ("first", "last"):
        return np.eye(k)[0 if choice == "first" else -1]
    return np.ones(k) if choice == "sum" else np.array(json.loads(choice), dtype=float)


def smallest_answer(matrix, problem, weights, groups):
    """The mean weight on each group, nothing on zeros; and whether the weights leave a choice."""
    matrix = np.asarray(matrix)
    matrix = matrix.astype(np.result_type(matrix, float))
    if problem == "eigh":
        values, left = np.linalg.eigh(matrix)
        right = left
    else:
        left, values, vh = np.linalg.svd(matrix, full_matrices=False)
        right = vh.conj().T
    smooth, means = True, np.zeros(len(values))
    for group in groups:
        zero = problem == "svd" and values[group[0]] <= 1e-12 * (values[0] or 1)
        means[group] = 0 if zero else weights[group].mean()
        smooth &= not np.any(weights[group]) if zero else np.ptp(weights[group]) == 0
    return (left * means) @ right.conj().T, bool(smooth)


@pytest.mark.parametrize("name", CASES)
def test_what_it_says(name, tmp_path):
    matrix, parameters, groups, regimes = CASES[name]
    matrix = np.array(matrix)
    np.save(tmp_path / "my.npy", matrix)
    facts, text, cells = execute("your_matrix", tmp_path, matrix="my.npy", **parameters)
    k, is_complex = min(matrix.shape), np.iscomplexobj(matrix)
    is_hermitian = matrix.shape[0] == matrix.shape[1] and np.allclose(matrix, matrix.conj().T)
    problem = parameters.get("problem", "eigh" if is_hermitian else "svd")
    weights = weights_of(parameters, problem, k)
    truth, smooth = smallest_answer(matrix, problem, weights, groups)
    assert (facts["problem"], facts["shape"]) == (problem, list(matrix.shape))
    assert facts["weights"] == weights.tolist()
    assert [c["indices"] for c in facts["clusters"]] == groups
    assert facts["regimes"] == regimes
    assert facts["differentiable"] == smooth

    # The sentences.
    there = "one gradient" if smooth else "no gradient at this matrix but a set of valid answers"
    it = "it" if smooth else "one of them"
    assert facts["headline"].startswith(f"There is {there}")
    assert f"and every framework returns {it}." in facts["headline"]
    assert f"**{facts['headline']}** f is {'' if smooth else 'not '}differentiable" in text
    assert ("Use the valid answer of smallest norm" in text) == (not smooth)
    assert ("One answer is valid: the gradient." in text) == smooth
    assert ("slope along −G/‖G‖" in text) == (not smooth)
    assert all(f"- **{regime}**: " in text for regime in regimes)
    assert f"The matrix of this page: **{' and '.join(regimes)}**." in text

    # What the frameworks returned, and how it is written.
    verdicts = {a["verdict"] for a in facts["frameworks"].values()}
    assert verdicts == {"agrees" if smooth else "subgradient"}
    is_diagonal = matrix.shape[0] == matrix.shape[1] and np.array_equal(
        matrix, np.diag(np.diag(matrix))
    )
    triangle = problem == "eigh" and not is_diagonal and np.ptp(weights) > 0
    for framework, line in facts["conversions"].items():
        lower = triangle and framework in ("autograd", "tensorflow")
        assert facts["frameworks"][framework]["convention"] == (
            "general" if problem == "svd" else "lower" if lower else "symmetric"
        )
        conjugated = is_complex and framework in ("autograd", "jax")
        assert facts["frameworks"][framework]["conjugated"] == conjugated
        assert bool(line) == (lower or conjugated)
        assert ("conj" in line) == (conjugated or (lower and framework == "autograd"))
    assert ("Nothing is to be converted" in text) == (not any(facts["conversions"].values()))

    # Where they lie in the set.
    assert all(facts["inside"].values())
    smallest, *others = facts["norms"]
    assert facts["norms"][smallest] == pytest.approx(np.linalg.norm(truth), abs=1e-9)
    for other in others:
        assert facts["norms"][other] == pytest.approx(np.linalg.norm(weights), rel=1e-4)
        assert facts["extreme"][other]
    assert facts["extreme"][smallest] == smooth

    # The derivative, by three ways.
    assert ("three_ways" in facts) == smooth
    if smooth:
        formula, difference, digits = facts["three_ways"]
        # Differences have steps below the gap.
        assert difference == pytest.approx(formula, abs=1e-2 if "near" in name else 1e-5)
        assert (digits is None) == (max(matrix.shape) > 20)
        allowed = 100 * facts["allowed"] * (np.linalg.norm(truth) or 1)
        assert digits is None or formula == pytest.approx(digits, abs=allowed)
        assert ("too large for 50 digits" in text) == (digits is None)

    # The answer to use.
    answer = saved(cells, tmp_path)
    allowed = 10 * facts["allowed"] * (np.linalg.norm(truth) or 1)
    assert np.linalg.norm(answer - truth) <= max(allowed, 1e-13)
    assert ("`G.conj()`." in text) == is_complex


def test_as_published(tmp_path):
    facts, text, cells = execute("your_matrix", tmp_path, matrix="blog-rank-2")
    assert facts["rank"] == 2
    assert "σ₃ to σ₅ are zero, with the weights 1, 1 and 1: any 3 × 3 real matrix whose" in text
    assert "The set has 9 dimensions." in text
    assert "3 of 5 singular values are zero" in text
    # The lines that ran are on the page.
    shown = "".join(str(c.get("outputs", "")) for c in cells)
    assert "make_vjp(lambda given: function(*given), arrays)" in shown
    assert "jax.vjp(function, *arrays)" in shown


def test_a_framework_of_four(tmp_path):
    facts, text, cells = execute("your_matrix", tmp_path, matrix="stack-overflow", frameworks="jax")
    assert list(facts["frameworks"]) == ["jax"]
    assert facts["headline"] == "There is one gradient at this matrix, and JAX returns it."
    assert "TensorFlow" not in text
    assert "tape" not in str([c.get("outputs") for c in cells])


def test_where_rounding_decides_nothing_is_claimed(tmp_path):
    np.save(tmp_path / "my.npy", rotated([1.0, 1.0 + 1e-13, 2.0, 3.0]))
    facts, text, _ = execute("your_matrix", tmp_path, matrix="my.npy")
    assert {a["verdict"] for a in facts["frameworks"].values()} == {"undecided"}
    assert facts["headline"].startswith("In float64, no digit of the gradient at this matrix can")
    assert f"Count λ₁ and λ₂ as equal, with `-p rtol {facts['near']['rtol']}`, or change" in text
    assert "returns it" not in text
    assert "of an answer can be trusted" not in text
    rtol = facts["near"]["rtol"]
    facts, text, _ = execute("your_matrix", tmp_path, matrix="my.npy", rtol=rtol)
    assert {a["verdict"] for a in facts["frameworks"].values()} == {"subgradient"}
    assert "13 of 15 digits of an answer can be trusted" in text


BREAK = """
from spectralgrad import frameworks as _f
_get, _kept = _f.get, {n: _f.get(n).eigvalsh for n in ("torch", "jax", "autograd")}
def _without(name):
    if name == "tensorflow":
        raise ModuleNotFoundError("No module named 'tensorflow'")
    return _get(name)
def _refuse(matrix, weights):
    raise NotImplementedError("no <b>rule</b> for |this|")
def _fail(matrix, weights):
    raise RuntimeError("no\\nluck")
def _nan(matrix, weights):
    return weights, matrix * float("nan")
_f.get = _without
"""
MEND = """
_f.get = _get
for _n, _function in _kept.items():
    _get(_n).eigvalsh = _function
"""


def broken(folder, *lines):
    """Execute the chapter where frameworks are not what they should be."""
    notebook = json.loads(building.chapters()["your_matrix"].read_text(encoding="utf-8"))
    for place, source in ((0, BREAK + "\n".join(lines)), (len(notebook["cells"]) + 1, MEND)):
        cell = {"cell_type": "code", "id": f"x{place}", "metadata": {}, "outputs": []}
        notebook["cells"].insert(place, cell | {"execution_count": None, "source": source})
    path = folder / "broken.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return _read(KERNEL.execute(path, folder, {"matrix": "[[2, 1], [1, 3]]"}))


def test_frameworks_that_fail(tmp_path):
    facts, text, _ = broken(
        tmp_path,
        "_get('torch').eigvalsh = _refuse",
        "_get('jax').eigvalsh = _nan",
        "_get('autograd').eigvalsh = _fail",
    )
    assert {n: a["verdict"] for n, a in facts["frameworks"].items()} == {
        "autograd": "failed",
        "torch": "unsupported",
        "tensorflow": "not installed",
        "jax": "not finite",
    }
    assert facts["headline"] == (
        "There is one gradient at this matrix, and no framework returns it."
    )
    # What a framework says is shown as it stands.
    assert "says: no &#60;b&#62;rule&#60;&#47;b&#62; for &#124;this&#124;" in text
    assert "says: no luck" in text
    assert "<b>" not in text.split("```python")[0]
    assert "There is no answer to convert." in text
    assert "Not all of them are finite." in text
    assert "Use the gradient from theory, not what JAX returns." in text


def test_no_framework_at_all(tmp_path):
    facts, text, _ = broken(
        tmp_path,
        "def _f_get(name): raise ModuleNotFoundError('none')",
        "_f.get = _f_get",
    )
    assert {a["verdict"] for a in facts["frameworks"].values()} == {"not installed"}
    assert "there was no framework to ask" in facts["headline"]
    assert "No framework returned a gradient to compare with." in text
    assert "No framework is installed." in text


def test_one_wrong_answer_among_right_ones(tmp_path):
    facts, text, _ = broken(
        tmp_path, "_get('jax').eigvalsh = lambda a, w: (w, _kept['jax'](a, w)[1] * 1.01)"
    )
    assert facts["frameworks"]["jax"]["verdict"] == "wrong"
    assert facts["headline"] == (
        "There is one gradient at this matrix; autograd and PyTorch return it, and JAX does not. "
        "autograd writes a triangle."
    )
    assert "Not all of them are valid." in text


def test_the_exercises(tmp_path):
    given = {"matrix": "[[1, 0], [0, 1]]", "weights": "last"}
    facts, text, cells = execute("your_matrix", tmp_path, **given)
    assert np.array_equal(saved(cells, tmp_path), np.eye(2) / 2)
    # Extreme, so that each framework's answer is v vᵀ.
    assert all(extreme for label, extreme in facts["extreme"].items() if label != "smallest norm")
    assert "makes f no smaller" in text
    given = {"matrix": "[[1.01, 0, 0], [0, 1, 0], [0, 0, 0.3]]", "weights": "last"}
    assert execute("your_matrix", tmp_path, **given)[0]["differentiable"]
    facts, _, cells = execute("your_matrix", tmp_path, **given, rtol=0.02)
    assert not facts["differentiable"]
    assert np.array_equal(saved(cells, tmp_path), np.diag([0.5, 0.5, 0]))


def test_parameters_may_come_as_numbers_and_lists():
    notebook = json.loads(building.chapters()["your_matrix"].read_text(encoding="utf-8"))
    values = {"matrix": [[1, 0], [0, 2]], "weights": [1, 2], "rtol": 1e-3, "frameworks": ["jax"]}
    reporting.check_input(notebook, values)


BAD = {
    "weights: [1.0, 2.0] will not do for 5 values": {"weights": "[1, 2]"},
    "problem: 'qr' will not do; choose from auto, eigh, svd": {"problem": "qr"},
    "take its Hermitian part (symmetrize), or ask for its singular values": {"problem": "eigh"},
    "unknown framework 'pytorch'; choose from autograd, torch": {"frameworks": "pytorch"},
    "rtol: '2' will not do; give a number from 0 to below 1": {"rtol": "2"},
    "choose from auto, float32, float64": {"dtype": "half"},
    "unknown parameter 'size' of chapter your_matrix; choose from matrix, problem": {"size": "3"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(message, tmp_path):
    given = list(BAD[message].items())
    with pytest.raises(building.InputError, match=re.escape(message)) as caught:
        reporting.report("blog-rank-2", given=given, output=tmp_path / "page")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(301, 2), (2, 301)])
def test_a_matrix_too_large_for_a_report(shape, tmp_path):
    np.save(tmp_path / "big.npy", np.ones(shape))
    command = [sys.executable, "-m", "spectralgrad", "report", "big.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"spectralgrad: big.npy: is {shape[0]} × {shape[1]}, too large for a report, whose limit "
        f"is {reporting.LARGEST} rows or columns; use spectralgrad check\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["big.npy"]


def test_links_to_other_chapters_become_text_and_links_within_the_page_stay(tmp_path):
    text = (
        "(sec-here)=\n[a](gauge.ipynb), {ref}`b <sec-here>`, {ref}`c d <sec-there>`, "
        "[e](ties.ipynb#x)\n\nnot a label: (sec-there)= and on"
    )
    path = tmp_path / "page.ipynb"
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": [text]}
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    reporting._adapt(path, path)
    (cell,) = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert cell["source"].startswith("(sec-here)=\na, {ref}`b <sec-here>`, c d, e\n")


def test_every_framework_is_named_as_it_is_asked():
    assert set(frameworks.TITLES) == set(frameworks.NAMES)
