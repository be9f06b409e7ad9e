"""Rules of papers and programs for the derivatives of eigh, svd and roots, written anew in PyTorch.

`entrants.rules` names the sources, and takes the text of single rules from here.
"""

import mpmath
import torch


def eigh_with(inverse, floor=-torch.inf):
    """An eigh of which the backward pass has ``inverse(w)`` for 1/(w_j − w_i), and 0 for i = j.

    It raises eigenvalues below ``floor`` to that, and passes gradients as if it did not.
    """

    class Eigh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, A):
            w, V = torch.linalg.eigh(A)
            w = w.clamp(min=floor)
            ctx.save_for_backward(w, V)
            return w, V

        @staticmethod
        def backward(ctx, gw, gV):
            w, V = ctx.saved_tensors
            off = ~torch.eye(len(w), dtype=torch.bool)
            f = torch.where(off, inverse(w), torch.zeros_like(w))
            return V @ (f * (V.mH @ gV) + torch.diag(gw)) @ V.mH

    return Eigh.apply


def lorentzian(x):
    """1/x, broadened."""
    return x / (x**2 + 1e-12)


def lorentzian_differences(w):
    """1/(w_j − w_i), broadened."""
    return lorentzian(w - w[:, None])


class LorentzianSVD(torch.autograd.Function):
    """A thin svd of which the backward pass has broadened 1/(s_j − s_i)."""

    @staticmethod
    def forward(ctx, A):
        """U, s, Vᴴ."""
        U, s, Vh = torch.linalg.svd(A, full_matrices=False)
        ctx.save_for_backward(U, s, Vh)
        return U, s, Vh

    @staticmethod
    def backward(ctx, gU, gs, gVh):
        """The part between singular vectors, by differences and sums of s, and those outside."""
        U, s, Vh = ctx.saved_tensors
        V, gV = Vh.mH, gVh.mH
        u, v = ((x - x.mH) / 2 for x in (U.mH @ gU, V.mH @ gV))
        f, g = lorentzian(s - s[:, None]), 1 / (s + s[:, None])
        G = U @ (f * (u + v) + g * (u - v) + torch.diag(gs)) @ Vh
        G = G + (gU - U @ (U.mH @ gU)) / s @ Vh
        return G + (U / s) @ (gV - V @ (V.mH @ gV)).mH


def zero_where_tied(w):
    """1/(w_j − w_i), and 0 where the difference is below a tolerance."""
    x, largest = w - w[:, None], w.abs().max()
    tied = x.abs() < (torch.nextafter(largest, largest + 1) - largest) ** 0.75
    return torch.where(tied, 0, 1 / torch.where(tied, 1, x))


def through_ratios(w, series):
    """1/(w_j − w_i) as ±1/b · series(q), q = a/b, of the smaller a and the larger b of both."""
    a, b = torch.minimum(w, w[:, None]), torch.maximum(w, w[:, None])
    return torch.where(w >= w[:, None], 1, -1) / b * series(a / b)


def taylor(degree):
    """1/(w_j − w_i) by 1 + q + … + q^degree for 1/(1 − q)."""
    return lambda w: through_ratios(w, lambda q: sum(q**k for k in range(degree + 1)))


def pade(w):
    """1/(w_j − w_i) by the Padé approximant [50/50] of the series of 1/(1 − q)."""
    with mpmath.workdps(20):
        coefficients = mpmath.taylor(lambda x: 1 / (1 - x), 0, 100)
        p, q = ([float(c) for c in x] for x in mpmath.pade(coefficients, 50, 50))

    def series(ratio):
        above, below = (sum(c * ratio**k for k, c in enumerate(x)) for x in (p, q))
        return above / below

    return through_ratios(w, series)


def clipped_inverse(w):
    """1/(w_j − w_i), no larger than 1e10."""
    return (1 / (w - w[:, None]).fill_diagonal_(torch.inf)).clamp(-1e10, 1e10)


def clipped_difference(w):
    """1/(w_j − w_i) of differences raised to 0.01, and 0 for equal values."""
    x = w - w[:, None]
    return torch.where(x == 0, 0, x.sign() / x.abs().clamp(min=0.01))


