"""What is said about a verdict, against what is known of it."""

import base64
import html
import io
import re
from urllib.parse import unquote

import numpy as np
import pytest
from drawing import random_matrix

from spectralgrad import frameworks, matrices
from spectralgrad.book import explain
from spectralgrad.theory import subgradient, symmetric
from spectralgrad.verdict import Answer, Judgement, Verdict, judge, reasons


@pytest.mark.parametrize(
    ("problem", "weights", "text"),
    [
        ("eigh", [1], "f is the eigenvalue of the matrix."),
        ("eigh", [2], "f is the eigenvalue of the matrix, with the weight 2."),
        ("eigh", [1, 0, 0], "f is the smallest of 3 eigenvalues."),
        ("svd", [1, 0, 0], "f is the largest of 3 singular values."),
        ("svd", [0, 0, 1], "f is the smallest of 3 singular values."),
        ("eigh", [0, 1, 0], "f is eigenvalue 2 of 3, counted from the smallest."),
        ("svd", [1, 1], "f is the sum of the 2 singular values."),
        (
            *("eigh", [0.5, -1]),
            "f is the sum of the 2 eigenvalues, from the smallest on, with the weights 0.5 and -1.",
        ),
        (
            *("svd", np.arange(8)),
            "f is the sum of the 8 singular values, from the largest on, with the weights "
            "0, 1, 2, 3, 4, 5 and so on.",
        ),
    ],
)
def test_function(problem, weights, text):
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    assert explain.function(find(np.diag(np.arange(1.0, len(weights) + 1)), weights)) == text


def verdict_at(matrix, weights, problem="eigh", rtol=None, **answers):
    """A verdict on answers that are made here: arrays, functions of the smallest, or outcomes."""
    matrix = np.asarray(matrix)
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    valid = find(matrix, weights, rtol=rtol)
    made = {}
    for name, answer in answers.items():
        if isinstance(answer, str):
            made[name] = Answer("1.0", outcome=answer, message=f"{name} <says>")
        else:
            gradient = answer(valid.minimum_norm) if callable(answer) else np.asarray(answer)
            made[name] = Answer("1.0", gradient, judge(gradient, valid))
    return Verdict("here", "", matrix, valid, made)


def same(gradient):
    return gradient


def lower(gradient):
    return symmetric.convert(gradient, "lower")


def lower_conjugated(gradient):
    return lower(gradient).conj()


def doubled(gradient):
    return 2 * gradient


def lost(gradient):
    return np.nan * gradient


FOUR = {"autograd": lower, "torch": same, "tensorflow": lower, "jax": same}
REGULAR = np.array([[2.0, 1], [1, 4]])
HERMITIAN = np.array([[2.0, 1j], [-1j, 4]])
NEAR = np.diag([1.0, 1 + 4e-16, 2]) + 0.0


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            verdict_at(REGULAR, [1, 0], **FOUR),
            "There is one gradient at this matrix, and every framework returns it. autograd and "
            "TensorFlow write a triangle.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=same, jax=same),
            "There is one gradient at this matrix, and PyTorch and JAX return it.",
        ),
        (
            verdict_at(HERMITIAN, [1, 0], autograd=lower_conjugated),
            "There is one gradient at this matrix, and autograd returns it. autograd writes a "
            "triangle; autograd conjugates.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0]), jax=lost),
            "There is no gradient at this matrix but a set of valid answers; PyTorch returns one "
            "of them, and JAX does not.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=doubled, tensorflow="failed", jax=lost),
            "There is one gradient at this matrix, and no framework returns it.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=doubled, tensorflow="not installed"),
            "There is one gradient at this matrix, and PyTorch does not return it.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch="not installed"),
            "There is one gradient at this matrix; there was no framework to ask.",
        ),
    ],
)
def test_headline(verdict, text):
    assert explain.headline(verdict) == text
    assert explain.summary(verdict).startswith(f"**{text}** {reasons.reason(verdict.valid)} In ")


