"""The records of tensor-ad-oracles (commit 671ebb5): ``python tests/foreign/tally.py CLONE``.

They are what PyTorch 2.10.0 answers to its own sample inputs, in four precisions: tangents,
gradients and second derivatives. They stay where they are, and are read from a clone.
"""

import json
from functools import partial

import numpy as np
import torch
from foreign.tally import Case, Suite, error
from foreign.test_pytorch import DROPPED, NOT_SPECTRAL, arrays, by_vectors, precision

from spectralgrad.recipes import torch as recipes

#: What its own comparison of the second derivatives lets pass.
THEIRS = 1e-4
DEFINED = "it has to fail, but what it names as observed depends on no phase, and is smooth"
OPERATIONS = ("svd", "svdvals", "eigh", "eigvalsh", "pinv", "pinv_hermitian", "matrix_norm")
HERMITIAN = ("eigh", "eigvalsh", "pinv_hermitian")
#: Of factors, and of the matrix.
OBSERVED = {
    "u": lambda u, s, vh: u.abs(),
    "s": lambda u, s, vh: s,
    "vh": lambda u, s, vh: vh.abs(),
    "uvh": lambda u, s, vh: u @ vh,
    "svdvals": lambda u, s, vh: s,
    -2: lambda u, s, vh: s[-1],
    "values": lambda values, v: values,
    "vectors": lambda values, v: v.abs(),
}
WHOLE = {
    "eigvalsh": recipes.eigvalsh,
    "pinv": recipes.pinv,
    "pinv_hermitian": recipes.pinv,
    "nuc": recipes.nuclear_norm,
    2: recipes.spectral_norm,
}


def tensor(record):
    dtype, data = getattr(torch, record["dtype"]), torch.tensor(record["data"], dtype=torch.float64)
    data = torch.complex(*data.reshape(-1, 2).T) if dtype.is_complex else data
    return data.to(dtype).reshape(record["shape"])


def inner(c, x):
    return (c.conj() * x).real.sum()


def eigh_by_vectors(a):
    columns = [recipes.eigenvector(a, i) for i in range(a.shape[-1])]
    return recipes.eigvalsh(a), torch.stack(columns, -1) if columns else a


def of_one(record, bars, a, *, second):
    """Re⟨C, F(A)⟩ of a matrix, for the C of each name."""
    name, bar = next(iter(bars.items()))
    if name in WHOLE:
        return inner(bar, WHOLE[name](a))

    def loss(*factors):
        return sum(inner(bar, OBSERVED[name](*factors)) for name, bar in bars.items())

    if record["op"] == "eigh":
        return loss(*eigh_by_vectors(a)) if second else recipes.invariant_eigh(loss)(a)
    return loss(*by_vectors(a)) if second else recipes.invariant_svd(loss)(a)


def answers(record, probe, a):
    """Tangent, gradient and, if it is there, the second derivative: pairs of found and right."""
    order, axes, _ = record.get("op_args", (None, (-2, -1), None))
    bars = {name: tensor(x) for name, x in probe["cotangent"].items()}
    direction, right = tensor(probe["direction"]["a"]), probe["pytorch_ref"]
    if [*bars] == ["value"]:
        bars = {order or record["op"]: bars["value"]}

    def total(a, second=False):
        # Of Hermitian ones it is A + Aᴴ that is decomposed.
        moved = a + a.mH if record["op"] in HERMITIAN else a.movedim(axes, (-2, -1))
        stack = moved.shape[:-2]
        found = 0 * a.real.sum()
        for at in np.ndindex(*stack):
            # With an order, whatever dimensions were kept.
            part = {k: (x.reshape(stack) if order else x)[at] for k, x in bars.items()}
            found = found + of_one(record, part, moved[at], second=second)
        return found

    x = a.clone().requires_grad_()
    (g,) = torch.autograd.grad(total(x), x)
    yield g, tensor(right["vjp"]["a"])
    along = zip(bars.values(), right["jvp"].values(), strict=True)
    yield inner(g, direction), sum(inner(bar, tensor(y)) for bar, y in along)
    if "hvp" in right:
        (g,) = torch.autograd.grad(total(x, True), x, create_graph=True)
        yield torch.autograd.grad(inner(direction, g + 0 * x), x)[0], tensor(right["hvp"]["a"])


def cases(clone, operation):
    for path in sorted((clone / "cases" / operation).glob("*.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            order, *_ = record.get("op_args", (None,))
            name, why = record["case_id"], ""
            if record["expected_behavior"] == "error":
                why = DEFINED
            elif record.get("op_kwargs", {}).get("rtol"):
                why = DROPPED
            elif operation == "matrix_norm" and order not in WHOLE and order not in OBSERVED:
                why = NOT_SPECTRAL
            a, worst = tensor(record["inputs"]["a"]), 0.0
            for probe in [] if why else record["probes"]:
                pairs = answers(record, probe, a)
                worst = max(worst, *(error(*arrays(pair)) for pair in pairs))
            yield Case(name, why or worst, precision(a))


def suites(clone):
    return {x: Suite(partial(cases, clone, x), THEIRS) for x in OPERATIONS}
