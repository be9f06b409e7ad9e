"""xitorch's tests of symeig and svd, differentiated twice, at degenerate matrices above all.

After xitorch/_tests/test_linop_fcns.py of xitorch 0.5.1. Where A is made of orthogonal vectors and
of eigenvalues of which two pairs are equal, the truth is made of these, without a decomposition.
Elsewhere it is PyTorch's own. Single matrices pass gradcheck and gradgradcheck, as theirs do. What
differentiates nothing, as of Davidson's method, is left out.
"""

import itertools

import numpy as np
import pytest
import torch
from foreign.tally import Case, Suite, error
from torch.autograd import gradcheck, gradgradcheck

from spectralgrad.recipes import torch as recipes
from spectralgrad.theory.gauge import GaugeError

#: gradcheck's rtol.
THEIRS = 1e-3
DTYPES = (torch.float64, torch.complex128)


def total(*parts):
    """A real number made of all entries, with generic weights."""
    numbers = [x.reshape(-1) for x in parts]
    return sum((torch.cos(1 + torch.arange(len(x)).to(x)) * x).sum() for x in numbers).real


def derivatives(function, inputs):
    """Value, gradients, and the gradients of a number that is made of them."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    value = function(*inputs)
    first = torch.autograd.grad(value, inputs, create_graph=True)
    # So that there is one of gradients that are constant.
    second = torch.autograd.grad(total(*first) + 0 * total(*inputs), inputs)
    return [x.detach().resolve_conj() for x in (value, *first, *second)]


def compare(name, ours, truth, *inputs):
    pairs = zip(derivatives(ours, inputs), derivatives(truth, inputs), strict=True)
    worst = max(error(*x) for x in pairs)
    given = [x.clone().requires_grad_() for x in inputs]
    # What it leaves out in its fast mode, the truth has.
    checks = (gradcheck, gradgradcheck) if all(x.ndim <= 2 for x in inputs) else ()
    if not all(check(ours, given, fast_mode=True) for check in checks):
        worst = np.inf
    return Case(name, worst)


def degenerate(values, vectors):
    """Pᴴ diag(a₀, a₁, a₁, a₂, a₂) P, and P."""
    p, _ = torch.linalg.qr(vectors)
    return p.mH @ (values[[0, 1, 1, 2, 2], None].to(p.dtype) * p), p


def of_projector(p2, projector):
    """The sum over the middle pair U of (P₂ U) ∘ conj(U)."""
    return (p2.mT * projector).sum().real


def middle(a, **b):
    """The projector on the second and third smallest."""
    return recipes.projector(a, 4, **b) - recipes.projector(a, 2, **b)


def symeig_degenerate():
    def ours(values, vectors, p2):
        return of_projector(p2, middle(degenerate(values, vectors)[0]))

    def with_overlap(values, vectors, p2, other):
        q, _ = torch.linalg.qr(other)
        b = q.mH @ q
        p = middle(degenerate(values, vectors)[0], b=b)
        return of_projector(p2, torch.linalg.solve(b, p, left=False))

    def truth(values, vectors, p2, *other):
        rows = degenerate(values, vectors)[1][1:3]
        return of_projector(p2, rows.mH @ rows) + 0 * total(values, *other)

    for dtype, (offset, of) in itertools.product(
        DTYPES, ((0, ours), (-4, ours), (0, with_overlap))
    ):
        torch.manual_seed(12345)
        given = [torch.randn(5, 5, dtype=dtype) for _ in range(2)]
        other = [torch.rand(5, 5, dtype=dtype)] if of is with_overlap else []
        values = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) + offset
        name = f"{of.__name__}, values + {offset}, {dtype}"
        yield compare(name, of, truth, values, *given, *other)


def symeig():
    """Values and moduli of vectors, also of pairs A and M whose stacks are broadcast."""

    def ours(a, m=None):
        a, b = a + a.mH, {} if m is None else {"b": m + m.mH}
        columns = [recipes.eigenvector(a, i, **b).abs() for i in range(a.shape[-1])]
        return total(recipes.eigvalsh(a, **b), torch.stack(columns, -1))

    def truth(a, m=None):
        m = torch.eye(a.shape[-1], dtype=a.dtype) if m is None else m + m.mH
        lower = torch.linalg.cholesky(m)
        half = torch.linalg.solve_triangular(lower, a + a.mH, upper=False)
        inner = torch.linalg.solve_triangular(lower, half.mH, upper=False)
        values, y = torch.linalg.eigh((inner + inner.mH) / 2)
        return total(values, torch.linalg.solve_triangular(lower.mH, y, upper=True).abs())

    for dtype, stack in itertools.product(DTYPES, ((), (2,), (2, 3))):
        torch.manual_seed(12345)
        a = torch.rand(*stack, 4, 4, dtype=dtype)
        yield compare(f"{tuple(a.shape)} {dtype}", ours, truth, a)
    for dtype, *stacks in itertools.product(DTYPES, *[((), (2,), (2, 1))] * 2):
        torch.manual_seed(12345)
        a, m = (torch.rand(*stack, 3, 3, dtype=dtype) for stack in stacks)
        m = m + torch.eye(3, dtype=dtype)
        yield compare(f"{tuple(a.shape)} {tuple(m.shape)} {dtype}", ours, truth, a, m)


def svd():
    def ours(a):
        pairs = [recipes.singular_vectors(a, i) for i in range(3)]
        u, v = (torch.stack(x, -1) for x in zip(*pairs, strict=True))
        return total(u.abs(), (u.conj() * (a @ v)).sum(-2).real, v.mH.abs())

    def truth(a):
        u, s, vh = torch.linalg.svd(a, full_matrices=False)
        return total(u.abs(), s, vh.abs())

    for dtype, shape in itertools.product(DTYPES, ((4, 3), (2, 1, 3, 4))):
        torch.manual_seed(12345)
        yield compare(f"{shape} {dtype}", ours, truth, torch.rand(*shape, dtype=dtype))


SUITES = {
    "symeig, degenerate": Suite(symeig_degenerate, THEIRS),
    "symeig": Suite(symeig, THEIRS),
    "svd": Suite(svd, THEIRS),
}


@pytest.mark.parametrize("name", SUITES)
def test_first_and_second_derivatives_are_those_of_the_factors(name):
    """A term of the second that a formula through vectors loses where values are equal."""
    SUITES[name].check()


def test_a_loss_that_depends_on_the_degenerate_vectors_is_refused():
    """As xitorch's own test has it, which warns."""
    torch.manual_seed(12345)
    a, _ = degenerate(torch.tensor([1.0, 2.0, 3.0]).double(), torch.randn(5, 5).double())
    of = recipes.invariant_eigh(lambda values, v: (v[:, :3] ** 4).sum())
    with pytest.raises(GaugeError, match="λ"):
        of(a.requires_grad_()).backward()