def test_where_nothing_can_be_told_the_headline_says_so():
    verdict = verdict_at(NEAR, [1, 0, 0], rtol=0.0, **FOUR)
    text = explain.headline(verdict)
    assert text.startswith("In float64, no digit of the gradient at this matrix can be trusted: ")
    assert "no digit of an answer can be trusted" in explain.trust(verdict)
    summary = explain.summary(verdict)
    assert summary.count("trusted") == 2
    assert "λ₁ and λ₂, which f treats differently, are only 4.4e-16 apart" in summary
    assert "Count λ₁ and λ₂ as equal, with `-p rtol 4e-16`, or change the function: in " in summary
    assert "| 0 |" in explain.answers(verdict)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            verdict_at(HERMITIAN, [1, 0], torch=same, autograd=lower_conjugated, tensorflow=lower),
            "Replace G by (G + Gᴴ)/2, if it is from autograd or TensorFlow; conjugate G, if it is "
            "from autograd, before you compare or take a step.",
        ),
        (verdict_at(REGULAR, [1, 0], torch=same), "Use any of the answers that agree."),
        (verdict_at(REGULAR, [1, 0], torch="failed"), "Use the gradient from theory."),
        (
            verdict_at(REGULAR, [1, 0], torch=same, jax=lost),
            "Use the gradient from theory, not what JAX returns.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0])),
            "Use the valid answer of smallest norm, which does not depend on a library.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=doubled, jax=lost),
            "Use the valid answer of smallest norm, which does not depend on a library, not what "
            "PyTorch and JAX return.",
        ),
    ],
)
def test_advice(verdict, text):
    assert explain.advice(verdict) == text


def test_answers_are_a_table_with_what_its_words_mean():
    verdict = verdict_at(REGULAR, [1, 0], torch=lower, jax=lost, tensorflow="unsupported")
    table, notes = explain.answers(verdict).split("\n\n")
    assert table.splitlines()[2:] == [
        "| PyTorch 1.0 | agrees | lower | 0 | 14 of 14 |",
        "| JAX 1.0 | not finite | – | – | – |",
        "| TensorFlow 1.0 | unsupported | – | – | – |",
    ]
    assert "- *agrees*: equals the gradient" in notes
    assert "- *not finite*: holds NaN or infinity" in notes
    assert "- TensorFlow 1.0 says: tensorflow &#60;says&#62;" in notes
    assert f"once converted, over its norm; up to {verdict.allowed:.0e} it may be" in notes
    assert "nearest valid answer" in explain.answers(verdict_at(np.eye(2), [1, 0], torch=same))


def in_framework(name, array):
    """The array as one of the framework, and what a line of code in it may use."""
    if name == "torch":
        import torch

        return {"G": torch.tensor(array)}
    if name == "tensorflow":
        import tensorflow as tf

        return {"G": tf.constant(array), "tf": tf}
    if name == "jax":
        import jax.numpy as jnp

        return {"G": jnp.asarray(array)}
    return {"G": array}


