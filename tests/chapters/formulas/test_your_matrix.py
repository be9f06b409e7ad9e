"""The table by regime, and the advice on noise, in general position and in each framework."""

import hard
import numpy as np
import pytest

from spectralgrad import frameworks, verdict
from spectralgrad.theory import subgradient, symmetric

#: Regime of the page's table → a spectrum of `hard`, and what is done to it.
REGIMES = {
    "regular": "regular",
    "tie, equal weights": "tied",
    "near-tie": "nearly tied",
    "graded": "graded",
    "rank-deficient, weight 0": "regular",
    "extreme scale, large": "regular",
    "extreme scale, small": "regular",
}


def case(problem, regime, n, dtype, rng):
    """A matrix at which f has a gradient, the weights, and that gradient from the factors."""
    values, w = hard.values(REGIMES[regime], n, rng, dtype), rng.standard_normal(n)
    double = dtype in (np.float64, np.complex128)
    values = values * {"large": 1e25 if double else 1e12, "small": 1e-100 if double else 1e-20}.get(
        regime.split()[-1], 1.0
    )
    if "tie, equal" in regime:
        w[1] = w[0]
        w[-1] = w[-2]
    if "weight 0" in regime:
        values[:2], w[:2] = 0, 0
    if problem == "eigh":
        h = hard.hermitian("regular", n, dtype, rng, values)
    else:
        w = w[::-1].copy()
        h = hard.general("regular", n + 1, n, dtype, rng, values[::-1])
    return h, w, (h.left * w) @ h.right.conj().T


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("problem", ["eigh", "svd"])
@pytest.mark.parametrize("name", frameworks.NAMES)
def test_a_frameworks_own_gradient_of_the_values_will_do(name, problem, regime, rng):
    """In every regime of the table, converted as the page converts it."""
    library = frameworks.get(name)
    for dtype, n in [(np.float64, 20), (np.complex64, 5)]:
        h, w, right = case(problem, regime, n, dtype, rng)
        kind = "eigvalsh" if problem == "eigh" else "svdvals"
        valid = getattr(subgradient, kind)(h.matrix, w)
        with np.errstate(all="ignore"):
            g = getattr(library, kind)(h.matrix, w)[1]
        judged = verdict.judge(g, valid)
        assert judged.verdict == ("agrees" if valid.differentiable else "subgradient"), dtype
        assert judged.conjugated == (np.iscomplexobj(g) and name in ("autograd", "jax"))
        g = g.conj() if judged.conjugated else g
        g = (g + g.conj().T) / 2 if problem == "eigh" else g
        if valid.differentiable:
            assert np.linalg.norm(g - right) <= 4 * valid.tolerance, dtype


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("problem", ["eigh", "svd"])
@pytest.mark.parametrize("n", hard.SIZES)
def test_so_will_the_lines_of_the_answer_to_use(problem, regime, n, rng):
    for dtype in hard.DTYPES:
        h, w, right = case(problem, regime, n, dtype, rng)
        of = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
        valid = of(h.matrix, w)
        if valid.differentiable:
            assert np.linalg.norm(valid.minimum_norm - right) <= 2 * valid.tolerance


@pytest.mark.parametrize("n", hard.SIZES)
def test_values_closer_than_the_noise_are_to_be_counted_as_equal(n, rng):
    """The second exercise: noise turns vvᵀ, and hardly the span of the pair."""
    spectrum = np.append(np.linspace(0, 0.3, n - 2), [1.0, 1.01])
    h = hard.hermitian("regular", n, np.float64, rng, spectrum)
    w = np.eye(n)[-1]
    alone, joined = [], []
    for _ in range(5):
        noise = symmetric.hermitian_part(rng.standard_normal((n, n)))
        noisy = h.matrix + 0.01 * noise / np.linalg.norm(noise, 2)
        alone.append(subgradient.eigvalsh(noisy, w).minimum_norm)
        joined.append(subgradient.eigvalsh(noisy, w, rtol=0.05).minimum_norm)
    pair = h.left[:, -2:]
    assert max(np.linalg.norm(g - pair @ pair.T / 2) for g in joined) < 0.05
    right = np.outer(h.left[:, -1], h.left[:, -1])
    assert max(np.linalg.norm(g - right) for g in alone) > 2 * max(
        np.linalg.norm(g - pair @ pair.T / 2) for g in joined
    )
