"""PyTorch's own sample inputs, with its answers to them in double precision as the truth.

They are those of torch.testing._internal.opinfo.definitions.linalg (PyTorch 2.13.0), made by the
installed package. The pseudo-inverse of a product of factors has its truth from these. What
test_invariance_error_spectral_decompositions (test/test_linalg.py) wants refused is refused.
"""

import functools
import sys
import types
import unittest
import warnings

import numpy as np
import pytest
import torch
from foreign.tally import Case, Suite, error

from spectralgrad.recipes import torch as recipes
from spectralgrad.theory import eigen, singular
from spectralgrad.theory.gauge import GaugeError

#: gradcheck's rtol.
THEIRS = 1e-3
NOT_SPECTRAL = "a norm without singular values"
DROPPED = (
    "the recipes refuse an rtol of 1, from which on all values count as 0, and a tensor as rtol"
)


@functools.cache
def operations():
    """(name, variant) -> what PyTorch knows of an operation."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # PyTorch's test cases derive from a class of this package; its sample inputs do not.
        if "expecttest" not in sys.modules:
            stub = types.ModuleType("expecttest")
            stub.TestCase = unittest.TestCase
            patch.setitem(sys.modules, "expecttest", stub)
        # It would choose another profile for all tests, and it reads the command line.
        patch.setitem(sys.modules, "hypothesis", None)
        patch.setattr(sys, "argv", sys.argv[:1])
        patch.setattr(sys, "path", sys.path.copy())
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return {(x.name, x.variant_test_name): x for x in op_db}


def samples(name, variant=""):
    for dtype in (torch.float64, torch.complex128, torch.float32, torch.complex64):
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = list(operations()[name, variant].sample_inputs("cpu", dtype))
        for i, sample in enumerate(found):
            yield f"{name} {variant} {i} of {dtype}", sample


def inner(x, dimensions):
    """Re⟨C, X⟩ for a fixed C that is the same for all matrices of a stack."""
    shape = x.shape[-dimensions:]
    k = torch.arange(1.0, 1 + shape.numel(), dtype=torch.float64).reshape(shape)
    c = torch.complex(torch.cos(k), torch.sin(k + 1)) if x.is_complex() else torch.cos(k)
    return (c.to(x.dtype).conj() * x).real.sum(tuple(range(-dimensions, 0)))


def loss(parts):
    """Of one matrix, whose parts are matrices and values."""
    return sum(inner(x, x.ndim) for x in (parts if isinstance(parts, tuple) else (parts,)))


def stacked(one, stack, *arrays):
    """A function of one matrix, for stacks."""
    found = [one(*(x[i] for x in arrays)) for i in np.ndindex(*stack)]
    return torch.stack(found).reshape(stack) if found else arrays[0].real.sum((-2, -1))


def derivatives(function, inputs, second=False):
    """Value and gradients; or the gradients of the product with a direction."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    value, nothing = function(*inputs), sum(0 * x.real.sum() for x in inputs)
    # So that there is a gradient of what has no entries, or is constant.
    found = torch.autograd.grad(value.sum() + nothing, inputs, create_graph=second)
    if second:
        slope = sum(inner(g, 2).sum() for g in found) + nothing
        return torch.autograd.grad(slope, inputs)
    return [value, *found]


def arrays(tensors):
    return [x.detach().resolve_conj().numpy() for x in tensors]


def wide(x):
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def cases(name, inputs, ours, one, twice=None):
    """Of first derivatives, and of second ones by another function, unless that is False."""
    truth, precise = functools.partial(stacked, one, inputs[0].shape[:-2]), [*map(wide, inputs)]
    for of, second in ((ours, False), (ours if twice is None else twice, True)):
        if of:
            found, right = derivatives(of, inputs, second), derivatives(truth, precise, second)
            worst = max(map(error, arrays(found), arrays(right)))
            yield Case(f"{name}, second" * second or name, worst, precision(inputs[0]))


def spectral(name, a, ours, decompose, one, pullback, twice=None):
    """The same, of a loss of factors, and by a pullback of `spectralgrad.theory`."""
    stack, of = a.shape[:-2], functools.partial(stacked, lambda a: one(*decompose(a)))
    yield from cases(name, [a], ours, lambda a: one(*decompose(a)), twice)
    factors = decompose(a)
    _, *bars = derivatives(functools.partial(stacked, one, stack), factors)
    _, right = derivatives(functools.partial(of, stack), [wide(a)])
    worst = error(pullback(*arrays((*factors, *bars))), *arrays([right]))
    yield Case(f"{name}, theory", worst, precision(a))


def precision(x):
    return "double" if x.real.dtype == torch.float64 else "single"


thin = functools.partial(torch.linalg.svd, full_matrices=False)


def by_vectors(a):
    """The decomposition that selected vectors make, which have second derivatives."""
    pairs = [recipes.singular_vectors(a, i) for i in range(min(a.shape[-2:]))]
    if not pairs:
        return a[..., :, :0], a[..., :0, :0].real.sum(-1), a[..., :0, :]
    u, v = (torch.stack(x, -1) for x in zip(*pairs, strict=True))
    return u, (u.conj() * (a @ v)).sum(-2).real, v.mH


