"""PyTorch's own checks of the recipes at ties; writes a JSON of what fails.

A program of its own, because TensorFlow in the same process brings a second LLVM, and the check
then may end it.
"""

import json
import sys

import torch
from recipes import truth
from recipes.points import POINTS
from recipes.problems import problem

TIES = ("tie", "tie, complex", "tied reflection")


def points(name):
    """Ties, or where a function has no second derivative there, others."""
    ties, apart = (
        truth.smooth(name, [p for p in POINTS if p.name in names])
        for names in (TIES, ("regular", "regular, complex"))
    )
    return ties or apart


def failures(name):
    for point in points(name):
        function, like = problem("torch", name, point)
        a = torch.tensor(point.matrix, requires_grad=True)
        given = [torch.tensor(x) for x in like]

        def of_matrix(a, function=function, given=given):
            return function(a, *given)

        # PyTorch's own assertion about views fails for complex tensors; test_vmap has them.
        batched = not point.is_complex
        forward = {"check_batched_forward_grad": batched, "check_forward_ad": True}
        for check, options in (
            (torch.autograd.gradcheck, {**forward, "check_batched_grad": True}),
            (
                torch.autograd.gradgradcheck,
                {"check_fwd_over_rev": True, "check_rev_over_rev": True},
            ),
        ):
            try:
                # Each entry of the Jacobian; of a complex one, whose formulas are the same, a draw.
                check(of_matrix, (a,), fast_mode=point.is_complex, **options)
            except Exception as refusal:
                yield f"{check.__name__} at {point}: {type(refusal).__name__}: {refusal}"


if __name__ == "__main__":
    torch.manual_seed(0)
    json.dump({name: list(failures(name)) for name in truth.DEFINED}, sys.stdout)
