"""What a worker may do wrong: it imports this module by name, wherever it runs."""

import os
import signal

from spectralgrad.survey import checking

#: An entry that kills whoever checks its matrix.
DEADLY = 666.0

_check_all = checking.check_all


def check_all(stack, question, timeout):
    """Check some matrices, unless one is deadly."""
    if any((matrix == DEADLY).any() for matrix in stack):
        os.kill(os.getpid(), signal.SIGKILL)
    return _check_all(stack, question, timeout)


def fail(*_):
    """Raise what no matrix is to blame for."""
    raise RuntimeError("no\nsuch thing")
