"""The matrices of the contest, and what belongs to an operation at each.

They are in general position and have ties, near ties, zeros and scales. Functions of symmetric
matrices have 5 × 5 matrices, rotations 3 × 3, and other functions 6 × 4; k and the spectra are such
that what is selected lies apart from what is not, by gaps of 0.4 and more.
"""

import numpy as np

HERMITIAN = (
    *("sqrtm", "inv_sqrtm", "logm", "powm", "expm", "projector", "eigenvector", "eigh_loss"),
)
GENERAL = ("polar", "low_rank", "pinv", "svd_loss")
POWER = 1 / 3

# Ascending, as eigh has them.
_EIGENVALUES = {
    "regular": (1.0, 1.7, 2.3, 3.1, 4.2),
    "tie": (1.0, 1.0, 2.0, 3.0, 3.0),
    "gap 1e-8": (1.0, 1.0 + 1e-8, 2.0, 3.0, 3.0 + 1e-8),
    "gap 1e-12": (1.0, 1.0 + 1e-12, 2.0, 3.0, 3.0 + 1e-12),
    "graded": (1e-6, 10**-4.5, 1e-3, 10**-1.5, 1.0),
}
# Descending, as svd has them.
_SINGULAR = {
    "regular": (4.2, 3.1, 2.0, 1.0),
    "tie": (3.0, 3.0, 1.0, 1.0),
    "gap 1e-8": (3.0 + 1e-8, 3.0, 1.0 + 1e-8, 1.0),
    "gap 1e-12": (3.0 + 1e-12, 3.0, 1.0 + 1e-12, 1.0),
    "graded": (1.0, 1e-2, 1e-4, 1e-6),
}
# The last has the sign of the determinant. Of three rows, as most programs for rotations want it.
_SIGNED = {
    "regular": (3.1, 2.2, 1.0),
    "tie": (3.0, 1.0, 1.0),
    "gap 1e-8": (3.0, 1.0 + 1e-8, 1.0),
    "gap 1e-12": (3.0, 1.0 + 1e-12, 1.0),
    "graded": (1.0, 1e-3, 1e-6),
    "planar": (3.0, 1.7, 0.0),
    "planar, tie": (2.0, 2.0, 0.0),
    "mirrored": (3.0, 1.7, -0.6),
    "mirrored, tie": (3.0, 3.0, -0.6),
}
_INTEGERS = 6 * np.eye(3) - np.ones((3, 3))
# Of rank 3: where A = B Bᵀ, a function that is smooth along matrices of one rank is smooth in B.
_FACTOR = np.array([[2.0, 1, 0], [1, -1, 1], [0, 3, 1], [-1, 1, 2], [1, 0, -2]])


