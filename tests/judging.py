"""Judgements and verdicts made for several test files."""

import numpy as np

from spectralgrad.theory import subgradient, symmetric
from spectralgrad.verdict import Answer, Judgement, Verdict, judge


def judged(verdict, conjugated=False, convention="general", also=(), allowed=1e-15):
    return Judgement(verdict, convention, conjugated, 0.0, allowed, also)


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
