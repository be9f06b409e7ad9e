"""Time each pullback of the package against the decomposition that it differentiates.

Usage: make bench, or python -m pytest benchmarks/test_pullbacks.py

The factors are at hand. The ratio to the floor is what counts.
"""

import time
from functools import cache

import numpy as np
import pytest

from spectralgrad.book import costs
from spectralgrad.theory import eigen, singular

SIZE, TURNS = 500, 9


@cache
def cases(is_complex):
    """By name, a decomposition and a pullback, each without arguments."""
    n, found = SIZE, {}
    rng = np.random.default_rng(0)

    def noise(*shape):
        x = rng.standard_normal(shape)
        return x + 1j * rng.standard_normal(shape) if is_complex else x

    a, c, b = noise(n, n), noise(n, n), noise(n, n)
    a, c = a + a.conj().T, c + c.conj().T
    values, v = np.linalg.eigh(a)
    # A loss that does not depend on the phase.
    v_bar = 2 * c.real * v
    scaled = values / np.abs(values).max()

    def decompose():
        return np.linalg.eigh(a)

    found["eigh_vjp"] = decompose, lambda: eigen.eigh_vjp(values, v, 0, v_bar)
    found["function_vjp"] = decompose, lambda: eigen.function_vjp(scaled, v, c, np.exp, np.exp)
    for name, m in (("square", n), ("tall", n // 2)):
        x, y = noise(n, m), b[:, :m]
        f = np.linalg.svd(x, full_matrices=False)
        u, _, vh = f
        weights = np.arange(m, 0, -1.0)
        bars = y @ vh.conj().T * weights, weights, (u * weights).conj().T @ y

        def svd(x=x):
            return np.linalg.svd(x, full_matrices=False)

        found[f"svd_vjp, {name}"] = svd, lambda f=f, bars=bars: singular.svd_vjp(*f, *bars)
        found[f"polar_vjp, {name}"] = svd, lambda f=f, y=y: singular.polar_vjp(*f, y)
    return found


NAMES = ("eigh_vjp", "function_vjp")
NAMES += tuple(f"{f}_vjp, {shape}" for shape in ("square", "tall") for f in ("svd", "polar"))


@pytest.mark.parametrize("way", ["floor", "package"])
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_pullback(turn, is_complex, name, way, benchmark, times):
    """One turn of a decomposition, or of a pullback."""
    call = cases(is_complex)[name][way == "package"]
    if turn == 0:
        call()
    benchmark.pedantic(call, setup=lambda: time.sleep(costs.SETTLE), rounds=1)
    key = f"{name}, {'complex' if is_complex else 'real'}", SIZE
    times.setdefault(key, {}).setdefault(way, []).extend(benchmark.stats.stats.data)
