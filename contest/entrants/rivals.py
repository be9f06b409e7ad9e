"""Other packages, by the calls that they document, with their own tolerances.

Those that promise derivatives take part, also where they only compose a framework's eigh or svd.
What they ask for is made of A: data with the covariance A, points with the cross covariance A.
"""

from contest.entrants import Decomposition, Entrant


def _entrants(calls, **known):
    """An entrant for each operation -> call."""
    known["library"] = known.get("library") or known["name"]
    return [Entrant(operation=operation, call=call, **known) for operation, call in calls.items()]


_CLOUDS = '''import pypose
import torch


def clouds(A):
    """Points, of the mean 0, whose cross covariance is A."""
    eye = torch.eye(3, dtype=A.dtype)
    return torch.cat([eye, -eye]), torch.cat([A.mT, -A.mT]) / 2
'''
_PYPOSE = "https://pypose.org/docs/main/generated/pypose.svdstf/"
_ROMA = "real matrices; 1/t is damped to t/(t² + gradient_eps²), and gradient_eps is {}"
_ROMA_SOURCE = "https://naver.github.io/roma/"
_RIGID = [
    *_entrants(
        {"rotation": "roma.special_procrustes(A)"},
        name="roma",
        framework="torch",
        setup="import roma\n",
        meant=_ROMA.format("1e-5"),
        source=_ROMA_SOURCE,
    ),
    *_entrants(
        {"rotation": "roma.special_procrustes(A, gradient_eps=1e-12)"},
        name="roma, gradient_eps=1e-12",
        library="roma",
        framework="torch",
        setup="import roma\n",
        meant=_ROMA.format("1e-12"),
        source=_ROMA_SOURCE,
    ),
    *_entrants(
        {"rotation": "SO3.normalize(A[None])[0]"},
        name="torchlie",
        framework="torch",
        setup="from torchlie.functional import SO3\n",
        meant="real 3 × 3 matrices, close to a rotation",
        source="https://github.com/facebookresearch/theseus/tree/main/torchlie",
    ),
    *_entrants(
        {"rotation": "matrix(pypose.svdstf(*clouds(A), with_scale=False).tensor()[3:7])"},
        name="PyPose",
        library="pypose",
        framework="torch",
        setup=_CLOUDS
        + '''

def matrix(q):
    """That of a quaternion, whose last entry is the real one."""
    x, y, z, w = q
    zero, eye = torch.zeros_like(w), torch.eye(3, dtype=q.dtype)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return (2 * w * w - 1) * eye + 2 * w * cross + 2 * torch.outer(q[:3], q[:3])
''',
        meant="clouds of points in three dimensions",
        source=_PYPOSE,
    ),
    *_entrants(
        {"rotation": "pypose.svdstf(*clouds(A), with_scale=False).rotation().matrix()"},
        name="PyPose, matrix()",
        library="pypose",
        framework="torch",
        setup=_CLOUDS,
        meant="clouds of points in three dimensions; gradients of rotations in their tangent space",
        source=_PYPOSE,
    ),
]

_TORCHSPD = _entrants(
    {
        "sqrtm": "torchspd.sqrtm(A)",
        "inv_sqrtm": "torchspd.invsqrtm(A)",
        "logm": "torchspd.logm(A)",
        "powm": "torchspd.powm(A, p)",
        "expm": "torchspd.expm(A)",
        "eigh_loss": "(W * torchspd.apply_quad(A, function, derivative)).sum()",
    },
    name="torchspd",
    framework="torch",
    setup="""import torchspd


def function(x):
    return x / (1 + x**2)


def derivative(x):
    return (1 - x**2) / (1 + x**2) ** 2
""",
    meant="real symmetric positive definite matrices",
    source="https://github.com/samuelbx/torchspd",
)

_POT = {"setup": "import ot\n", "source": "https://pythonot.github.io/gen_modules/ot.backend.html"}
_POT = [
    *_entrants(
        {"sqrtm": "ot.backend.get_backend(A).sqrtm(A)"},
        name="POT",
        framework="torch",
        meant="real symmetric positive semidefinite matrices",
        **_POT,
    ),
    *_entrants(
        {"sqrtm": "ot.backend.get_backend(A).sqrtm(A)"},
        name="POT (JAX)",
        library="POT",
        framework="jax",
        **_POT,
    ),
]

