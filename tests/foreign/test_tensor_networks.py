"""Truncated decompositions of tensor networks, where all values are tied, and where none is.

After test/utility/svd_wrapper.jl and eigh_wrapper.jl of PEPSKit.jl 0.8.0: losses of what is kept,
of complex matrices of 20 × 30 and 20 × 20 whose values are doubly tied, and of two blocks, one
triply tied; cut between clusters and through one. After test/testsuite/ad_utils.jl and
chainrules.jl of MatrixAlgebraKit.jl 0.6.9: cotangents of truncated factors that do not depend on
phases, of 19 × 17, 19 × 19 and 19 × 23 matrices. The truth is from differences in 50 digits.
"""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from foreign.tally import Case, Suite, eigh, error, gradient, in_digits, random, slopes, svd

from spectralgrad.recipes import torch as recipes
from spectralgrad.theory import eigen, singular
from spectralgrad.theory.gauge import GaugeError

PEPS = 1e-9
#: m n √eps, for the smallest of its matrices.
KIT = 19 * 17 * 2.0**-26
CUT = "cut through a cluster there is no gradient, and it is refused"


def decompose(kind, a):
    """Values, and bases as columns, of a tensor."""
    if kind == "eigh":
        return torch.linalg.eigh(a)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    return s, u, vh.mH


def numpy(x):
    return x.detach().resolve_conj().numpy()


def theory(kind, factors, bars):
    """The pullback for cotangents of values and bases."""
    if kind == "eigh":
        return eigen.eigh_vjp(*factors, *bars)
    (s, u, v), (s_bar, u_bar, v_bar) = factors, bars
    return singular.svd_vjp(u, s, v.conj().T, u_bar, s_bar, v_bar.conj().T)


def loss(inner, r, kept, values, *bases):
    """Re⟨R, U Vᴴ⟩ + Σ σ², or Re⟨R, V Vᴴ⟩ + Σ λ², of what is kept."""
    product = bases[0][:, kept] @ bases[-1][:, kept].conj().T
    return inner(r, product) + (values[kept] ** 2).sum()


def of_tensors(c, x):
    return (torch.as_tensor(c).conj() * x).real.sum()


def invariant(kind, of):
    """A function of a matrix, of a loss of values and bases."""
    if kind == "eigh":
        return recipes.invariant_eigh(of)
    return recipes.invariant_svd(lambda u, s, vh: of(s, u, vh.mH))


def truncated(kind, matrices):
    """Of clusters of some size, and of how many values of largest modulus are kept."""
    rng = np.random.default_rng(12345678)
    for shape, size, number in matrices:
        a, r = (random(rng, *shape, is_complex=True) for _ in range(2))
        a = a + a.conj().T if kind == "eigh" else a
        values, *bases = map(numpy, decompose(kind, torch.tensor(a)))
        values = values.reshape(-1, size)[:, -1:].repeat(size, 1).ravel()
        a = (bases[0] * values) @ bases[-1].conj().T
        kept = np.argsort(-abs(values), kind="stable")[:number]
        of, name = partial(loss, of_tensors, r, kept), f"{shape}, {size} equal, {number} kept"
        if number % size:
            with pytest.raises(GaugeError):
                gradient(invariant(kind, of), a)
            yield Case(name, CUT)
            continue

        def digits(a, r=r, kept=kept):
            if kind == "eigh":
                return loss(in_digits, r, kept, *eigh(a))
            u, s, vh = svd(a)
            return loss(in_digits, r, kept, s, u, vh.conj().T)

        factors = [*map(numpy, decompose(kind, torch.tensor(a)))]
        bars = torch.func.grad(lambda x, of=of: of(*x))([*map(torch.tensor, factors)])
        found = gradient(invariant(kind, of), a), theory(kind, factors, [*map(numpy, bars)])
        if size == 1:
            right = gradient(lambda x, of=of: of(*decompose(kind, x)), a)
        else:
            *found, right = slopes(digits, found, a, rng, hermitian=kind == "eigh")
        yield Case(name, error(found[0], right))
        yield Case(f"{name}, theory", error(found[1], right))


