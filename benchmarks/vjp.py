"""Time each pullback against the decomposition that it differentiates.

Usage: .venv/bin/python benchmarks/vjp.py [SIZE] [REPETITIONS]

The two alternate, so that a slow moment of the machine meets both; the ratio of the medians is what
counts. It should be at most 0.6.
"""

import statistics
import sys
import time

import numpy as np

from spectralgrad import eigen, singular


def cases(n, is_complex):
    """Yield name, decomposition and pullback, each without arguments."""
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
    yield "eigh_vjp", lambda: np.linalg.eigh(a), lambda: eigen.eigh_vjp(values, v, 0, v_bar)
    yield (
        "function_vjp, exp",
        lambda: np.linalg.eigh(a),
        lambda: eigen.function_vjp(scaled, v, c, np.exp, np.exp),
    )
    yield "eigenvalue_gradient", lambda: np.linalg.eigh(a), lambda: eigen.eigenvalue_gradient(a)
    for m in (n, n // 2):
        x, y = noise(n, m), b[:, :m]
        u, s, vh = np.linalg.svd(x, full_matrices=False)
        weights = np.arange(m, 0, -1.0)
        bars = y @ vh.conj().T * weights, weights, (u * weights).conj().T @ y

        def decompose(x=x):
            return np.linalg.svd(x, full_matrices=False)

        yield (
            f"svd_vjp, {n} × {m}",
            decompose,
            lambda f=(u, s, vh), c=bars: singular.svd_vjp(*f, *c),
        )
        yield (
            f"polar_vjp, {n} × {m}",
            decompose,
            lambda f=(u, s, vh), y=y: singular.polar_vjp(*f, y),
        )


def seconds(function):
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(size=500, repetitions=15):
    """Print the medians and their ratio."""
    for is_complex in (False, True):
        for name, decompose, pullback in cases(int(size), is_complex):
            times = [(seconds(decompose), seconds(pullback)) for _ in range(int(repetitions))]
            floor, cost = (statistics.median(t) for t in zip(*times[1:], strict=True))
            kind = "complex" if is_complex else "real"
            print(
                f"{name}, {kind}: {1e3 * cost:.1f} ms, decomposition {1e3 * floor:.1f} ms, "
                f"ratio {cost / floor:.2f}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