def svd():
    for case, sample in samples("linalg.svd"):

        def one(*parts, of=sample.output_process_fn_grad):
            return loss(of(parts))

        def twice(a, one=one):
            return stacked(one, a.shape[:-2], *by_vectors(a))

        ours = recipes.invariant_svd(one)
        if sample.kwargs["full_matrices"]:
            # What is compared does not change with whole bases.
            whole = lambda a, one=one: one(*torch.linalg.svd(a))  # noqa: E731
            yield from cases(case, [sample.input], ours, whole, False)
        else:
            yield from spectral(case, sample.input, ours, thin, one, singular.svd_vjp, twice)


def svdvals():
    ours = recipes.invariant_svd(lambda u, s, vh: loss(s))
    twice = lambda a: inner(by_vectors(a)[1], 1)  # noqa: E731
    pullback = lambda u, s, vh, _, s_bar, __: singular.svdvals_vjp(u, vh, s_bar)  # noqa: E731
    for case, sample in samples("linalg.svdvals"):
        one = lambda u, s, vh: loss(s)  # noqa: E731
        yield from spectral(case, sample.input, ours, thin, one, pullback, twice)


def eigh():
    def twice(a):
        columns = [recipes.eigenvector(a, i) for i in range(a.shape[-1])]
        v = torch.stack(columns, -1) if columns else a
        return inner(recipes.eigvalsh(a), 1) + inner(v.abs(), 2)

    for case, sample in samples("linalg.eigh"):
        one = lambda *parts, of=sample.output_process_fn_grad: loss(of(parts))  # noqa: E731
        ours = recipes.invariant_eigh(one)
        a = sample.input + sample.input.mH
        yield from spectral(case, a, ours, symmetric_eigh, one, eigen.eigh_vjp, twice)


def eigvalsh():
    ours, one = (lambda a: inner(recipes.eigvalsh(a), 1)), (lambda values, v: loss(values))
    for case, sample in samples("linalg.eigvalsh"):
        a = sample.input + sample.input.mH
        yield from spectral(case, a, ours, symmetric_eigh, one, eigen.eigh_vjp)


def symmetric_eigh(a):
    return torch.linalg.eigh((a + a.mH) / 2)


def pinv():
    for case, sample in samples("linalg.pinv"):
        if sample.kwargs["rtol"] is not None:
            yield Case(case, DROPPED)
            continue
        ours = lambda a: inner(recipes.pinv(a), 2)  # noqa: E731
        yield from cases(case, [sample.input], ours, lambda a: loss(torch.linalg.pinv(a)))


def pinv_singular():
    def truth(a, b):
        """(a bᵀ)⁺ from equations with the Gram matrices of factors of full rank."""
        c = b.mT
        left = torch.linalg.solve(a.mH @ a, a.mH)
        return loss(c.mH @ torch.linalg.solve(c @ c.mH, left))

    for case, sample in samples("linalg.pinv", "singular"):
        ours = lambda a, b: inner(recipes.pinv(a @ b.mT), 2)  # noqa: E731
        yield from cases(case, [sample.input, *sample.args], ours, truth)


def matrix_norm():
    for case, sample in samples("linalg.matrix_norm"):
        order, axes, _ = sample.args
        if order not in ("nuc", 2, -2):
            yield Case(case, NOT_SPECTRAL)
            continue
        last = recipes.invariant_svd(lambda u, s, vh: s[-1])
        ours = {"nuc": recipes.nuclear_norm, 2: recipes.spectral_norm, -2: last}[order]
        twice = (lambda a: by_vectors(a)[1][..., -1]) if order == -2 else None
        truth = functools.partial(torch.linalg.matrix_norm, ord=order)
        yield from cases(case, [sample.input.movedim(axes, (-2, -1))], ours, truth, twice)


SUITES = {
    f.__name__: Suite(f, THEIRS)
    for f in (svd, svdvals, eigh, eigvalsh, pinv, pinv_singular, matrix_norm)
}


@pytest.mark.parametrize("name", SUITES)
def test_the_answers_are_those_of_pytorch_also_for_empty_stacks_and_matrices(name):
    """An IndexError where there are no singular values, or a second derivative in single."""
    SUITES[name].check()


@pytest.mark.parametrize("of", [lambda x: x.sum().real, lambda x: x.sum().abs()])
def test_a_sum_of_vectors_is_refused_as_ill_defined(of):
    torch.manual_seed(0)
    a = torch.randn(3, 3, dtype=torch.complex128).requires_grad_()
    for function in (
        recipes.invariant_svd(lambda u, s, vh: of(u + vh)),
        lambda a: recipes.invariant_eigh(lambda values, v: of(v))(a + a.mH),
    ):
        with pytest.raises(GaugeError):
            function(a).backward()
