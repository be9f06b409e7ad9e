"""The fifteen Hermitian functions of ChainRules.jl, at its nearly singular input and others.

After test/rulesets/LinearAlgebra/symmetric.jl of ChainRules.jl 1.73.0: 10 × 10 matrices, real and
complex, with spectra at random in the domain of the function; half of them a copy of the other
half, moved by cbrt(eps)/100 or not at all; and of rank one. The truth is from differences in 50
digits. And a loss that is constant, where the entry that fixes the phase of a vector is small.
"""

import functools
import itertools

import numpy as np
import pytest
import torch
from foreign.tally import MP, STEP, Case, Suite, eigh, error, gradient, lift, lower, random

from spectralgrad.recipes import torch as recipes
from spectralgrad.theory import eigen

N = 10
#: The default rtol of Julia's ≈, √eps.
THEIRS = 2.0**-26
OUTSIDE = "of values outside of its domain the function is complex, and a recipe is real"

#: f and f′; in digits f has the same name.
FUNCTIONS = {
    "exp": (torch.exp, torch.exp),
    "log": (torch.log, torch.reciprocal),
    "sqrt": (torch.sqrt, lambda x: 0.5 / torch.sqrt(x)),
    "cos": (torch.cos, lambda x: -torch.sin(x)),
    "sin": (torch.sin, torch.cos),
    "tan": (torch.tan, lambda x: torch.cos(x) ** -2),
    "cosh": (torch.cosh, torch.sinh),
    "sinh": (torch.sinh, torch.cosh),
    "tanh": (torch.tanh, lambda x: torch.cosh(x) ** -2),
    "acos": (torch.acos, lambda x: -((1 - x**2) ** -0.5)),
    "asin": (torch.asin, lambda x: (1 - x**2) ** -0.5),
    "atan": (torch.atan, lambda x: 1 / (1 + x**2)),
    "acosh": (torch.acosh, lambda x: (x**2 - 1) ** -0.5),
    "asinh": (torch.asinh, lambda x: (x**2 + 1) ** -0.5),
    "atanh": (torch.atanh, lambda x: 1 / (1 - x**2)),
}
OWN = {"exp": recipes.expm, "log": recipes.logm, "sqrt": recipes.sqrtm}
DOMAINS = {
    "between −1 and 1": (("acos", "asin", "atanh"), lambda rng: 1.9 * rng.random(N) - 1),
    "positive": (("log", "sqrt"), lambda rng: np.abs(rng.standard_normal(N))),
    "above 1": (("acosh",), lambda rng: 1 + np.abs(rng.standard_normal(N))),
    "all": (FUNCTIONS, lambda rng: rng.standard_normal(N)),
}
KINDS = ("regular", "nearly tied", "tied", "rank 1")


@functools.cache
def point(domain, kind, is_complex):
    """A, a Hermitian E, and in digits the factors of A − h E, A and A + h E."""
    rng = np.random.default_rng(15)
    values = np.sort(DOMAINS[domain][1](rng))
    if kind in ("nearly tied", "tied"):
        step = 0 if kind == "tied" else np.cbrt(np.finfo(float).eps) / 100
        values[: N // 2] = values[N // 2 :] + step
    elif kind == "rank 1":
        values[1:] = 0
    q, _ = np.linalg.qr(random(rng, N, N, is_complex=is_complex))
    a, e = (q * values) @ q.conj().T, random(rng, N, N, is_complex=is_complex)
    a, e = (a + a.conj().T) / 2, e + e.conj().T
    return a, e, [eigh(lift(a) + k * STEP * lift(e)) for k in (-1, 0, 1)]


def functions():
    for name, is_complex, kind in itertools.product(FUNCTIONS, (False, True), KINDS):
        f, df = FUNCTIONS[name]
        domain = next(x for x, (names, _) in DOMAINS.items() if name in names)
        if kind == "rank 1" and name in ("log", "sqrt", "acosh"):
            continue
        case = f"{name}, {kind}{', complex' * is_complex}"
        a, e, factors = point(domain, kind, is_complex)
        below, value, above = (
            (v * np.array([getattr(MP, name)(x) for x in values], object)) @ v.conj().T
            for values, v in factors
        )
        # The derivative is its own adjoint: a tangent or a cotangent E, it is the same.
        right, c = lower((above - below) / (2 * STEP)), torch.tensor(e)
        general = lambda a, f=f, df=df: recipes.function(a, f, df)  # noqa: E731
        for of in filter(None, (general, OWN.get(name))):
            g = gradient(lambda x, of=of, c=c: (c.conj() * of(x)).real.sum(), a)
            found, tangent = torch.func.jvp(of, (torch.tensor(a),), (c,))
            worst = max(error(found, lower(value)), error(tangent, right), error(g, right))
            yield Case(case, worst)
        numpy = [lambda x, of=of: of(torch.tensor(x)).numpy() for of in (f, df)]
        g = eigen.function_vjp(*np.linalg.eigh(a), e, *numpy)
        yield Case(f"{case}, theory", error(g, right))
        if domain != "all" and name != "atanh" and kind == "regular":
            yield Case(f"{case}, of values outside of its domain", OUTSIDE)


def from_low_phase():
    """V Vᴴ = 1 has no gradient."""
    eps, rng = np.finfo(float).eps, np.random.default_rng(16)
    lows = (0, eps, eps ** (1 / 2), eps ** (1 / 3), eps ** (1 / 4))
    for low, row in itertools.product(lows, (0, -1)):
        u, c = (random(rng, N, N, is_complex=True) for _ in range(2))
        u[row, 0] = low
        q, _ = np.linalg.qr(u)
        a = (q * np.sort(rng.standard_normal(N))) @ q.conj().T
        a = (a + a.conj().T) / 2
        values, v = np.linalg.eigh(a)
        g = eigen.eigh_vjp(values, v, 0, v @ (c + c.conj().T))
        yield Case(f"{low:.0e} in row {row}, theory", error(g, 0 * a))
        c = torch.tensor(c)
        of = recipes.invariant_eigh(lambda values, v, c=c: (c.conj() * (v @ v.mH)).real.sum())
        yield Case(f"{low:.0e} in row {row}", error(gradient(of, a), 0 * a))


SUITES = {"functions": Suite(functions, THEIRS), "low phase": Suite(from_low_phase, THEIRS)}


@pytest.mark.parametrize("name", SUITES)
def test_functions_of_hermitian_matrices(name):
    """A quotient of nearly equal values has no digit left; one of equal values is none."""
    SUITES[name].check()