SQUARE = [((20, 20), 1, 20), ((20, 20), 1, 10), ((20, 20), 2, 10), ((20, 20), 2, 9)]
RECTANGULAR = [((20, 30), 1, 20), ((20, 30), 1, 12), ((20, 30), 2, 12), ((20, 30), 2, 11)]
BLOCKS = [((18, 18), 1, 9), ((24, 24), 1, 8), ((18, 18), 3, 9), ((24, 24), 2, 8), ((18, 18), 3, 8)]


def kit(kind):
    """Random cotangents of what is kept, but for the phases on which nothing depends."""
    rng = np.random.default_rng(123)
    for n, is_complex in itertools.product((17, 19, 23) if kind == "svd" else (19,), (False, True)):
        a = random(rng, 19, n, is_complex=is_complex)
        x = torch.tensor(a if kind == "svd" else (a + a.conj().T) / 2, requires_grad=True)
        parts = decompose(kind, x)
        values, *bases = map(numpy, parts)
        bars = [random(rng, *y.shape, is_complex=is_complex) for y in bases]
        turned = sum((y.conj() * z).sum(0).imag for y, z in zip(bases, bars, strict=True))
        bars[0] = bars[0] - 1j * bases[0] * turned if is_complex else bars[0]
        size = abs(values)
        # What a tolerance of half of the largest keeps, and nothing.
        ranks = (*range(1, len(size) + 1, 4), np.count_nonzero(size >= size.max() / 2), 0)
        for order, number in itertools.product(
            {"svd": (size,), "eigh": (size, values)}[kind], ranks
        ):
            keep = np.isin(np.arange(len(size)), np.argsort(-order)[:number])
            given = [x * keep for x in (rng.standard_normal(size.shape), *bars)]
            right = torch.autograd.grad(parts, x, [*map(torch.tensor, given)], retain_graph=True)
            found = theory(kind, (values, *bases), given)
            name = f"19 × {n}, {number} kept{', complex' * is_complex}"
            yield Case(name, error(found, numpy(right[0])))


def kit_polar():
    """Both factors: W, with P = Wᴴ A from the left or A Wᴴ from the right."""
    rng = np.random.default_rng(124)
    for n, is_complex in itertools.product((17, 19, 23), (False, True)):
        a, c = (random(rng, 19, n, is_complex=is_complex) for _ in range(2))
        d = random(rng, min(19, n), min(19, n), is_complex=is_complex)

        def of(w, a, c=c, d=d):
            return of_tensors(c, w) + of_tensors(d, w.mH @ a if len(d) == a.shape[1] else a @ w.mH)

        def truth(a, of=of):
            _, u, v = decompose("svd", a)
            return of(u @ v.mH, a)

        found, right = gradient(lambda a, of=of: of(recipes.polar(a), a), a), gradient(truth, a)
        yield Case(f"19 × {n}{', complex' * is_complex}", error(found, right))


SUITES = {
    "PEPSKit, svd": Suite(partial(truncated, "svd", RECTANGULAR + BLOCKS), PEPS),
    "PEPSKit, eigh": Suite(partial(truncated, "eigh", SQUARE + BLOCKS), PEPS),
    "MatrixAlgebraKit, svd": Suite(partial(kit, "svd"), KIT),
    "MatrixAlgebraKit, eigh": Suite(partial(kit, "eigh"), KIT),
    "MatrixAlgebraKit, polar": Suite(kit_polar, KIT),
}


@pytest.mark.parametrize("name", SUITES)
def test_what_is_kept_has_a_gradient_unless_a_cluster_is_cut(name):
    """A coupling of kept and dropped vectors is lost, or one within a cluster is not 0."""
    SUITES[name].check()