def orthogonal(seed, n, *, is_complex=False):
    """A matrix drawn at random."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((n, n))
    return np.linalg.qr(drawn + 1j * rng.standard_normal((n, n)) if is_complex else drawn)[0]


def reflection(*u):
    """‖u‖²I − 2uuᵀ, in whole numbers if u is: a multiple of a reflection."""
    return np.dot(u, u) * np.eye(len(u)) - 2 * np.outer(u, u)


def hermitian(values, *, is_complex=False):
    """V diag(λ) Vᴴ."""
    v = orthogonal(1, len(values), is_complex=is_complex)
    a = (v * np.array(values)) @ v.conj().T
    return (a + a.conj().T) / 2


def general(values, m, *, is_complex=False):
    """U diag(σ) Vᴴ."""
    n = len(values)
    u, v = (orthogonal(i, size, is_complex=is_complex) for i, size in ((2, m), (3, n)))
    return (u[:, :n] * np.array(values)) @ v.conj().T


def signed(values):
    """U diag(σ) Vᵀ with the determinant of the sign of the last value."""
    u, v = orthogonal(4, 3), orthogonal(5, 3)
    u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(v))
    return (u * np.array(values)) @ v.T


_H5 = reflection(1, 1, 1, 1, 2) / 8
#: The same spectra, or multiples, without rounding: all entries are small multiples of 1/32.
EXACT = {
    "hermitian": lambda values: (_H5 * np.array(values)) @ _H5,
    "general": lambda values: (
        (reflection(4, 3, 2, 1, 1, 1)[:, :4] / 32 * np.array(values)) @ reflection(1, 1, 1, 1) / 4
    ),
    "signed": lambda values: (reflection(1, 1, 1) * np.array(values)) @ reflection(1, 2, 2) / 32,
}


def _family(kind, spectra, make, equal, last):
    """The points that all kinds have, and ``last`` ones of its own, in the order of the tables."""
    exact = EXACT[kind](spectra["tie"])
    regular, tie = make(spectra["regular"]), make(spectra["tie"])
    yield "regular", regular
    yield "tie, exact", exact
    yield "tie", tie
    for name in ("gap 1e-8", "gap 1e-12"):
        yield name, make(spectra[name])
    yield "all equal", equal
    yield from last.items()
    for name, scale in (("1e-6", 1e-6), ("1e6", 1e6)):
        yield f"scale {name}", scale * regular
        yield f"scale {name}, tie", scale * tie
    yield "graded", make(spectra["graded"])
    yield "integers", _INTEGERS
    yield "integers, scale 1e-6", 1e-6 * _INTEGERS
    yield "single", regular.astype(np.float32)
    yield "single, tie", exact.astype(np.float32)


def _complex(spectra, make):
    return {
        "complex": make(spectra["regular"], is_complex=True),
        "complex, tie": make(spectra["tie"], is_complex=True),
    }


_ROOT = "not differentiable at a zero"
_NO_GAP = "nothing is apart where all values are equal"
_LARGE = "exp(10⁶) is beyond double precision"
#: Operation -> point -> why it has none there.
INAPPLICABLE = {
    "inv_sqrtm": {"zeros": "there is no inverse root"},
    "logm": {"zeros": "there is no logarithm"},
    "expm": {"scale 1e6": _LARGE, "scale 1e6, tie": _LARGE},
    "projector": {"all equal": _NO_GAP},
    "eigenvector": {"all equal": _NO_GAP},
    "low_rank": {"all equal": _NO_GAP},
    "polar": {"zeros": _ROOT},
    "rotation": {
        "complex": "a rotation is real",
        "complex, tie": "a rotation is real",
    },
}


def _all(operation):
    if operation == "rotation":
        turned = {name: signed(_SIGNED[name]) for name in [*_SIGNED][5:]}
        return dict(_family("signed", _SIGNED, signed, signed((2.0,) * 3), turned))
    if operation in HERMITIAN:
        zeros = EXACT["hermitian"]((0.0, 0.0, 2.0, 3.0, 3.0))
        zeros = _FACTOR if operation in ("sqrtm", "powm") else zeros
        found = _family("hermitian", _EIGENVALUES, hermitian, 2 * np.eye(5), {"zeros": zeros})
        return dict(found) | _complex(_EIGENVALUES, hermitian)
    zeros = _FACTOR if operation == "pinv" else EXACT["general"]((3.0, 2.0, 0.0, 0.0))
    tall = lambda values, **field: general(values, 6, **field)  # noqa: E731
    found = _family("general", _SINGULAR, tall, tall((2.0,) * 4), {"zeros": zeros})
    return dict(found) | _complex(_SINGULAR, tall)


def of(operation):
    """Name -> matrix.

    A 5 × 3 matrix is B: the operation is applied to A = B Bᵀ, and differentiated by B.
    """
    without = INAPPLICABLE.get(operation, {})
    return {name: a for name, a in _all(operation).items() if name not in without}


def is_factor(matrix):
    """Whether a matrix is the B of A = B Bᵀ."""
    return matrix.shape == _FACTOR.shape


def is_hermitian(operation, matrix):
    """Whether gradients are compared after (G + Gᴴ)/2."""
    return operation in HERMITIAN and not is_factor(matrix)


def options(operation, matrix):
    """Options of an operation: k or p, if it has one."""
    small = len(matrix) == 3
    return {
        "projector": {"k": 1 if small else 2},
        "eigenvector": {"k": 0 if small else 2},
        "low_rank": {"k": 2},
        "powm": {"p": POWER},
    }.get(operation, {})


def weights(operation, matrix):
    """W of the loss L = Re Σ conj(W) F(A)."""
    m, n = matrix.shape
    if is_factor(matrix):
        n = m
    if operation == "pinv":
        m, n = n, m
    i = np.arange(m * n, dtype=float).reshape(m, n)
    return (np.cos(i) + 1j * np.sin(2 * i) if np.iscomplexobj(matrix) else np.cos(i)).astype(
        matrix.dtype
    )


def direction(operation, matrix):
    """E of the second derivative, that of the gradient along E."""
    i = 1 + np.arange(matrix.size, dtype=float).reshape(matrix.shape)
    e = np.sin(i) + 1j * np.cos(2 * i) if np.iscomplexobj(matrix) else np.sin(i)
    if is_hermitian(operation, matrix):
        e = (e + e.conj().T) / 2
    return e.astype(matrix.dtype)