_GEOOPT = _entrants(
    {
        "polar": "geoopt.Stiefel().projx(A)",
        "sqrtm": "geoopt.linalg.sym_sqrtm(A)",
        "inv_sqrtm": "geoopt.linalg.sym_inv_sqrtm1(A)",
        "logm": "geoopt.linalg.sym_logm(A)",
        "expm": "geoopt.linalg.sym_expm(A)",
    },
    name="geoopt",
    framework="torch",
    setup="import geoopt\n",
    meant="real matrices",
    source="https://geoopt.readthedocs.io/en/latest/",
)

# geomstats 2.8.0 imports what NumPy 2.4 has no more.
_GEOMSTATS = """import os

import numpy

os.environ["GEOMSTATS_BACKEND"] = "pytorch"
numpy.trapz = numpy.trapezoid
"""
_GEOMSTATS = [
    *_entrants(
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
        name="geomstats",
        framework="torch",
        setup=_GEOMSTATS
        + """from geomstats.geometry.grassmannian import Grassmannian
from geomstats.geometry.hermitian_matrices import expmh, powermh
from geomstats.geometry.spd_matrices import SymMatrixLog
from geomstats.geometry.special_orthogonal import SpecialOrthogonal
from geomstats.geometry.stiefel import Stiefel
""",
        source="https://geomstats.github.io/api/geometry.html",
    ),
    *_entrants(
        {"logm": "gs.linalg.logm(A)"},
        name="geomstats, gs.linalg.logm",
        library="geomstats",
        framework="torch",
        setup=_GEOMSTATS + "import geomstats.backend as gs\n",
        source="https://geomstats.github.io/api/backend.html",
    ),
]

_PYRIEMANN = _entrants(
    {
        "sqrtm": "base.sqrtm(A)",
        "inv_sqrtm": "base.invsqrtm(A)",
        "logm": "base.logm(A)",
        "powm": "base.powm(A, p)",
        "expm": "base.expm(A)",
    },
    name="pyriemann",
    framework="torch",
    setup="from pyriemann.geometry import base\n",
    source="https://pyriemann.readthedocs.io/en/latest/api.html",
)

_SPD_LEARN = _entrants(
    {
        "polar": "functional.orthogonal_polar_factor(A)",
        "sqrtm": "functional.matrix_sqrt.apply(A)",
        "inv_sqrtm": "functional.matrix_inv_sqrt.apply(A)",
        "logm": "functional.matrix_log.apply(A)",
        "powm": "functional.matrix_power.apply(A, p)",
        "expm": "functional.matrix_exp.apply(A)",
    },
    name="spd-learn",
    framework="torch",
    setup="from spd_learn import functional\n",
    meant="real symmetric matrices; values below 100 or 1,000 eps are raised to that",
    source="https://spdlearn.org",
)

_EGN = _entrants(
    {
        "sqrtm": "functional.sqrtm(A)",
        "inv_sqrtm": "functional.invsqrtm(A)",
        "logm": "functional.logm(A)",
        "powm": "functional.powm(A, p)",
        "expm": "functional.expm(A)",
    },
    name="egnlib",
    framework="torch",
    setup="from egn import functional\n",
    meant="real symmetric matrices, whose values below a floor are raised to it",
    source="https://github.com/kraihan/egn",
)

_KORNIA = _entrants(
    {"inv_sqrtm": "zca_mean(samples(A), unbiased=False, eps=0.0)[0]"},
    name="kornia",
    framework="torch",
    setup='''import torch
from kornia.enhance import zca_mean


def samples(A):
    """Data with the mean 0 and the covariance A."""
    rows = len(A) ** 0.5 * torch.linalg.cholesky(A).mT
    return torch.cat([rows, -rows])
''',
    meant="real samples with distinct variances: its note says that it gives NaN at ties",
    source="https://kornia.readthedocs.io/en/latest/enhance.zca.html",
)

