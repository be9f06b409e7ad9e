"""The frameworks' own ways: a function of theirs where there is one, and through eigh or svd.

What goes through a decomposition is named after it, for it is what people write, and not a function
of the framework.
"""

from contest import compositions
from contest.entrants import Decomposition, Entrant

_LIBRARIES = {
    "torch": ("PyTorch", "torch"),
    "jax": ("JAX", "jax"),
    "tensorflow": ("TensorFlow", "tensorflow-cpu"),
    "autograd": ("autograd", "autograd"),
}
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.{}.html"
_JAX = "https://docs.jax.dev/en/latest/_autosummary/jax.{}.html"
_TF = "https://www.tensorflow.org/api_docs/python/tf/linalg/{}"
_AUTOGRAD = "https://github.com/HIPS/autograd/blob/master/autograd/{}/linalg.py"

# TensorFlow's logarithm is of complex matrices.
_TF_LOGM = """import tensorflow as tf


def logm(A):
    if A.dtype.is_complex:
        return tf.linalg.logm(A)
    wide = tf.complex64 if A.dtype == tf.float32 else tf.complex128
    return tf.math.real(tf.linalg.logm(tf.cast(A, wide)))
"""
# That of JAX returns complex numbers for some inputs.
_JAX_SQRTM = """import jax.numpy as jnp
import jax.scipy.linalg


def sqrtm(A):
    root = jax.scipy.linalg.sqrtm(A)
    return root if jnp.iscomplexobj(A) else root.real
"""
#: Operation, framework, setup, call, source.
_OWN = (
    ("pinv", "torch", "import torch\n", "torch.linalg.pinv(A)", _TORCH.format("linalg.pinv")),
    ("expm", "torch", "import torch\n", "torch.matrix_exp(A)", _TORCH.format("matrix_exp")),
    ("pinv", "jax", "import jax.numpy as jnp\n", "jnp.linalg.pinv(A)", "numpy.linalg.pinv"),
    ("expm", "jax", "import jax.scipy.linalg\n", "jax.scipy.linalg.expm(A)", "scipy.linalg.expm"),
    ("sqrtm", "jax", _JAX_SQRTM, "sqrtm(A)", "scipy.linalg.sqrtm"),
    (
        *("polar", "jax", "import jax.scipy.linalg\n"),
        *('jax.scipy.linalg.polar(A, method="svd")[0]', "scipy.linalg.polar"),
    ),
    ("sqrtm", "tensorflow", "import tensorflow as tf\n", "tf.linalg.sqrtm(A)", "sqrtm"),
    ("logm", "tensorflow", _TF_LOGM, "logm(A)", "logm"),
    ("expm", "tensorflow", "import tensorflow as tf\n", "tf.linalg.expm(A)", "expm"),
    ("pinv", "tensorflow", "import tensorflow as tf\n", "tf.linalg.pinv(A)", "pinv"),
    ("pinv", "autograd", "import autograd.numpy as anp\n", "anp.linalg.pinv(A)", "numpy"),
    ("sqrtm", "autograd", "import autograd.scipy.linalg as asl\n", "asl.sqrtm(A)", "scipy"),
)
_URLS = {"torch": "{}", "jax": _JAX, "tensorflow": _TF, "autograd": _AUTOGRAD}


def _own():
    for operation, framework, setup, call, source in _OWN:
        name, library = _LIBRARIES[framework]
        url = _URLS[framework].format(source)
        yield Entrant(operation, name, library, framework, setup, call, source=url)


_EIGH = {
    "torch": "import torch\nfrom torch.linalg import eigh\n",
    "jax": "import jax\nimport jax.numpy as jnp\nfrom jax.numpy.linalg import eigh\n",
    "tensorflow": "import tensorflow as tf\nfrom tensorflow.linalg import eigh\n",
    "autograd": "import autograd.numpy as anp\nfrom autograd.numpy.linalg import eigh\n",
}
_THIN = "\n\ndef svd(A):\n    return {}(A, full_matrices=False)\n"
_SVD = {x: compositions.IMPORTS[x] + _THIN for x in ("torch", "jax", "autograd")}
_SVD = {
    "torch": _SVD["torch"].format("torch.linalg.svd"),
    "jax": _SVD["jax"].format("jnp.linalg.svd"),
    "autograd": _SVD["autograd"].format("anp.linalg.svd"),
    "tensorflow": (
        "import tensorflow as tf\n\n\n"
        "def svd(A):\n"
        "    s, U, V = tf.linalg.svd(A)\n"
        "    return U, s, tf.linalg.adjoint(V)\n"
    ),
}
_SOURCES = {
    "torch": (_TORCH.format("linalg.eigh"), _TORCH.format("linalg.svd")),
    "jax": (_JAX.format("numpy.linalg.eigh"), _JAX.format("numpy.linalg.svd")),
    "tensorflow": (_TF.format("eigh"), _TF.format("svd")),
    "autograd": (_AUTOGRAD.format("numpy"),) * 2,
}


def _composed():
    for framework, (name, library) in _LIBRARIES.items():
        for problem, setup, url in zip(
            ("eigh", "svd"), (_EIGH, _SVD), _SOURCES[framework], strict=True
        ):
            known = {"library": library, "framework": framework, "source": url}
            yield Decomposition(problem, f"{name} ({problem})", setup=setup[framework], **known)


ENTRANTS = (*_own(),)
DECOMPOSITIONS = (*_composed(),)
