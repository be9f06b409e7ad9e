"""Tables of answers, against answers that are made here."""

import numpy as np
import pytest
from drawing import random_matrix
from judging import HERMITIAN, REGULAR, doubled, lost, lower, lower_conjugated, same, verdict_at

from spectralgrad import frameworks
from spectralgrad.book import conclusions
from spectralgrad.theory import subgradient, symmetric
from spectralgrad.verdict import Judgement, judge


def test_answers_are_a_table_with_what_its_words_mean():
    verdict = verdict_at(REGULAR, [1, 0], torch=lower, jax=lost, tensorflow="unsupported")
    table, notes = conclusions.worth(verdict).split("\n\n")
    assert table.splitlines()[2:] == [
        "| PyTorch 1.0 | agrees | lower | 0 | 14 of 14 |",
        "| JAX 1.0 | not finite | – | – | – |",
        "| TensorFlow 1.0 | unsupported | – | – | – |",
    ]
    assert "- *agrees*: equals the gradient" in notes
    assert "- *not finite*: holds NaN or infinity" in notes
    assert "- TensorFlow 1.0 says: tensorflow &#60;says&#62;" in notes
    assert f"once converted, over its norm; up to {verdict.allowed:.0e} it may be" in notes
    assert "nearest valid answer" in conclusions.worth(verdict_at(np.eye(2), [1, 0], torch=same))


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
    line = conclusions.conversion(name, Judgement("agrees", convention, conjugated, 0.0, 1e-15))
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
    line = conclusions.conversion(name, judge(gradient, valid))
    assert bool(line) == (name != "torch")
    converted = eval(line, in_framework(name, gradient)) if line else gradient
    assert np.asarray(converted) == pytest.approx(valid.minimum_norm, abs=1e-5)


def test_conversions_are_shown_where_they_are_needed():
    verdict = verdict_at(
        HERMITIAN, [1, 0], autograd=lower_conjugated, torch=same, tensorflow=lower, jax=np.conj
    )
    assert conclusions.conversions(verdict).splitlines()[2:] == [
        "| autograd | lower, conjugated | `(G.conj() + G.T) / 2` |",
        "| PyTorch | symmetric | as it is |",
        "| TensorFlow | lower | `(G + tf.linalg.adjoint(G)) / 2` |",
        "| JAX | symmetric, conjugated | `G.conj()` |",
    ]
    verdict = verdict_at(REGULAR, [1, 0], torch=same, jax=same)
    assert conclusions.conversions(verdict) == (
        "Nothing is to be converted: PyTorch and JAX return G in this form."
    )
    verdict = verdict_at(REGULAR, [1, 0], torch=doubled, jax="failed")
    assert conclusions.conversions(verdict) == "There is no answer to convert."


def test_differences():
    verdict = verdict_at(REGULAR, [1, 0], torch=lower, jax=same)
    theory = verdict.gradient
    raw = {"theory": theory} | {n: a.gradient for n, a in verdict.answers.items()}
    converted = dict.fromkeys(raw, theory)
    text = conclusions.distances(raw, converted, verdict)
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
    assert "No framework returned" in conclusions.distances({"theory": theory}, {}, verdict)
    assert conclusions.distances(converted, converted, verdict).endswith("All of them are equal.")


def test_differences_of_answers_that_do_not_agree():
    verdict = verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0]))
    raw = {"smallest": verdict.gradient, "torch": np.diag([1.0, 0])}
    assert conclusions.distances(raw, raw, verdict).endswith(
        "up to 1 apart. All of them are valid."
    )
    verdict = verdict_at(REGULAR, [1, 0], torch=doubled)
    raw = {"theory": verdict.gradient, "torch": doubled(verdict.gradient)}
    text = conclusions.distances(raw, raw, verdict)
    assert text.endswith("up to 1 apart. Not all of them are valid.")
    raw = {"theory": verdict.gradient, "torch": np.inf + verdict.gradient}
    text = conclusions.distances(raw | {"jax": raw["torch"]}, raw | {"jax": raw["torch"]}, verdict)
    assert "| not finite |" in text
    assert text.endswith("Not all of them are finite.")
