"""Time each gradient, in the package and in the frameworks, against the decomposition alone.

Usage: make bench, or python -m pytest benchmarks [-k "one and 1024"]

The problems, and how each library is asked, are those of the chapter on cost. pytest-benchmark
times one test after another. So that a slow moment of the machine meets all, each test reads the
clock once, and the tests of all libraries take turns.
`SETTLE` lets the threads of the library before come to rest.
"""

import time
from functools import cache

import pytest
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.book import costs

SIZES = (64, 512, 1024)
TURNS = 9
PROBLEMS, TITLES, EAGER, drawn, prepare = (
    formula("performance", name) for name in ("problems", "titles", "eager", "drawn", "prepare")
)
WAYS = (*TITLES, *EAGER)


@pytest.fixture(scope="session", autouse=True)
def double_precision():
    """JAX computes in double precision; all frameworks are imported before a clock starts."""
    for name in frameworks.NAMES:
        frameworks.get(name)
    import jax

    jax.config.update("jax_enable_x64", True)


@cache
def prepared(way, problem, n):
    """A call that has been compiled, and made once."""
    call = prepare(way, problem, drawn(problem, n))
    call()
    return call


# What is named first varies fastest.
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("n", SIZES)
def test_gradient(turn, n, problem, way, benchmark, times):
    """One turn of one library."""
    call = prepared(way, problem, n)
    benchmark.group = f"{problem}, n = {n}"
    benchmark.pedantic(call, setup=lambda: time.sleep(costs.SETTLE), rounds=1)
    found = times.setdefault((problem, n), {}).setdefault(way, [])
    found += benchmark.stats.stats.data
