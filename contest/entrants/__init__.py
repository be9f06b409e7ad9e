"""Who takes part in the contest, as source code: it runs here, and stands as it is in reproducers.

One module per kind: the package, the frameworks' own ways, other packages, rules of papers.
"""

from dataclasses import dataclass

OPERATIONS = (
    *("polar", "rotation", "sqrtm", "inv_sqrtm", "logm", "powm", "expm"),
    *("projector", "eigenvector", "low_rank", "pinv", "eigh_loss", "svd_loss"),
)
FRAMEWORKS = ("torch", "jax", "tensorflow", "autograd")


@dataclass(frozen=True)
class Entrant:
    """One way to compute one operation, and with it its derivatives.

    Parameters
    ----------
    operation : str
        One of OPERATIONS.
    name : str
        As it stands in the tables.
    library : str
        The distribution whose version is shown.
    framework : str
        One of FRAMEWORKS, which takes the gradient.
    setup : str
        Python source: imports and definitions.
    call : str
        An expression whose value is F(A), in ``A`` and what belongs to the operation: ``k`` values
        for projector and low_rank, the place ``k`` of the eigenvector, the power ``p`` of powm. Of
        eigenvector, F is v vᴴ. In the composed losses ``W`` is at hand too: the value is a scalar.
    meant : str
        If it is meant for some inputs or losses only, for which, as its documentation says.
    source : str
        URL of the documentation or paper that the call or the rule is taken from.
    through : str
        "eigh" or "svd", if that is all that is the entrant's own.
    """

    operation: str
    name: str
    library: str
    framework: str
    setup: str
    call: str
    meant: str = ""
    source: str = ""
    through: str = ""


@dataclass(frozen=True)
class Decomposition:
    """An ``eigh`` or ``svd`` of one's own; each operation follows from it by `compositions`.

    Parameters
    ----------
    problem : str
        "eigh" or "svd".
    name, library, framework, meant, source : str
        As for an `Entrant`.
    setup : str
        Python source that defines ``eigh(A)``, which returns w, V, or ``svd(A)``: U, s, Vᴴ, thin.
    """

    problem: str
    name: str
    library: str
    framework: str
    setup: str
    meant: str = ""
    source: str = ""
