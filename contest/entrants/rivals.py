"""Other packages, by the calls that they document, with their own tolerances.

An operation that a package only composes of a framework's eigh or svd is entered where the package
says that it can be differentiated. Those that need one place of a function, or data, are given it.
"""

from . import Decomposition, Entrant

_X64 = 'import jax\n\njax.config.update("jax_enable_x64", True)\n'


def _entrants(name, framework, setup, calls, *, library="", meant="", source=""):
    """One entrant for each operation -> call."""
    return [
        Entrant(operation, name, library or name, framework, setup, call, meant, source)
        for operation, call in calls.items()
    ]


_ROMA = _entrants(
    "roma",
    "torch",
    "import roma",
    {"polar": "roma.procrustes(A)", "rotation": "roma.special_procrustes(A)"},
    meant="square matrices; 1/t is damped to t/(t² + gradient_eps²), gradient_eps = 1e-5",
    source="https://naver.github.io/roma/",
) + _entrants(
    "roma, gradient_eps=1e-12",
    "torch",
    "import roma",
    {
        "polar": "roma.procrustes(A, gradient_eps=1e-12)",
        "rotation": "roma.special_procrustes(A, gradient_eps=1e-12)",
    },
    library="roma",
    meant="square matrices",
    source="https://naver.github.io/roma/",
)

_TORCHSPD = _entrants(
    "torchspd",
    "torch",
    "import torchspd",
    {
        "sqrtm": "torchspd.sqrtm(A)",
        "inv_sqrtm": "torchspd.invsqrtm(A)",
        "logm": "torchspd.logm(A)",
        "powm": "torchspd.powm(A, p)",
        "expm": "torchspd.expm(A)",
        "eigh_loss": (
            "(W * torchspd.apply_quad("
            "A, lambda x: 1 / (1 + x**2), lambda x: -2 * x / (1 + x**2) ** 2)).sum()"
        ),
    },
    meant="real symmetric positive definite matrices",
    source="https://github.com/samuelbx/torchspd",
)

_POT = _entrants(
    "POT",
    "torch",
    "import ot",
    {"sqrtm": "ot.backend.get_backend(A).sqrtm(A)"},
    meant="real symmetric positive semidefinite matrices",
    source="https://pythonot.github.io/gen_modules/ot.backend.html",
) + _entrants(
    "POT (JAX)",
    "jax",
    _X64 + "import ot",
    {"sqrtm": "ot.backend.get_backend(A).sqrtm(A)"},
    library="POT",
    source="https://pythonot.github.io/gen_modules/ot.backend.html",
)

_GEOOPT = _entrants(
    "geoopt",
    "torch",
    "import geoopt",
    {
        "polar": "geoopt.Stiefel().projx(A)",
        "sqrtm": "geoopt.linalg.sym_sqrtm(A)",
        "inv_sqrtm": "geoopt.linalg.sym_inv_sqrtm1(A)",
        "logm": "geoopt.linalg.sym_logm(A)",
        "expm": "geoopt.linalg.sym_expm(A)",
    },
    meant="real matrices",
    source="https://geoopt.readthedocs.io/en/latest/",
)

_GEOMSTATS = 'import os\n\nos.environ["GEOMSTATS_BACKEND"] = "pytorch"\nimport geomstats.backend as gs\n'
_SPD = "from geomstats.geometry.hermitian_matrices import expmh, powermh\n"
_GEOMSTATS = _entrants(
    "geomstats",
    "torch",
    _GEOMSTATS
    + _SPD
    + "from geomstats.geometry.grassmannian import Grassmannian\n"
    + "from geomstats.geometry.spd_matrices import SymMatrixLog\n"
    + "from geomstats.geometry.special_orthogonal import SpecialOrthogonal\n"
    + "from geomstats.geometry.stiefel import Stiefel",
    {
        "polar": "Stiefel(*A.shape).projection(A)",
        "rotation": "SpecialOrthogonal(len(A)).projection(A)",
        "sqrtm": "powermh(A, 1 / 2)",
        "inv_sqrtm": "powermh(A, -1 / 2)",
        "logm": "SymMatrixLog()(A)",
        "powm": "powermh(A, p)",
        "expm": "expmh(A)",
        "projector": "Grassmannian(len(A), k).projection(-A)",
    },
    source="https://geomstats.github.io/",
) + _entrants(
    "geomstats, gs.linalg.logm",
    "torch",
    _GEOMSTATS,
    {"logm": "gs.linalg.logm(A)"},
    library="geomstats",
    source="https://geomstats.github.io/api/backend.html",
)

