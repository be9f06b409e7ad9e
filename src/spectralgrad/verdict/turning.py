"""Other factors of the same matrix, to try whether a function of it depends on the choice."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from spectralgrad.frameworks.numpy import Change
from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.symmetric import adjoint

# Name and factors of a decomposition; and `watch` of a framework, for one function.
Found = tuple[str, Sequence[Array]]
Watch = Callable[[Change], AbstractContextManager[list[str]]]

# So many at most of one call: a function may decompose a stack of thousands.
_TRIALS = 500

# What is turned last, in case that no vector or cluster alone makes a difference.
_SEVERAL = "several vectors are turned at once"

_SYMBOLS = {"svd": "σ", "qr": "q"}


def tried(watch: Watch, again: Callable[[], float], allowed: float) -> tuple[tuple[str, ...], str]:
    """What a function calls when it is called again, each once; and how its value moves, in words.

    Between calls, or with other factors, by more than is allowed; empty if it does not, or if there
    is no value.
    """
    seen: list[Found] = []

    def see(name: str, factors: Sequence[Array]) -> Sequence[Array]:
        if not any(all(map(np.array_equal, factors, old)) for _, old in seen):
            seen.append((name, factors))
        return factors

    with watch(see) as calls:
        again()
    called = tuple(dict.fromkeys(calls))
    # What is compiled may have other rounding errors than what is watched.
    first, *others = (again() for _ in range(3))
    if other := [x for x in others if abs(x - first) > 1e3 * np.finfo(float).eps * abs(first)]:
        return called, f"f has two values at the same matrix, {first:.17g} and {other[0]:.17g}"
    return called, "" if np.isnan(first) else _moved(watch, again, seen, first, allowed)


def _moved(
    watch: Watch, again: Callable[[], float], seen: Sequence[Found], first: float, allowed: float
) -> str:
    most, what = 0.0, ""
    for name, factors in seen:
        for words, new in itertools.islice(turned(name, factors), _TRIALS):
            if most > allowed and words.startswith(_SEVERAL):
                continue

            # In each call that finds them, as a program would that chose them so.
            def put(_: str, found: Any, old: Any = factors, new: Any = new) -> Any:
                return new if all(map(np.array_equal, found, old)) else found

            with watch(put):
                by = abs(again() - first)
            if not by <= most:
                most, what = np.inf if np.isnan(by) else by, words
    return f"f moves by {most:.3g} if {what}" if most > allowed else ""


def turned(name: str, factors: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """Yield what is turned, in words, with the factors of ``eigh``, ``eig``, ``svd`` or ``qr``.

    Each vector gets another sign or phase, each cluster of several another basis, and then all of
    them at once. Of a stack, (..., m, n), one matrix is turned at a time.
    """
    stack = factors[-1].shape[:-2]
    for index in np.ndindex(stack):
        where = f" of matrix {[*index]}" if stack else ""
        for words, parts in _turned(name, [f[index] for f in factors]):
            found = [f.copy() for f in factors]
            for whole, part in zip(found, parts, strict=True):
                whole[index] = part
            yield f"{words}{where} ({name})", found


def _turned(name: str, factors: list[Array]) -> Iterator[tuple[str, list[Array]]]:
    first, last, singular = factors[0], factors[-1], name == "svd"
    # Each of them is a row of r or of Vᴴ too.
    k = len(factors[1]) if singular else last.shape[name != "qr"]
    labels = np.arange(k)
    if name in ("eigh", "svd"):
        shape = (len(first), last.shape[1]) if singular else last.shape
        rtol = spectrum.default_rtol(shape, last.dtype, singular=singular)
        labels = spectrum.labels(factors[singular], rtol, singular=singular)
    for words, rotation in _rotations(labels, _SYMBOLS.get(name, "λ"), np.iscomplexobj(last)):
        yield words, _rotate(name, factors, rotation)
    rank = int(np.count_nonzero(labels >= 0))
    if singular and rank < max(first.shape[1], last.shape[0]):
        left, right = _exchanged(first, rank), adjoint(_exchanged(adjoint(last), rank))
        yield "the left vectors beyond the rank are others", [left, *factors[1:]]
        yield "the right vectors beyond the rank are others", [*factors[:2], right]


def _rotations(labels: Array, symbol: str, is_complex: bool) -> Iterator[tuple[str, Array]]:
    rng, eye = np.random.default_rng(0), np.eye(len(labels))
    other, turn = ("phase", np.exp(1j)) if is_complex else ("sign", -1)
    for label in np.unique(labels[labels >= 0]):
        places = np.flatnonzero(labels == label)
        i, j = places[0], places[-1]
        if i == j:
            turned = eye * np.where(labels == label, turn, 1)
            yield f"the vector of {gauge.names(symbol, i, i)} has another {other}", turned
        else:
            alike = np.outer(labels == label, labels == label)
            pair = gauge.names(symbol, i, j, " and " if len(places) == 2 else "…")
            turned = gauge.unitary(alike, rng, is_complex=is_complex)
            yield f"the equal {pair} have another basis", turned
    for turned in (-eye, *gauge.random_bases(labels, is_complex=is_complex)):
        yield _SEVERAL, turned


def _rotate(name: str, factors: list[Array], rotation: Array) -> list[Array]:
    if name in ("eigh", "eig"):
        return [factors[0], factors[1] @ rotation]
    k = len(rotation)
    first, last = factors[0].copy(), factors[-1].copy()
    first[:, :k], last[:k] = first[:, :k] @ rotation, adjoint(rotation) @ last[:k]
    return [first, *factors[1:-1], last]


def _exchanged(basis: Array, rank: int) -> Array:
    """Put other columns, orthonormal to the first ones, behind them."""
    kept, old = basis[:, :rank], basis[:, rank:]
    drawn = np.random.default_rng(1).standard_normal(old.shape)
    new = np.linalg.qr(np.hstack([kept, drawn]))[0][:, rank:]
    # Where there is one direction only, its sign is what can be another.
    signs = np.where(np.sum(old.conj() * new, axis=0).real > 0, -1, 1)
    return np.hstack([kept, signs * new])