@pytest.mark.parametrize("name", frameworks.NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("convention", symmetric.CONVENTIONS)
@pytest.mark.parametrize("conjugated", [False, True])
def test_conversions_run_in_their_framework(name, dtype, convention, conjugated, rng):
    # Single precision, because JAX has no other unless it is told.
    matrix = symmetric.hermitian_part(random_matrix(rng, 3, 3, is_complex=True))
    gradient = (matrix if dtype is np.complex64 else matrix.real).astype(dtype)
    given = symmetric.convert(gradient, convention)
    given = given.conj() if conjugated else given
    line = explain.conversion(name, Judgement("agrees", convention, conjugated, 0.0, 1e-15))
    assert bool(line) == (conjugated or convention != "symmetric")
    scope = in_framework(name, given)
    converted = eval(line, scope) if line else given
    if name == "torch" and line:
        # PyTorch conjugates when somebody looks.
        converted = converted.resolve_conj()
    converted = np.asarray(converted)
    assert converted == pytest.approx(gradient, rel=1e-6, abs=1e-6)
    assert converted.dtype == dtype


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_conversions_turn_what_frameworks_return_into_the_gradient(name, rng):
    matrix = symmetric.hermitian_part(random_matrix(rng, 3, 3, is_complex=True))
    matrix = matrix.astype(np.complex64)
    weights = np.array([1.0, 0, 3])
    valid = subgradient.eigvalsh(matrix, weights)
    _, gradient = frameworks.get(name).eigvalsh(matrix, weights)
    line = explain.conversion(name, judge(gradient, valid))
    assert bool(line) == (name != "torch")
    converted = eval(line, in_framework(name, gradient)) if line else gradient
    assert np.asarray(converted) == pytest.approx(valid.minimum_norm, abs=1e-5)


def test_conversions_are_shown_where_they_are_needed():
    verdict = verdict_at(
        HERMITIAN, [1, 0], autograd=lower_conjugated, torch=same, tensorflow=lower, jax=np.conj
    )
    assert explain.conversions(verdict).splitlines()[2:] == [
        "| autograd | lower, conjugated | `(G.conj() + G.T) / 2` |",
        "| PyTorch | symmetric | as it is |",
        "| TensorFlow | lower | `(G + tf.linalg.adjoint(G)) / 2` |",
        "| JAX | symmetric, conjugated | `G.conj()` |",
    ]
    verdict = verdict_at(REGULAR, [1, 0], torch=same, jax=same)
    assert explain.conversions(verdict) == (
        "Nothing is to be converted: PyTorch and JAX return G in this form."
    )
    verdict = verdict_at(REGULAR, [1, 0], torch=doubled, jax="failed")
    assert explain.conversions(verdict) == "There is no answer to convert."


def test_differences():
    verdict = verdict_at(REGULAR, [1, 0], torch=lower, jax=same)
    theory = verdict.gradient
    raw = {"theory": theory} | {n: a.gradient for n, a in verdict.answers.items()}
    converted = dict.fromkeys(raw, theory)
    text = explain.differences(raw, converted, verdict)
    far = np.linalg.norm(lower(theory) - theory)
    assert text.splitlines()[2:5] == [
        f"| theory | · | {far:.2g} | 0 |",
        f"| torch | 0 | · | {far:.2g} |",
        "| jax | 0 | 0 | · |",
    ]
    assert text.endswith(
        f"Answers lie up to {far:.2g} apart as returned, and up to 0 converted, which rounding "
        "errors can explain."
    )
    assert "No framework returned" in explain.differences({"theory": theory}, {}, verdict)
    assert explain.differences(converted, converted, verdict).endswith("All of them are equal.")


def test_differences_of_answers_that_do_not_agree():
    verdict = verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0]))
    raw = {"smallest": verdict.gradient, "torch": np.diag([1.0, 0])}
    assert explain.differences(raw, raw, verdict).endswith("up to 1 apart. All of them are valid.")
    verdict = verdict_at(REGULAR, [1, 0], torch=doubled)
    raw = {"theory": verdict.gradient, "torch": doubled(verdict.gradient)}
    text = explain.differences(raw, raw, verdict)
    assert text.endswith("up to 1 apart. Not all of them are valid.")
    raw = {"theory": verdict.gradient, "torch": np.inf + verdict.gradient}
    text = explain.differences(raw | {"jax": raw["torch"]}, raw | {"jax": raw["torch"]}, verdict)
    assert "| not finite |" in text
    assert text.endswith("Not all of them are finite.")


def test_places():
    valid = subgradient.eigvalsh(np.eye(2), [1, 0])
    answers = {"smallest norm": np.eye(2) / 2, "a": np.diag([1.0, 0]), "b": np.full((2, 2), np.nan)}
    lines = explain.places(answers, valid).splitlines()
    assert lines[2:5] == [
        # The smallest eigenvalue falls by |step| / √2 against I/2, and by all of it against v vᵀ.
        "| smallest norm | yes | 0 | no | 0.70711 | -0.7071 |",
        "| a | yes | 0 | yes | 1 | -1 |",
        "| b | no | – | no | – | – |",
    ]
    assert "a returns an extreme point, of norm 1" in lines[-1]
    assert "may promise more than the true slope" in lines[-1]
    alone = explain.places({"smallest norm": np.eye(2) / 2}, valid)
    assert alone.endswith(
        "f is not convex: a valid answer may promise more than the true slope, or less."
    )


@pytest.mark.parametrize(
    ("problem", "matrix", "weights", "words"),
    [
        ("eigh", np.diag([1.0, 2]), [1, 0], "One answer is valid: the gradient."),
        (
            *("eigh", np.diag([1.0, 1, 1, 2]), [1, 0, 0, 0]),
            "λ₁ to λ₃ are equal, with the weights 1, 0 and 0: any symmetric 3 × 3 matrix of "
            "trace 1 with eigenvalues from 0 to 1.\n\nThe set has 5 dimensions.",
        ),
        (
            *("eigh", np.eye(2) + 0j, [-1, 2]),
            "any Hermitian 2 × 2 matrix of trace 1 with eigenvalues from -1 to 2.\n\nThe set has "
            "3 dimensions.",
        ),
        (
            *("eigh", np.eye(3), [3, 1, 2]),
            "eigenvalues are majorised by 3, 2 and 1: for each j, the j largest add up to at most "
            "as much as the first j of these, and all of them to the same.",
        ),
        (
            *("svd", np.diag([1.0, 0]), [0, -2]),
            "σ₂ is zero, with the weight -2: any real number of modulus at most 2.\n\nThe set has "
            "1 dimension.",
        ),
        (
            *("svd", np.zeros((2, 3)), [1, 1]),
            "any 2 × 3 real matrix whose singular values are at most 1.\n\nThe set has 6 "
            "dimensions. In its element of smallest norm, a block of zeros is 0, and one of equal "
            "values the mean weight times the identity. All of it is 0 here, and f has its "
            "minimum.",
        ),
        ("svd", np.zeros((2, 2)), [1, -1], "All of it is 0 here."),
        (
            *("svd", np.zeros((2, 2)) + 0j, [0, 1]),
            "any 2 × 2 complex matrix whose singular values add up to at most 1.\n\nThe set has 8",
        ),
        (
            *("svd", np.zeros((2, 2)), [1, -3]),
            "are weakly majorised by 3 and 1: for each j",
        ),
        (
            *("eigh", np.diag(np.repeat(np.arange(5.0), 2)), np.arange(10)),
            "except in 5 blocks",
        ),
        ("eigh", np.diag(np.repeat(np.arange(5.0), 2)), np.arange(10), "- and 2 more of this kind"),
    ],
)
def test_valid_answers(problem, matrix, weights, words):
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    assert words in explain.valid_answers(find(matrix, weights))