_PYRIEMANN = _entrants(
    "pyriemann",
    "torch",
    "from pyriemann.geometry.base import expm, invsqrtm, logm, powm, sqrtm",
    {
        "sqrtm": "sqrtm(A)",
        "inv_sqrtm": "invsqrtm(A)",
        "logm": "logm(A)",
        "powm": "powm(A, p)",
        "expm": "expm(A)",
    },
    source="https://pyriemann.readthedocs.io/en/latest/api.html",
)

_SPD_LEARN = _entrants(
    "spd-learn",
    "torch",
    "from spd_learn.functional import (\n    matrix_exp,\n    matrix_inv_sqrt,\n    matrix_log,\n"
    "    matrix_power,\n    matrix_sqrt,\n    orthogonal_polar_factor,\n)",
    {
        "polar": "orthogonal_polar_factor(A)",
        "sqrtm": "matrix_sqrt.apply(A)",
        "inv_sqrtm": "matrix_inv_sqrt.apply(A)",
        "logm": "matrix_log.apply(A)",
        "powm": "matrix_power.apply(A, p)",
        "expm": "matrix_exp.apply(A)",
    },
    meant="real symmetric matrices; values below 100 to 1,000 eps are clamped",
    source="https://spdlearn.org",
)

_EGN = _entrants(
    "egnlib",
    "torch",
    "from egn import functional",
    {
        "sqrtm": "functional.sqrtm(A)",
        "inv_sqrtm": "functional.invsqrtm(A)",
        "logm": "functional.logm(A)",
        "powm": "functional.powm(A, p)",
        "expm": "functional.expm(A)",
    },
    meant="real symmetric positive definite matrices above a floor",
    source="https://github.com/kraihan/egn",
)

_KORNIA = _entrants(
    "kornia",
    "torch",
    "import torch\nfrom kornia.enhance import zca_mean\n\n\n"
    "def samples(A):\n"
    '    """Data with the mean 0 and the covariance A."""\n'
    "    rows = len(A) ** 0.5 * torch.linalg.cholesky(A).mT\n"
    "    return torch.cat([rows, -rows])",
    {"inv_sqrtm": "zca_mean(2**0.5 * samples(A), unbiased=False, eps=0.0)[0]"},
    meant="samples, which have distinct variances: its note says that ties give NaN",
    source="https://kornia.readthedocs.io/en/latest/enhance.zca.html",
)

_OTT = _entrants(
    "OTT-JAX",
    "jax",
    _X64 + "from ott.math import matrix_square_root",
    {
        "sqrtm": "matrix_square_root.sqrtm_only(A)",
        "inv_sqrtm": "matrix_square_root.inv_sqrtm_only(A)",
    },
    library="ott-jax",
    meant="real positive definite matrices; a residual below 1e-6 is enough",
    source="https://ott-jax.readthedocs.io/math.html",
)

_LINEAX = _entrants(
    "lineax",
    "jax",
    _X64
    + "import lineax\n\n\n"
    + "def pinv(A):\n"
    + "    def solve(b):\n"
    + "        return lineax.linear_solve(lineax.MatrixLinearOperator(A), b, lineax.SVD()).value\n\n"
    + "    return jax.vmap(solve, out_axes=1)(jax.numpy.eye(len(A), dtype=A.dtype))",
    {"pinv": "pinv(A)"},
    meant="the pseudo-inverse applied to vectors, here to all of the unit ones",
    source="https://docs.kidger.site/lineax/api/solvers/",
)

_SO3 = _entrants(
    "torchlie",
    "torch",
    "from torchlie.functional import SO3",
    {"rotation": "SO3.normalize(A[None])[0]"},
    meant="3 × 3 matrices close to a rotation",
    source="https://github.com/facebookresearch/theseus/tree/main/torchlie",
) + _entrants(
    "PyPose",
    "torch",
    "import pypose\nimport torch\n\n\n"
    "def points(A):\n"
    '    """Two clouds, of means 0, whose cross covariance is A."""\n'
    "    i = torch.eye(3, dtype=A.dtype)\n"
    "    return torch.cat([i, -i]), torch.cat([A.mT, -A.mT]) / 2",
    {"rotation": "pypose.svdstf(*points(A), with_scale=False).rotation().matrix()"},
    library="pypose",
    meant="clouds of points in three dimensions",
    source="https://pypose.org/docs/main/generated/pypose.svdstf/",
)

ENTRANTS = [
    *(*_ROMA, *_TORCHSPD, *_POT, *_GEOOPT, *_GEOMSTATS, *_PYRIEMANN, *_SPD_LEARN, *_EGN),
    *(*_KORNIA, *_OTT, *_LINEAX, *_SO3),
]