class PowerStep(torch.autograd.Function):
    """An eigenvector v of M, with the gradient of 20 steps of power iteration that stay at it."""

    @staticmethod
    def forward(ctx, M, v):
        """The vector."""
        ctx.save_for_backward(M, v)
        return v.clone()

    @staticmethod
    def backward(ctx, g):
        """Σ_k (M/|Mv|)^k (I − vvᵀ)/|Mv| g vᵀ, for k up to 19."""
        M, v = ctx.saved_tensors
        size = torch.linalg.norm(M @ v).clamp(min=1e-5)
        term = (g - v * (v @ g)) / size
        total = term
        for _ in range(19):
            term = M @ term / size
            total = total + term
        return torch.outer(total, v), None


def eigh_by_powers(A):
    """Each vector as power iteration differentiates it; those found are removed from the matrix."""
    vectors = torch.linalg.eigh(A.detach())[1]
    values, columns = [], []
    for v in vectors.flip(1).T:
        v = PowerStep.apply(A, v)
        values.insert(0, v @ A @ v / (v @ v))
        columns.insert(0, v)
        A = A - A @ torch.outer(v, v)
    return torch.stack(values), torch.stack(columns, 1)


def root_of_one_minus_x():
    """Taylor coefficients of √(1 − x), of degree 10, and those of its Padé approximant [5/5]."""
    with mpmath.workdps(32):
        coefficients = mpmath.taylor(lambda x: mpmath.sqrt(1 - x), 0, 10)
        approximant = mpmath.pade(coefficients, 5, 5)
        return [[float(c) for c in x] for x in (coefficients, *approximant)]


def polynomial(coefficients, X):
    """Σ c_k Xᵏ."""
    power = torch.eye(len(X), dtype=X.dtype)
    total = coefficients[0] * power
    for c in coefficients[1:]:
        power = power @ X
        total = total + c * power
    return total


def lyapunov(B, C):
    """X of BX + XB = C, by eight steps of a Newton–Schulz iteration; |B| is at most 1."""
    eye = torch.eye(len(B), dtype=B.dtype)
    for _ in range(8):
        square = B @ B
        C = (C @ (3 * eye - square) - square @ C + B @ C @ B) / 2
        B = B @ (3 * eye - square) / 2
    return C / 2


class Root(torch.autograd.Function):
    """√M by an approximant in I − M/|M|, and its derivative by Lyapunov's equation."""

    @staticmethod
    def forward(ctx, M, approximant):
        """The root."""
        size = torch.linalg.norm(M)
        root = approximant(torch.eye(len(M), dtype=M.dtype) - M / size) * size.sqrt()
        ctx.save_for_backward(M, root)
        return root

    @staticmethod
    def backward(ctx, g):
        """X of √M X + X √M = g."""
        M, root = ctx.saved_tensors
        size = torch.linalg.norm(M).sqrt()
        return lyapunov(root / size, g / size), None


class InverseRoot(torch.autograd.Function):
    """1/√M by an approximant in I − M/|M|, and its derivative by Lyapunov's equation."""

    @staticmethod
    def forward(ctx, M, approximant):
        """The inverse root."""
        size = torch.linalg.norm(M)
        root = approximant(torch.eye(len(M), dtype=M.dtype) - M / size) / size.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx, g):
        """X of RX + XR = −R² g R², where R = 1/√M."""
        (root,) = ctx.saved_tensors
        inverse, size = root @ root, torch.linalg.norm(root)
        return lyapunov(root / size, -inverse @ g @ inverse / size), None


def root_by_taylor(M):
    """√M by a polynomial."""
    coefficients, _, _ = root_of_one_minus_x()
    return Root.apply(M, lambda X: polynomial(coefficients, X))


def root_by_pade(M):
    """√M by a rational function."""
    _, p, q = root_of_one_minus_x()
    return Root.apply(M, lambda X: torch.linalg.solve(polynomial(q, X), polynomial(p, X)))


def inverse_root_by_pade(M):
    """1/√M by a rational function."""
    _, p, q = root_of_one_minus_x()
    return InverseRoot.apply(M, lambda X: torch.linalg.solve(polynomial(p, X), polynomial(q, X)))
