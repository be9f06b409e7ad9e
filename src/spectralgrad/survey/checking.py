"""Check some matrices, in a worker: each has a row for each framework, as `results.SCHEMA` says.

One that cannot be checked has one row, without a framework.
"""

import threading
from typing import Any

import numpy as np

from spectralgrad import verdict
from spectralgrad.frameworks.elsewhere import Crew
from spectralgrad.matrices import MatrixError
from spectralgrad.system.errors import one_line, said
from spectralgrad.theory import spectrum
from spectralgrad.theory.arrays import Array

Row = dict[str, Any]

# One for a process: a worker of Dask may have several threads, and one after the other asks.
_LOCK = threading.Lock()
_crews: dict[tuple[object, ...], Crew] = {}


def check_all(stack: list[Array], question: verdict.Question, timeout: float) -> list[list[Row]]:
    """The rows of each matrix."""
    with _LOCK:
        crew = _crew(tuple(question.frameworks), timeout)
        return [_check(matrix, question, crew) for matrix in stack]


def _crew(names: tuple[str, ...], timeout: float) -> Crew:
    """Processes that ask the frameworks, for as long as the same are asked."""
    if (names, timeout) not in _crews:
        for other in _crews.values():
            other.__exit__()
        _crews.clear()
        _crews[names, timeout] = Crew(names, timeout=timeout)
    return _crews[names, timeout]


def _check(matrix: Array, question: verdict.Question, crew: Crew) -> list[Row]:
    try:
        answered = verdict.answer(verdict.pose(matrix, question), question, crew.ask)
        return _rows(answered, question)
    except MatrixError as error:
        return [unreadable(error) | _shape(matrix)]
    # A survey goes on, whatever is wrong with one matrix.
    except Exception as error:
        return [failed(f"{type(error).__name__}: {error}", matrix)]


def unreadable(error: MatrixError) -> Row:
    """The row of a matrix or a file that is no good; the row says which one it is."""
    error.source = ""
    return {"verdict": "unreadable", "message": said(error, 500)}


def failed(message: str, matrix: Array) -> Row:
    """The row of a matrix that cannot be checked."""
    message = one_line(" ".join(message.split()), 500)
    return {"verdict": "failed", "message": message} | _shape(matrix)


def flagged(rows: list[Row]) -> bool:
    """Whether some answer asks for a closer look."""
    return any(row["verdict"] in verdict.FLAGGED for row in rows if row["framework"])


def _shape(matrix: Array) -> Row:
    return {"rows": matrix.shape[0], "columns": matrix.shape[1], "dtype": str(matrix.dtype)}


def _rows(result: verdict.Verdict, question: verdict.Question) -> list[Row]:
    valid = result.valid
    size = float(np.max(np.abs(valid.values)))
    weights = question.to_dict()["weights"]
    if question.of == "vectors":
        weights = None
    elif weights == "auto":
        weights = "first" if valid.problem == "eigh" else "sum"
    facts = _shape(result.matrix) | {
        "of": result.of,
        "problem": valid.problem,
        "weights": weights,
        "rtol": float(valid.rtol),
        "differentiable": bool(valid.differentiable),
        "rank": valid.rank,
        "regimes": list(result.regimes),
        "smallest_gap": spectrum.smallest_gap(valid.values) / size if size else 0.0,
        "digits": result.digits,
        "vector_digits": result.vector_digits,
    }
    return [facts | _answer(result, name) for name in result.answers]


def _answer(result: verdict.Verdict, name: str) -> Row:
    answer = result.answers[name]
    row: Row = {
        "framework": name,
        "version": answer.version,
        "verdict": answer.verdict,
        "framework_digits": result.digits_of(answer),
        "message": answer.message,
    }
    judged = answer.judgement
    if judged is None:
        return row
    error = float(judged.relative_error)
    return row | {
        "convention": judged.convention,
        "also": list(judged.also),
        "conjugated": bool(judged.conjugated),
        "relative_error": error if np.isfinite(error) else None,
    }
