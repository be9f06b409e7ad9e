"""Rules of papers and programs that no package offers, from `rules_torch`, with their sources."""

import ast
from pathlib import Path

from contest.entrants import Decomposition, Entrant

_SOURCE = (Path(__file__).parents[1] / "rules_torch.py").read_text(encoding="utf-8")
_DEFINED = {
    x.name: ast.get_source_segment(_SOURCE, x)
    for x in ast.parse(_SOURCE).body
    if isinstance(x, ast.FunctionDef | ast.ClassDef)
}


def _text(*names, last=""):
    """Definitions of `rules_torch`, after what they import, and a last line."""
    parts = [_DEFINED[x] for x in names]
    imports = [f"import {x}\n" for x in ("mpmath", "torch") if any(f"{x}." in p for p in parts)]
    return "".join(imports) + "".join(f"\n\n{p}\n" for p in parts) + (last and f"\n\n{last}\n")


_WHITENING = "whitening and pooling with real covariance matrices, ε I added: "
_WANG = "https://github.com/WeiWangTrento/Robust-Differentiable-SVD"
_POWER = "https://github.com/WeiWangTrento/Power-Iteration-SVD"
_SONG = "https://github.com/KingJamesSong/DifferentiableSVD"
_ROOTS = "https://github.com/KingJamesSong/FastDifferentiableMatSqrt"
_RATIOS = ("eigh_with", "through_ratios")
_EPS = "torch.finfo(torch.float64).eps"

#: Name, what it takes of `rules_torch`, the last line, for what it is meant, source.
_EIGH = (
    (
        *("Lorentzian", ("eigh_with", "lorentzian", "lorentzian_differences")),
        "eigh = eigh_with(lorentzian_differences)",
        "losses of tensor networks that do not depend on the vectors chosen at a tie",
        "https://github.com/jurajHasik/peps-torch/blob/master/linalg/eig_sym.py",
    ),
    (
        *("zero where tied", ("eigh_with", "zero_where_tied")),
        "eigh = eigh_with(zero_where_tied)",
        "losses of tensor networks that do not depend on the vectors chosen at a tie",
        "https://github.com/QuantumKitHub/MatrixAlgebraKit.jl",
    ),
    (
        *("Taylor, degree 9", (*_RATIOS, "taylor"), "eigh = eigh_with(taylor(9), floor=1e-10)"),
        *(_WHITENING + "gradients that are bounded", _WANG),
    ),
    (
        *("Taylor, degree 100", (*_RATIOS, "taylor")),
        f"eigh = eigh_with(taylor(100), floor={_EPS})",
        *(_WHITENING + "gradients that are bounded", _SONG),
    ),
    (
        *("Padé", (*_RATIOS, "pade"), f"eigh = eigh_with(pade, floor={_EPS})"),
        *(_WHITENING + "gradients that are bounded", _SONG),
    ),
    (
        *("clipped at 1e10", ("eigh_with", "clipped_inverse")),
        f"eigh = eigh_with(clipped_inverse, floor={_EPS})",
        *(_WHITENING + "gradients that are bounded", _SONG),
    ),
    (
        *("clipped at 0.01", ("eigh_with", "clipped_difference")),
        "eigh = eigh_with(clipped_difference, floor=1e-5)",
        *(_WHITENING + "gradients that are bounded", _WANG),
    ),
    (
        *("power iteration", ("PowerStep", "eigh_by_powers"), "eigh = eigh_by_powers"),
        *(_WHITENING + "the leading vectors, those of small values dropped", _POWER),
    ),
)

DECOMPOSITIONS = [
    *(
        Decomposition("eigh", name, "torch", "torch", _text(*taken, last=last), meant, source)
        for name, taken, last, meant, source in _EIGH
    ),
    Decomposition(
        problem="svd",
        name="Lorentzian",
        library="torch",
        framework="torch",
        setup=_text("lorentzian", "LorentzianSVD", last="svd = LorentzianSVD.apply"),
        meant="losses of tensor networks that do not depend on the vectors chosen at a tie",
        source="https://github.com/wangleiphy/tensorgrad/blob/master/tensornets/adlib/svd.py",
    ),
]

_LYAPUNOV = ("root_of_one_minus_x", "polynomial", "lyapunov")
ENTRANTS = [
    Entrant(
        operation=operation,
        name=name,
        library="torch",
        framework="torch",
        setup=_text(*_LYAPUNOV, kind, rule),
        call=f"{rule}(A)",
        meant="real covariance matrices: pooling, whitening, style transfer",
        source=_ROOTS,
    )
    for operation, name, kind, rule in (
        ("sqrtm", "MTP-Lya", "Root", "root_by_taylor"),
        ("sqrtm", "MPA-Lya", "Root", "root_by_pade"),
        ("inv_sqrtm", "MPA-Lya", "InverseRoot", "inverse_root_by_pade"),
    )
]
