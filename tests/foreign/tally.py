"""What comes of the suites of others: ``python tests/foreign/tally.py`` prints the table.

Each module re-writes the constructions of a project, and lists its ``SUITES``. A case passes if its
error, relative to the truth, is below what rounding explains, and below what the project's own test
lets pass in double precision, ``theirs``. Or it is not applicable, for a reason.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import mpmath
import numpy as np

MODULES = ("pytorch", "jax", "chainrules", "xitorch", "tensor_networks", "roma")
#: How many units of its precision an error may have, times the condition of a case.
ROUNDING = 1000
EPS = {"double": 2.0**-52, "single": 2.0**-23}


class Case(NamedTuple):
    """What was tried, and the error, or the reason why it is not applicable."""

    name: str
    error: float | str
    precision: str = "double"
    condition: float = 1.0


@dataclass
class Tally:
    """Cases that are counted."""

    tried: int = 0
    failed: list[Case] = field(default_factory=list)
    inapplicable: Counter = field(default_factory=Counter)
    largest: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self):
        return self.tried - len(self.failed) - self.inapplicable.total()


class Suite(NamedTuple):
    """A group of cases."""

    cases: Callable[[], Iterable[Case]]
    theirs: float

    def tally(self):
        tally = Tally()
        for case in self.cases():
            tally.tried += 1
            if isinstance(case.error, str):
                tally.inapplicable[case.error] += 1
                continue
            kind = case.precision
            tally.largest[kind] = float(np.maximum(tally.largest.get(kind, 0.0), case.error))
            limit = ROUNDING * case.condition * EPS[kind]
            if not case.error <= (min(limit, self.theirs) if kind == "double" else limit):
                tally.failed.append(case)
        return tally

    def check(self):
        tally = self.tally()
        assert not tally.failed, tally.failed
        assert tally.passed


def error(found, right):
    """‖found − right‖/‖right‖, or ‖found‖ for 0; infinite for another shape."""
    found, right = (np.asarray(x) for x in (found, right))
    if found.shape != right.shape:
        return np.inf
    return float(np.linalg.norm(found - right)) / (float(np.linalg.norm(right)) or 1.0)


def gradient(function, array):
    """That of a real function of PyTorch, as an array."""
    import torch

    x = torch.tensor(array, requires_grad=True)
    return torch.autograd.grad(function(x), x)[0].resolve_conj().numpy()


def random(rng, *shape, is_complex):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


# Decompositions in 50 digits, and differences of steps whose square is 1e-32.
MP = mpmath.MPContext()
MP.dps = 50
STEP = MP.mpf(10) ** -16


def lift(array):
    return np.vectorize(MP.convert, otypes=[object])(np.asarray(array))


def lower(array):
    found = np.asarray(array, object).astype(complex)
    return found if np.any(found.imag) else found.real


def slope(function, matrix, direction):
    """The derivative along a direction of a function of an array in digits."""
    a, e = lift(matrix), lift(direction)
    above, below = (np.asarray(function(a + sign * STEP * e), object) for sign in (1, -1))
    return lower((above - below) / (2 * STEP))


def slopes(function, gradients, matrix, rng, *, hermitian=False, number=1):
    """Re⟨G, E⟩ of each gradient for random E, and the derivatives of a real function along them."""
    found, right = [], []
    for _ in range(number):
        e = random(rng, *matrix.shape, is_complex=np.iscomplexobj(matrix))
        e = e + e.conj().T if hermitian else e
        found.append([np.vdot(g, e).real for g in gradients])
        right.append(slope(function, matrix, e))
    return *np.array(found).T, np.array(right)


def eigh(a):
    """λ, ascending, and V of the Hermitian part, in digits."""
    half = (a + a.conj().T) / 2
    is_complex = any(isinstance(x, MP.mpc) for x in half.ravel())
    values, v = (MP.eighe if is_complex else MP.eigsy)(MP.matrix(half.tolist()))
    return np.array(values.tolist(), object).ravel(), np.array(v.tolist(), object)


def svd(a):
    """U, σ, descending, and Vᴴ, thin, in digits."""
    u, s, vh = (np.array(x.tolist(), object) for x in MP.svd(MP.matrix(a.tolist())))
    return u, s.ravel(), vh


def in_digits(c, x):
    """Re⟨C, X⟩."""
    return sum(MP.re(y) for y in (lift(c).conj() * x).ravel())


def table(clone=None):
    """The table, and below it why cases are not applicable, and which failed.

    ``clone`` is one of tensor-ad-oracles, if its records are to be tried too.
    """
    found = {x: importlib.import_module(f"foreign.test_{x}").SUITES for x in MODULES}
    if clone:
        found["oracles"] = importlib.import_module("foreign.oracles").suites(Path(clone))
    lines = [
        "| suite | cases | passed | not applicable | double | single | theirs |",
        "|---" * 7 + "|",
    ]
    total, notes = np.zeros(3, int), []
    for module, (name, suite) in ((x, y) for x, suites in found.items() for y in suites.items()):
        tally, said = suite.tally(), f"{module}: {name}"
        counts = tally.tried, tally.passed, tally.inapplicable.total()
        errors = [f"{tally.largest[p]:.0e}" if p in tally.largest else "" for p in EPS]
        lines.append(f"| {' | '.join(map(str, (said, *counts, *errors, f'{suite.theirs:.0e}')))} |")
        total += counts
        notes += [f"{said}: {n} × {why}" for why, n in tally.inapplicable.items()]
        notes += [f"{said}: FAILED {case}" for case in tally.failed]
    return "\n".join([*lines, f"| all | {' | '.join(map(str, total))} | | | |", "", *notes])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    print(table(*sys.argv[1:2]))
