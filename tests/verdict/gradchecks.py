"""What each framework's own check says of the losses, beside the verdict: a table in Markdown.

``python -m verdict.gradchecks`` in the folder of the tests. Each framework has a process of its
own, because PyTorch's check may end it where TensorFlow is loaded, too.
"""

import collections
import json
import subprocess
import sys
import warnings

import numpy as np
from verdict.losses import AGREES, CASES

from spectralgrad import frameworks
from spectralgrad.verdict.functions import check_function


def torch_says(case):
    import torch

    a = torch.tensor(case.point.matrix, requires_grad=True)
    return torch.autograd.gradcheck(case.loss, (a,))


def jax_says(case):
    import jax
    from jax.test_util import check_grads

    with jax.enable_x64(True):
        check_grads(case.loss, (jax.numpy.asarray(case.point.matrix),), order=1, modes=("rev",))


def autograd_says(case):
    from autograd.test_util import check_grads

    check_grads(case.loss, modes=["rev"], order=1)(case.point.matrix)


def tensorflow_says(case):
    import tensorflow as tf

    # It returns both; the tolerances are those of PyTorch.
    analytic, numeric = tf.test.compute_gradient(case.loss, [tf.constant(case.point.matrix)])
    np.testing.assert_allclose(analytic[0], numeric[0], rtol=1e-3, atol=1e-5)


def says(case):
    """ "passes", or the error by which the check fails."""
    try:
        globals()[f"{case.framework}_says"](case)
    except Exception as error:
        return f"fails ({type(error).__name__})"
    return "passes"


def rows(framework):
    """Name, what is right, our verdict, and what the framework's check says."""
    frameworks.get(framework)
    for case in CASES:
        if case.framework == framework:
            found = check_function(case.loss, case.point.matrix, framework, **case.options)
            yield case.name, case.verdict, found.verdict, found.digits, says(case)


def table():
    """All rows, in Markdown, and how often each is right."""
    yield "| framework | loss | what is right | verdict (digits) | its own check | fits |"
    yield "|---|---|---|---|---|---|"
    right = collections.Counter()
    for framework in frameworks.NAMES:
        command = [sys.executable, "-m", "verdict.gradchecks", framework]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for name, truth, verdict, digits, said in json.loads(done.stdout):
            fits = (said == "passes") == (truth == AGREES)
            right.update(all=1, ours=truth == verdict, theirs=fits)
            told = f"{verdict} ({digits})" if verdict == AGREES else verdict
            cells = (framework, name, truth, told, said, "yes" if fits else "no")
            yield f"| {' | '.join(cells)} |"
    yield f"\nOf {right['all']}: verdict right in {right['ours']}, own check in {right['theirs']}."


if __name__ == "__main__":
    if sys.argv[1:]:
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            json.dump(list(rows(sys.argv[1])), sys.stdout)
    else:
        print("\n".join(table()))