@pytest.mark.parametrize("weights", [[1, 0, 0], [2, 2, -1], [1, 1, 0]])
def test_two_weights_bound_eigenvalues_and_trace_and_nothing_else(weights, rng):
    """What is said of a block with two different weights is what majorisation comes to."""
    valid = subgradient.eigvalsh(np.eye(3), weights)
    low, high, total = min(weights), max(weights), sum(weights)
    seen = set()
    for _ in range(400):
        values = rng.uniform(low - 0.3, high + 0.3, 3)
        values[2] = total - values[:2].sum()
        inside = low <= values.min() and values.max() <= high
        assert valid.contains(np.diag(values)).inside == inside
        seen.add(inside)
    assert seen == {True, False}


@pytest.mark.parametrize("weights", [[1, 0], [2, 2]])
def test_singular_values_of_a_block_of_zeros(weights, rng):
    """One weight bounds their sum, and equal weights bound each."""
    valid = subgradient.svdvals(np.zeros((2, 3)), weights)
    seen = set()
    for _ in range(200):
        gradient = random_matrix(rng, 2, 3, is_complex=False) * rng.uniform(0, 1)
        values = np.linalg.svd(gradient, compute_uv=False)
        inside = values.sum() <= weights[0] if weights[1] == 0 else values[0] <= weights[0]
        assert valid.contains(gradient).inside == inside
        seen.add(bool(inside))
    assert seen == {True, False}


EPS10, PAIRS = 1 + 1e-10, np.repeat(np.arange(4.0), 2)
#: Problem, values, weights, and some of what is said.
REGIMES = [
    (
        *("eigh", [1, 2, 4], [1, 0, 0]),
        "**regular**: the closest eigenvalues, λ₁ and λ₂, are 1 apart, 0.25 times the largest "
        "modulus (near begins at 1.5e-08).",
    ),
    (
        *("svd", [4, 2, 1], [1, 0, 0]),
        "σ₂ and σ₃, are 1 apart, 0.25 times the largest modulus; the smallest is 0.25 times the",
    ),
    ("svd", [4], [1], "**regular**: there is one singular value only."),
    ("eigh", [0], [1], "**regular**: the only value is zero."),
    (
        *("eigh", [1, 1, 2], [1, 0, 0]),
        "**tie**: λ₁ and λ₂ are equal, to within 1.1e-14. f gives them different weights, and has "
        "no gradient.",
    ),
    (
        *("eigh", [1, 1, 2, 2], [1, 1, 0, 1]),
        "λ₁ and λ₂ are equal, so are λ₃ and λ₄, to within 1.4e-14. f gives some of them different",
    ),
    ("eigh", [1, 1, 2], [3, 3, 0], "f gives equal ones the same weight, and loses nothing here."),
    (
        *("eigh", PAIRS, np.ones(8)),
        "λ₁ and λ₂ are equal, so are λ₃ and λ₄, so are 2 more groups, to within",
    ),
    ("eigh", [0, 0], [1, 1], "λ₁ and λ₂ are equal, exactly."),
    (
        *("eigh", [1, EPS10, 4], [1, 0, 0]),
        "**near-tie**: λ₁ and λ₂ are not equal, but only 1.0e-10 apart, 2.5e-11 times the "
        "largest. The gradient of f turns within steps of that size, and predicts smaller steps "
        "only. If the entries of your matrix are no better known than that, count the two as "
        "equal, with a larger `rtol`.",
    ),
    ("eigh", [1, EPS10, 4], [1, 1, 0], "f gives both the same weight, and loses nothing here."),
    # Two other values are closer, but have equal weights.
    (
        *("eigh", [1, EPS10, 2, 2 + 1e-9], [1, 1, 1, 0]),
        "**near-tie**: λ₃ and λ₄ are not equal, but only 1.0e-09 apart",
    ),
    (
        *("eigh", [1, 1, 2, 2 + 1e-9], [1, 0, 1, 0]),
        "The valid answers turn within steps of that size, and predict smaller steps only.",
    ),
    (
        *("svd", [1, 0], [1, 1]),
        "**rank-deficient**: 1 of 2 singular values is zero, to within 2.5e-14. f depends on it, "
        "and has no gradient.",
    ),
    (
        *("svd", [2, 0, 0], [1, 0, 0]),
        "2 of 3 singular values are zero, to within 5.4e-14. f does not depend on them.",
    ),
    ("svd", [0, 0], [1, 1], "2 of 2 singular values are zero, exactly. f depends on them, and"),
    (
        *("svd", [2, 1e-9], [1, 1]),
        "**nearly rank-deficient**: σ₂ is not zero, but only 1.0e-09, 5.0e-10 times the largest. "
        "The gradient of f turns within steps of that size, and predicts smaller steps only. If "
        "the entries of your matrix are no better known than that, count it as zero, with a",
    ),
    ("svd", [2, 1e-9], [1, 0], "times the largest. f does not depend on it."),
    ("svd", [2, 1e-9, 1e-9], [1, 1, 1], "σ₂ and σ₃ are not zero, but only 1.0e-09"),
    # The smallest has no weight, but another small one has.
    ("svd", [2, 2e-9, 1e-9], [1, 1, 0], "σ₂ is not zero, but only 2.0e-09"),
    (
        *("eigh", [1e-6, 2e-6], [1, 0]),
        "**extreme scale**: the largest eigenvalue is 2.0e-06 in modulus. f does not mind",
    ),
]


