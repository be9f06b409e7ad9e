"""The recipes with their options, at a point."""

from recipes import truth
from recipes.modes import call

#: One of each kind: for what frameworks make of a rule, whose formulas are the same in all of them.
EACH_KIND = (
    *("function", "trace_function", "sqrtm", "eigenvector", "projector, b", "eigvalsh"),
    *("polar", "rotation", "low_rank", "pinv", "nuclear_norm"),
)

OPTIONS = {
    "powm": lambda p: {"p": truth.POWER},
    "projector": lambda p: {"rank": p.spectrum.cut},
    "low_rank": lambda p: {"rank": p.spectrum.cut},
    "eigenvector": lambda p: {"index": len(p.spectrum.values) - 1 - p.spectrum.simple},
    "singular_vectors": lambda p: {"index": p.spectrum.simple},
    "soft_threshold": lambda p: {"threshold": p.threshold},
}
LIKE = {
    **dict.fromkeys(("eigenvector", "eigenvector, b", "singular_vectors"), truth.like),
    "null_vector": truth.like_null,
}


def options(name, point):
    return OPTIONS.get(name.removesuffix(", b"), lambda p: {})(point)


def problem(framework, name, point):
    """A recipe as a function of the matrix and, where vectors are selected, of those in a list."""
    like = [LIKE[name](point)] if name in LIKE else []
    return call(framework, name, **options(name, point)), like
