import dataclasses
import json
import pickle

import numpy as np
import pytest

from spectralgrad import frameworks
from spectralgrad.matrices import MatrixError
from spectralgrad.verdict import Question

THREE = np.diag([3.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"weights": "[1,0]"}, {"weights": [1, 0.0]}),
        ({"weights": "[1, 2]"}, {"weights": np.array([1, 2], dtype="float32")}),
        ({"frameworks": "jax, torch"}, {"frameworks": ["torch", "jax", "jax"]}),
        ({"frameworks": "all"}, {"frameworks": frameworks.NAMES}),
        ({"rtol": "1e-3"}, {"rtol": 0.001}),
        ({"dtype": "float32"}, {"dtype": np.dtype("float32")}),
        ({"symmetrize": np.True_}, {"symmetrize": True}),
        ({"symmetrize": "False"}, {}),
        ({}, dict.fromkeys(("problem", "weights", "dtype", "rtol"), "auto")),
    ],
)
def test_equal_questions_are_equal_however_they_are_written(one, other):
    one, other = Question(**one), Question(**other)
    assert one == other
    assert hash(one) == hash(other)
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


@pytest.mark.parametrize("weights", ["auto", "sum", [0.1, 1 / 3, -7]])
@pytest.mark.parametrize("rtol", ["auto", 1 / 3])
def test_a_question_can_be_sent_and_written_down(weights, rtol):
    question = Question("eigh", weights, "torch", "float32", rtol, True)
    assert pickle.loads(pickle.dumps(question)) == question
    written = json.loads(json.dumps(question.to_dict(), allow_nan=False))
    assert Question(**written) == question
    assert written == {
        "problem": "eigh",
        "weights": weights if isinstance(weights, str) else json.dumps(weights).replace("7", "7.0"),
        "frameworks": ["torch"],
        "dtype": "float32",
        "rtol": str(rtol),
        "symmetrize": True,
        "of": "values",
    }


def test_a_question_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Question().problem = "svd"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("sum", [1, 1, 1]),
        ("first", [1, 0, 0]),
        ("last", [0, 0, 1]),
        ("[1, -2, 0.5]", [1, -2, 0.5]),
        ([1, -2, 0.5], [1, -2, 0.5]),
    ],
)
def test_weights(choice, expected):
    _, valid = Question(weights=choice).pose(THREE)
    assert valid.weights.tolist() == expected


@pytest.mark.parametrize(
    "choice",
    [
        *("largest", "[1, 2, NaN]", "[1, 2, Infinity]", '["a", 1, 2]', "[1, [2], 3]", "", "[]"),
        *([], [[1, 2, 3]], [1, 2, 1j], [10**400, 1, 2], 1.0, None, "[" * 10**5, {"a": 1}),
    ],
)
def test_weights_refuse_in_one_line(choice):
    with pytest.raises(ValueError, match="give sum, first, last, or a list of finite") as caught:
        Question(weights=choice)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_number_of_weights_is_that_of_the_values():
    with pytest.raises(MatrixError, match=r"my matrix: weights: .* for 3 values") as caught:
        Question(weights=range(1, 100)).pose(THREE, "my matrix")
    assert len(str(caught.value)) < 200


def test_weights_may_be_small_as_long_as_they_can_be_told_apart():
    matrix, valid = Question(weights=[1e-20, 2e-20, 0], dtype="float32").pose(THREE)
    assert (matrix.dtype, valid.weights.tolist()) == (np.float32, [1e-20, 2e-20, 0])
