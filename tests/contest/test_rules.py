"""The rules of others: where values lie apart, each is the plain rule, as far as it promises."""

import mpmath
import numpy as np
import pytest
import torch

from contest import compositions
from contest.entrants import rules

DECOMPOSITIONS = {(x.problem, x.name): x for x in rules.DECOMPOSITIONS}
ROOTS = {(x.operation, x.name): x for x in rules.ENTRANTS}
# Each three times the one before: the next power of a ratio is a third of the last one.
APART = (1.0, 3.0, 9.0, 27.0)
RATIO = 1 / 3


def orthogonal(seed, n):
    drawn = np.random.default_rng(seed).standard_normal((n, n))
    return torch.tensor(np.linalg.qr(drawn)[0])


def symmetric(values):
    v = orthogonal(1, len(values))
    return (v * torch.tensor(values)) @ v.T


def tall(values):
    n = len(values)
    return (orthogonal(2, n + 2)[:, :n] * torch.tensor(values)) @ orthogonal(3, n).T


def defined(source, name):
    """What an entrant's own text defines."""
    namespace = {}
    exec(source.setup, namespace)
    return namespace[name]


def gradient(function, a):
    a = a.clone().requires_grad_()
    f = function(a)
    w = torch.cos(torch.arange(f.numel(), dtype=f.dtype)).reshape(f.shape)
    (g,) = torch.autograd.grad((w * f).sum(), a)
    return g


def symmetrized(g):
    return (g + g.T) / 2


def of_eigh(eigh):
    """Σ W sin(A), which takes vectors and values."""

    def function(a):
        w, v = eigh(a)
        return (v * torch.sin(w / 10)) @ v.T

    return lambda a: symmetrized(gradient(function, a))


def error(found, right):
    return float(torch.linalg.norm(found - right) / torch.linalg.norm(right))


def of_rule(name, values=APART):
    a = symmetric(values)
    eigh = defined(DECOMPOSITIONS["eigh", name], "eigh")
    return error(of_eigh(eigh)(a), of_eigh(torch.linalg.eigh)(a))


# Of a relative change ε/x² in 1/x, or none.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("Lorentzian", 1e-12),
        ("zero where tied", 1e-13),
        ("clipped at 1e10", 1e-13),
        ("clipped at 0.01", 1e-13),
        ("Padé", 1e-13),
        ("Taylor, degree 100", 1e-13),
    ],
)
def test_a_rule_is_the_plain_one_where_values_lie_apart(name, most):
    assert of_rule(name) < most


def test_taylor_leaves_out_the_next_power():
    assert RATIO**10 / 1e3 < of_rule("Taylor, degree 9") < 10 * RATIO**10


def test_power_iteration_leaves_out_the_next_power():
    assert RATIO**20 / 1e3 < of_rule("power iteration") < 1e3 * RATIO**20


@pytest.mark.parametrize(
    ("name", "inverse", "gap", "instead"),
    [
        ("Lorentzian", "lorentzian_differences", 1e-6, 5e5),
        ("zero where tied", "zero_where_tied", 5e-13, 0.0),
        ("clipped at 1e10", "clipped_inverse", 2**-40, 1e10),
        ("clipped at 0.01", "clipped_difference", 2**-10, 100.0),
        ("clipped at 0.01", "clipped_difference", 0.0, 0.0),
    ],
)
def test_a_rule_has_something_else_for_one_over_a_small_gap(name, inverse, gap, instead):
    w = torch.tensor((1.0, 1.0 + gap), dtype=torch.float64)
    f = defined(DECOMPOSITIONS["eigh", name], inverse)(w)
    assert float(f[0, 1]) == pytest.approx(instead, rel=1e-3)


def test_the_series_have_a_value_where_two_are_equal():
    w = torch.tensor((2.0, 2.0), dtype=torch.float64)
    for degree in (9, 100):
        taylor = defined(DECOMPOSITIONS["eigh", f"Taylor, degree {degree}"], "taylor")
        assert float(taylor(degree)(w)[0, 1]) == (degree + 1) / 2
    # Rounding decides, because the approximant has its pole there.
    assert abs(defined(DECOMPOSITIONS["eigh", "Padé"], "pade")(w)[0, 1]) > 1e10


@pytest.mark.parametrize("operation", compositions.THROUGH["svd"])
def test_the_broadened_svd_is_the_plain_one_where_values_lie_apart(operation):
    a = tall(APART) if operation != "rotation" else orthogonal(4, 4) @ symmetric(APART)
    given = {"k": 2, "W": torch.ones(a.shape, dtype=a.dtype)}

    def composed(svd):
        namespace = {"torch": torch, "svd": svd, **given}
        exec(compositions.source(operation, "torch"), namespace)
        call = compositions.call(operation)
        return lambda a: eval(call, {**namespace, "A": a})

    def plain(a):
        return torch.linalg.svd(a, full_matrices=False)

    found = gradient(composed(defined(DECOMPOSITIONS["svd", "Lorentzian"], "svd")), a)
    assert error(found, gradient(composed(plain), a)) < 1e-11


def test_the_broadened_svd_of_complex_matrices_does_not_depend_on_phases():
    a = torch.complex(tall(APART), tall(APART[::-1])[:, [1, 0, 3, 2]])

    def low_rank(svd):
        def function(a):
            u, s, vh = svd(a)
            f = (u[:, :2] * s[:2]) @ vh[:2]
            return torch.cat([f.real, f.imag])

        return function

    def plain(a):
        return torch.linalg.svd(a, full_matrices=False)

    found = gradient(low_rank(defined(DECOMPOSITIONS["svd", "Lorentzian"], "svd")), a)
    assert error(found, gradient(low_rank(plain), a)) < 1e-11


@pytest.mark.parametrize("key", ROOTS, ids=" ".join)
def test_a_root_and_its_derivative_are_as_good_as_the_approximant(key):
    operation, name = key
    a, power = symmetric((2.0, 2.5, 3.0)), {"sqrtm": 0.5, "inv_sqrtm": -0.5}[operation]
    entrant = ROOTS[key]
    root = defined(entrant, entrant.call.removesuffix("(A)"))

    def plain(a):
        w, v = torch.linalg.eigh(a)
        return (v * w**power) @ v.T

    # Relative, where the argument is largest.
    x = 1 - 2.0 / float(torch.linalg.norm(a))
    series = mpmath.taylor(lambda x: mpmath.sqrt(1 - x), 0, 10)
    above, below = (series, [1]) if name == "MTP-Lya" else mpmath.pade(series, 5, 5)
    near = mpmath.polyval(above[::-1], x) / mpmath.polyval(below[::-1], x)
    left_out = abs(float(near / mpmath.sqrt(1 - x)) - 1)
    assert left_out < 1e-4
    assert error(root(a), plain(a)) < left_out
    found, right = (symmetrized(gradient(f, a)) for f in (root, plain))
    assert error(found, right) < 10 * left_out


def test_every_text_stands_alone():
    for entrant in (*rules.ENTRANTS, *rules.DECOMPOSITIONS):
        compile(entrant.setup, entrant.name, "exec")
        assert entrant.source.startswith("https://")
        assert entrant.meant
