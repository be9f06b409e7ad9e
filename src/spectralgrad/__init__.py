"""The gradients of eigenvalues and singular values: which one is right.

`theory`
    the mathematics: gradients of eigenvalues, singular values and vectors, and what is valid where
    there is none; NumPy, SciPy and mpmath
`frameworks`
    autograd, PyTorch, TensorFlow and JAX, asked for their gradients
`recipes`
    functions whose gradients hold at ties, for each of the four
`matrices`
    whatever a reader has, as a checked array; the published numbers
`verdict`
    the question, the judgement, the check
`testing`
    the check of a function, for tests
`survey`, `book`, `system`, `cli`
    many matrices; the chapters and pages; files, processes and signals; the command

``import spectralgrad as sg`` offers `sg.check`, `sg.subgradient`, `sg.eigen`, `sg.singular` and
`sg.recipes`, and imports none of them before it is used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spectralgrad import recipes as recipes
    from spectralgrad.theory import eigen as eigen
    from spectralgrad.theory import singular as singular
    from spectralgrad.theory import subgradient as subgradient
    from spectralgrad.verdict import check as check

__version__ = "0.1.0"

# As `pkgutil.resolve_name` has it: a module, and after the colon what is in it.
_OFFERED = {"check": "verdict:check", "recipes": "recipes:"}
_OFFERED |= {name: f"theory.{name}:" for name in ("eigen", "singular", "subgradient")}


def __getattr__(name: str) -> object:
    import pkgutil

    if name in _OFFERED:
        return pkgutil.resolve_name(f"{__name__}.{_OFFERED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_OFFERED, "__version__"]