@pytest.mark.parametrize(("problem", "values", "weights", "words"), REGIMES)
def test_regime(problem, values, weights, words):
    verdict = verdict_at(np.diag(np.array(values, dtype=float)), weights, problem)
    text = explain.regime(verdict)
    assert words in text
    assert [line.split("**")[1] for line in text.splitlines()] == list(verdict.regimes)


def test_regime_knows_the_precision():
    matrix = np.diag([1, 1.0001, 2])
    assert "**regular**" in explain.regime(verdict_at(matrix, [1, 0, 0]))
    single = verdict_at(matrix.astype(np.float32), [1, 0, 0])
    assert "**near-tie**" in explain.regime(single)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 1)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_source_and_downloads_keep_every_digit(shape, is_complex, rng, tmp_path):
    array = random_matrix(rng, *shape, is_complex=is_complex) * 10.0 ** rng.integers(-300, 300)
    array[0, 0] = -0.0
    assert np.array_equal(eval(explain.python_source(array), {"np": np}), array)
    files = links(explain.downloads(array))
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
    monkeypatch.setattr(explain, "LARGEST_DOWNLOADS", 500)
    text = explain.downloads(array)
    files = links(text)
    assert list(files) == ["gradient.npy"]
    (tmp_path / "gradient.npy").write_bytes(files["gradient.npy"])
    line = html.unescape(re.search("<code>(np.*)</code>", text)[1])
    monkeypatch.chdir(tmp_path)
    exec(line, {"np": np})
    assert np.array_equal(matrices.load("gradient.csv"), array)


def test_the_downloads_of_the_largest_report_leave_room_on_its_page(rng):
    array = random_matrix(rng, 300, 300, is_complex=False)
    assert set(links(explain.downloads(array))) == {"gradient.npy", "gradient.csv"}
    text = explain.downloads(array + 1j * array)
    assert set(links(text)) == {"gradient.npy"}
    assert len(text) < 2e6


def test_to_copy():
    verdict = verdict_at(HERMITIAN, [1, 0])
    text = explain.to_copy(verdict.gradient, verdict)
    assert text.startswith("This is the gradient. It is Hermitian, and holds for Hermitian dA. ")
    assert "need its conjugate, `G.conj()`. With all digits, of which 14 can be trusted:" in text
    source = re.search(r"```python\nG = (.*)\n```", text, re.S)[1]
    assert np.array_equal(eval(source, {"np": np}), verdict.gradient)
    verdict = verdict_at(np.zeros((11, 2)), [1, 1], "svd")
    assert explain.to_copy(verdict.gradient, verdict) == (
        "This is the valid answer of smallest norm."
    )