_OTT = _entrants(
    {
        "sqrtm": "matrix_square_root.sqrtm_only(A)",
        "inv_sqrtm": "matrix_square_root.inv_sqrtm_only(A)",
    },
    name="OTT-JAX",
    library="ott-jax",
    framework="jax",
    setup="from ott.math import matrix_square_root\n",
    meant="real positive definite matrices; it iterates until a residual is below 1e-6",
    source="https://ott-jax.readthedocs.io/math.html",
)

_LINEAX = _entrants(
    {"pinv": "pinv(A)"},
    name="lineax",
    framework="jax",
    setup='''import jax
import jax.numpy as jnp
import lineax


def pinv(A):
    """The solutions of least squares, of least norm, for all unit vectors."""

    def solve(b):
        return lineax.linear_solve(lineax.MatrixLinearOperator(A), b, lineax.SVD()).value

    return jax.vmap(solve, out_axes=1)(jnp.eye(len(A), dtype=A.dtype))
''',
    source="https://docs.kidger.site/lineax/api/solvers/",
)

ENTRANTS = [
    *(*_RIGID, *_TORCHSPD, *_POT, *_GEOOPT, *_GEOMSTATS, *_PYRIEMANN, *_SPD_LEARN, *_EGN),
    *(*_KORNIA, *_OTT, *_LINEAX),
]

_XITORCH = {
    "name": "xitorch",
    "library": "xitorch",
    "framework": "torch",
    "meant": "at ties, losses that do not depend on the vectors chosen",
}
_XITORCH_SOURCE = "https://xitorch.readthedocs.io/en/latest/api/xitorch.linalg/"
_TENSORCIRCUIT = {
    "name": "tensorcircuit-ng",
    "library": "tensorcircuit-ng",
    "framework": "jax",
    "source": "https://github.com/tensorcircuit/tensorcircuit-ng",
}
_BACKEND = """import jax.numpy as jnp
import tensorcircuit

backend = tensorcircuit.set_backend("jax")
tensorcircuit.set_dtype("complex128")


"""
_VARIPEPS = """import jax.numpy as jnp
from varipeps import varipeps_config
from varipeps.utils.svd import svd_wrapper


def svd(A):
    varipeps_config.svd_ad_use_lorentz_broadening = {}
    return svd_wrapper(A)
"""

DECOMPOSITIONS = [
    Decomposition(
        problem="eigh",
        setup="""import torch
import xitorch.linalg


def eigh(A):
    return xitorch.linalg.symeig(xitorch.LinearOperator.m(A, is_hermitian=True))
""",
        source=_XITORCH_SOURCE + "symeig.html",
        **_XITORCH,
    ),
    Decomposition(
        problem="svd",
        setup="""import torch
import xitorch.linalg


def svd(A):
    U, s, Vh = xitorch.linalg.svd(xitorch.LinearOperator.m(A))
    return U.flip(-1), s.flip(-1), Vh.flip(-2)
""",
        source=_XITORCH_SOURCE + "svd.html",
        **_XITORCH,
    ),
    Decomposition(
        problem="eigh",
        name="eigh",
        library="eigh",
        framework="jax",
        setup="import jax.numpy as jnp\nfrom eigh import eigh\n",
        meant="at ties, functions that are symmetric in the eigenvalues",
        source="https://github.com/Brogis1/eigh",
    ),
    Decomposition(
        problem="eigh",
        setup=_BACKEND + "def eigh(A):\n    return backend.eigh(A)\n",
        **_TENSORCIRCUIT,
    ),
    Decomposition(
        problem="svd",
        setup=_BACKEND + "def svd(A):\n    return backend.svd(A)[:3]\n",
        **_TENSORCIRCUIT,
    ),
    *(
        Decomposition(
            problem="svd",
            name=name,
            library="varipeps",
            framework="jax",
            setup=_VARIPEPS.format(broadening),
            source="https://varipeps.readthedocs.io/en/stable/",
        )
        for name, broadening in (("varipeps", False), ("varipeps, Lorentzian", True))
    ),
]
