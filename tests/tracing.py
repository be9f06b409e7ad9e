"""Measure coverage where it finds something: the tracer makes all it passes several times slower.

What is switched off here is the tracer of this thread; the measurement goes on with what it has.
"""

import functools
import importlib.machinery
import sys


def untraced(function):
    """Call a function, which calls nothing of the package, without the tracer."""

    @functools.wraps(function)
    def run(*arguments, **named):
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(tracer)
            # Coverage's tracer is back at the next call, and so sees this one return.
            _call()

    return run


def _call():
    pass


class Importer(importlib.machinery.PathFinder):
    """Import what is installed without the tracer: frameworks take seconds."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = None if "." in name else super().find_spec(name, path, target)
        if spec is None or "site-packages" not in (spec.origin or ""):
            return None
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader.exec_module = untraced(spec.loader.exec_module)
        return spec
