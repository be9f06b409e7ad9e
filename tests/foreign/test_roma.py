"""RoMa's tests of the derivatives of the nearest orthogonal matrix and the nearest rotation.

After test/test_procrustes_derivatives.py of RoMa 1.6.1: normally distributed matrices in batches,
in reverse and forward mode, through the transforms of torch.func, compiled, and in an optimisation.
Ties, mirrors, planes, lines and zero are added. The truth is from differences in 50 digits.
"""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from foreign.tally import MP, Case, Suite, error, slope, svd

from spectralgrad.recipes import torch as recipes
from spectralgrad.theory import singular
from spectralgrad.theory.gauge import GaugeError

#: gradcheck's rtol, and what their comparisons of tangents with differences let pass.
REVERSE, FORWARD = 1e-3, 1e-6
SEVERAL = "there are several nearest ones and no derivative, and it is refused"
KINDS = {"procrustes": recipes.polar, "special procrustes": recipes.rotation}
SPECIAL = "special procrustes"


def factors(kind, a):
    """U, σ and Vᴴ in digits, the last ones with the sign of the determinant for a rotation."""
    u, s, vh = svd(a)
    if kind == SPECIAL and MP.det(MP.matrix((u @ vh).tolist())) < 0:
        u[:, -1], s[-1] = -u[:, -1], -s[-1]
    return u, s, vh


def nearest(kind, a):
    u, _, vh = factors(kind, a)
    return u @ vh


def values(kind, a):
    return factors(kind, a)[1]


def jacobian(function, a):
    """∂F/∂Aᵢⱼ from differences."""
    columns = [slope(function, a, e) for e in np.eye(a.size).reshape(-1, *a.shape)]
    return np.stack(columns, -1).reshape(*columns[0].shape, *a.shape)


def drawn(count, d, seed=666):
    return np.random.default_rng(seed).standard_normal((count, d, d))


def value(kind, i):
    """The i-th value, as a function from the package."""

    def loss(u, s, vh):
        mirrored = kind == SPECIAL and i == 2
        return s[i] * (torch.sign(torch.linalg.det((u @ vh).detach())) if mirrored else 1)

    return recipes.invariant_svd(loss)


def derivatives():
    """All entries, in reverse mode."""
    for kind, (i, a) in itertools.product(KINDS, enumerate(drawn(10, 3))):
        right, x = jacobian(partial(nearest, kind), a), torch.tensor(a)
        yield Case(f"{kind} {i}", error(torch.func.jacrev(KINDS[kind])(x), right))
        found = torch.stack([torch.func.grad(value(kind, k))(x) for k in range(3)])
        yield Case(f"{kind} {i}, values", error(found, jacobian(partial(values, kind), a)))
        if kind != SPECIAL:
            bars = np.eye(9).reshape(-1, 3, 3)
            found = [singular.polar_vjp(*np.linalg.svd(a), bar) for bar in bars]
            yield Case(f"{kind} {i}, theory", error(np.reshape(found, right.shape), right))


def tangents():
    """Forward mode, of batches and through the transforms."""
    for kind, d in itertools.product(KINDS, (2, 3, 4)):
        of, a, e = KINDS[kind], drawn(10, d), drawn(10, d, 667)
        right = np.array([slope(partial(nearest, kind), *x) for x in zip(a, e, strict=True)])
        jvp, x, along = partial(torch.func.jvp, of), torch.tensor(a), torch.tensor(e)
        found = {"jvp": jvp((x,), (along,))[1], "vmap": torch.vmap(jvp)((x,), (along,))[1]}
        with torch.autograd.forward_ad.dual_level():
            dual = of(torch.autograd.forward_ad.make_dual(x, along))
            found["dual"] = torch.autograd.forward_ad.unpack_dual(dual).tangent
        jacobians = torch.vmap(torch.func.jacfwd(of))(x)
        found["jacfwd"] = torch.einsum("bijkl,bkl->bij", jacobians, along)
        for way, tangent in found.items():
            yield Case(f"{kind} {d} × {d}, {way}", error(tangent, right))


#: Values, and the sign of the determinant.
HARD = {
    "tied": ((2, 2, 1), 1),
    "all equal": ((1, 1, 1), 1),
    "mirrored": ((3, 2, 1), -1),
    "tied and mirrored": ((2, 2, 1), -1),
    "in a plane": ((2, 1, 0), 1),
    "in a plane, tied": ((1, 1, 0), 1),
    "nearly on a line": ((1, 1e-3, 0), 1),
    "small": ((3e-6, 2e-6, 1e-6), 1),
    "mirrored, the last two equal": ((2, 1, 1), -1),
    "on a line": ((1, 0, 0), 1),
    "zero": ((0, 0, 0), 1),
}


def points():
    for kind, (name, (s, sign)) in itertools.product(KINDS, HARD.items()):
        u, v = (np.linalg.qr(x)[0] for x in drawn(2, 3))
        u[:, -1] *= sign * np.sign(np.linalg.det(u @ v.T))
        a = (u * s) @ v.T
        least = s[1] + sign * s[2] if kind == SPECIAL else s[2]
        if least > 0:
            found = torch.func.jacrev(KINDS[kind])(torch.tensor(a))
            worst = error(found, jacobian(partial(nearest, kind), a))
            yield Case(f"{kind}, {name}", worst, condition=s[0] / least)
            continue
        with pytest.raises(GaugeError):
            KINDS[kind](torch.tensor(a, requires_grad=True))
        yield Case(f"{kind}, {name}", SEVERAL)


SUITES = {
    "derivatives": Suite(derivatives, REVERSE),
    "tangents and transforms": Suite(tangents, FORWARD),
    "ties, mirrors, planes and zero": Suite(points, REVERSE),
}


@pytest.mark.parametrize("name", SUITES)
def test_nearest_rotations_and_orthogonal_matrices(name):
    """A derivative that clamps what is small is off where the matrix is."""
    SUITES[name].check()


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck_passes_in_both_modes(kind):
    a = torch.tensor(drawn(3, 3), requires_grad=True)
    torch.autograd.gradcheck(KINDS[kind], (a,), check_forward_ad=True)


@pytest.mark.slow
def test_a_compiled_tangent_at_the_identity_is_that_of_eager_mode():
    """Where a compiler drops a rule, PyTorch's own for the svd divides zero by zero."""
    a = torch.eye(3, dtype=torch.float64).expand(5, 3, 3).clone()
    e = torch.tensor(drawn(5, 3))

    def tangent(a, e):
        return torch.func.jvp(recipes.rotation, (a,), (e,))[1]

    # The rotations near the identity are those along skew directions.
    for of in (tangent, torch.compile(tangent)):
        assert of(a, e) == pytest.approx(((e - e.mT) / 2).numpy(), abs=1e-15)


@pytest.mark.slow
def test_a_rotation_is_found_by_gradient_descent():
    """In single precision, from normally distributed matrices, to the loss that theirs wants."""
    torch.manual_seed(666)
    target = recipes.rotation(torch.randn(5, 3, 3))
    a = torch.randn(5, 3, 3, requires_grad=True)
    optimizer = torch.optim.Adam([a], lr=0.1)
    for _ in range(2000):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(recipes.rotation(a), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-7
