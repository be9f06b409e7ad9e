"""The corpus: its names make the same matrices again, and these are what the names promise."""

import collections
import re

import numpy as np
import pytest
import scipy.linalg

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, corpus
from spectralgrad.theory import spectrum, symmetric

NAMES = corpus.names()
# What RandomState gives for the name of the test that has them.
SEEDED = [-0.34950661797300137, -0.2320582864292563, -0.4130581598823049, 0.3621934926715827]


def matching(pattern):
    """Matrices whose names, without the prefix, begin as a pattern does; at least one."""
    found = [name for name in NAMES if re.match(pattern, name.removeprefix(corpus.PREFIX))]
    assert found
    return [(name, corpus.matrix(name)) for name in found]


def one(name):
    return corpus.matrix(f"{corpus.PREFIX}{name}")


def values(a):
    """Eigenvalues of a Hermitian matrix, ascending; else singular values."""
    a = a.astype(np.result_type(a, float))
    if a.shape[0] == a.shape[1] and np.array_equal(a, a.conj().T):
        return np.linalg.eigvalsh(a)
    return np.linalg.svd(a, compute_uv=False)


def near(found, expected, dtype, size=1.0):
    """Equal up to rounding of the entries to a dtype."""
    allowed = 20 * len(found) * np.finfo(dtype).eps * size
    return np.max(np.abs(np.sort(found) - np.sort(expected))) <= allowed


# Names


def test_there_are_ten_thousand_of_each_family_and_dtype():
    assert len(NAMES) == len({*NAMES}) >= 10_000
    dtypes = collections.Counter(name.rsplit("-", 2)[1] for name in NAMES)
    assert dtypes == dict.fromkeys(corpus.DTYPES, len(NAMES) // 4)


def test_the_first_few_are_a_fair_sample():
    families = {name.partition("/")[0] for name in NAMES}
    assert len(families) == 6
    few = NAMES[:100]
    assert {name.partition("/")[0] for name in few} == families
    assert {name.rsplit("-", 2)[1] for name in few} == {*corpus.DTYPES}


def test_a_name_makes_the_same_matrix_again_whatever_was_made_before():
    first = [corpus.matrix(name) for name in NAMES[:50]]
    for name, a in [*zip(NAMES, first, strict=False)][::-1]:
        assert np.array_equal(corpus.matrix(name), a)


def test_the_seeds_stay_what_they_are():
    """Later surveys are compared with earlier ones by what is in the matrices."""
    a = one("scales/general-1e0-2x2-float64-0")
    assert a.ravel() == pytest.approx(SEEDED, rel=1e-14)
    assert not np.array_equal(a, one("scales/general-1e0-2x2-float64-1"))


def test_a_name_says_size_and_dtype():
    for name in NAMES[:300]:
        m, n, dtype = re.search(r"-(\d+)x(\d+)-([a-z]+\d+)-\d+$", name).groups()
        a = corpus.matrix(name)
        assert (a.shape, a.dtype) == ((int(m), int(n)), dtype)


@pytest.mark.slow
def test_each_can_be_checked():
    for name in NAMES:
        with np.errstate(all="raise", under="ignore"):
            a = corpus.matrix(name)
        assert np.array_equal(matrices.load(a), a)


@pytest.mark.parametrize("name", ["corpus:", "corpus:gallery/hilbert-9x9-float64-0", "corpus:../x"])
def test_what_is_not_in_it_is_one_line(name):
    with pytest.raises(MatrixError, match="no matrix of the corpus; take a name from a") as caught:
        matrices.load(name)
    assert str(caught.value).startswith(f"{name}: ")


def test_a_name_can_be_given_wherever_a_matrix_is_read():
    name = "corpus:graphs/laplacian-petersen-10x10-complex64-0"
    assert np.array_equal(matrices.load(name), corpus.matrix(name))
    ((place, a),) = matrices.each(name)
    assert place == ""
    assert np.array_equal(a, corpus.matrix(name))
    assert matrices.describe(name) == name


# What the families promise


def test_what_is_called_hermitian_is_to_the_last_bit():
    promised = "(lapack/(diagonal|signed|hermitian)|(ties|scales)/hermitian|graphs/|random/covar)"
    for name, a in matching(promised):
        assert np.array_equal(symmetric.require_hermitian(a), a), name
    for name, a in matching("lapack/general|ties/general|scales/general"):
        assert a.shape[0] != a.shape[1] or not np.array_equal(a, a.conj().T), name


@pytest.mark.parametrize("condition", ["2", "medium", "bad", "worst", "large", "small"])
def test_the_spectra_are_those_of_lapack(condition):
    for name, a in matching(rf"lapack/[a-z]+-(one-|geom|even|log).*-{condition}-"):
        eps, tiny = np.finfo(a.dtype).eps, np.finfo(a.dtype).tiny
        factor = {"large": eps / tiny**0.5 / max(a.shape), "small": tiny**0.5 / eps * max(a.shape)}
        size = float(factor.get(condition, 1.0))
        cond = {"2": 2.0, "medium": (0.1 / eps) ** 0.5, "bad": 0.1 / eps}.get(condition, 1 / eps)
        found = np.abs(values(a / a.dtype.type(size)))
        k = len(found)
        i = np.arange(k)
        if "log-uniform" in name:
            assert near(found[[np.argmax(found)]], [1.0], a.dtype)
            assert found.min() >= 1 / cond - 20 * k * eps
            continue
        expected = {
            "one-large": np.where(i == 0, 1.0, 1 / cond),
            "one-small": np.where(i == k - 1, 1 / cond, 1.0),
            "geometric": float(cond) ** (-i / (k - 1)),
            "even": 1 - i / (k - 1) * (1 - 1 / cond),
        }
        (mode,) = (mode for mode in expected if f"-{mode}-" in name)
        assert near(found, expected[mode], a.dtype), name


def test_those_with_signs_have_both():
    for form in ("diagonal", "signed"):
        signs = [np.sign(values(a)) for _, a in matching(f"lapack/{form}-even-2-20x20")]
        assert all(abs(s.sum()) < 20 for s in signs)
    assert all(np.all(values(a) > 0) for _, a in matching("lapack/hermitian-even-2-20x20"))


def test_condition_numbers_depend_on_the_precision():
    for dtype in corpus.DTYPES:
        a = one(f"lapack/diagonal-one-small-worst-5x5-{dtype}-0")
        assert np.min(np.abs(np.diag(a))) == np.finfo(dtype).eps


TIES = {
    "pair": (2, 1, 1, 1),
    "triple": (3, 1, 1),
    "all": (5,),
    "pairs": (2, 2, 1),
    "top": (1, 1, 1, 2),
}


@pytest.mark.parametrize("kind", TIES)
def test_tied_values_are_tied(kind):
    split = False
    for name, a in matching(rf"ties/\w+-{kind}-5x5"):
        found = np.sort(values(a))
        split = split or len({*found}) > len(TIES[kind])
        tied = spectrum.clusters(found, spectrum.default_rtol(a.shape, a.dtype))
        lengths = tuple(c.stop - c.start for c in tied)
        assert lengths == TIES[kind], name
    # Not to the last bit: what a program makes of that is to be seen.
    assert split


def test_opposite_values_are_tied_as_singular_values_only():
    for _, a in matching("ties/hermitian-opposite"):
        assert near(values(a), [(-1.0) ** i for i in range(len(a))], a.dtype)


@pytest.mark.parametrize("power", [0.25, 0.5, 0.75, 0.9, 1])
def test_near_ties_are_as_near_as_they_say(power):
    for name, a in matching(rf"ties/\w+-(gap|tiny)-{power}-"):
        eps = float(np.finfo(a.dtype).eps)
        found = np.sort(values(a))
        gap = found[1] - found[0] if "-gap-" in name else found[0]
        assert abs(abs(gap) - eps**power) <= 20 * len(a) ** 2 * eps, name


@pytest.mark.parametrize(("kind", "zeros"), [("zero", 1), ("zeros", 2)])
def test_zeros_are_zeros(kind, zeros):
    for _, a in matching(rf"ties/\w+-{kind}-"):
        found = np.sort(np.abs(values(a)))
        rtol = spectrum.default_rtol(a.shape, a.dtype, singular=True)
        assert np.sum(found <= rtol * found[-1]) == zeros


def test_graphs_have_their_spectra():
    t = np.arange(10)
    n, angle = 10, 2 * np.pi * t / 10
    known = {
        "laplacian-path": 2 - 2 * np.cos(np.pi * t / n),
        "laplacian-cycle": 2 - 2 * np.cos(angle),
        "laplacian-complete": np.where(t, n, 0),
        "laplacian-star": [0, *[1] * 8, 10],
        "laplacian-wheel": [0, 10, *(3 - 2 * np.cos(2 * np.pi * np.arange(1, 9) / 9))],
        "laplacian-petersen": [0, *[2] * 5, *[5] * 4],
        "adjacency-petersen": [3, *[1] * 5, *[-2] * 4],
        "adjacency-bipartite": [-5, *[0] * 8, 5],
        "adjacency-complete": [*[-1] * 9, 9],
    }
    for kind, expected in known.items():
        for _, a in matching(f"graphs/{kind}-10x10"):
            assert near(values(a), expected, float, 10)
    degrees = [bin(i).count("1") for i in range(16)]
    for _, a in matching("graphs/laplacian-hypercube-16x16"):
        assert near(values(a), 2 * np.array(degrees), float, 10)
    for _, a in matching("graphs/laplacian-grid-8x8"):
        path = 2 - 2 * np.cos(np.pi * np.arange(4) / 4)
        assert near(values(a), np.add.outer(path, [0, 2]).ravel(), float, 10)


def test_graphs_are_connected_or_said_to_be_and_have_integer_entries():
    for name, a in matching("graphs/laplacian"):
        assert np.array_equal(a, np.round(a))
        if a.dtype.kind == "f":
            assert not np.any(a.sum(axis=0))
            assert np.all(a - np.diag(np.diag(a)) <= 0)
            # But for the smallest of Petersen's, of which two vertices are alone.
            assert values(a)[1] > 1e-3 or "petersen-4x4" in name
    for name, a in matching("graphs/adjacency-(windmill|tree|hypercube)"):
        assert np.trace(a) == 0, name


def test_complex_ones_are_similar_to_real_ones_and_truly_complex():
    for kind in ("graphs/laplacian-cycle-8x8", "gallery/lehmer-8x8", "gallery/grcar-8x8"):
        real, double = one(f"{kind}-float64-0"), one(f"{kind}-complex128-0")
        assert np.array_equal(np.abs(double), np.abs(real))
        assert np.any(double.imag)
        assert near(values(double), values(real), float, 10)


GALLERY = {
    "hilbert": scipy.linalg.hilbert(8),
    "pascal": scipy.linalg.pascal(8),
    "fiedler": scipy.linalg.fiedler(np.arange(8)),
    "hadamard": scipy.linalg.hadamard(8),
    "helmert": scipy.linalg.helmert(8, full=True),
    "kms": scipy.linalg.toeplitz(0.5 ** np.arange(8)),
    "companion": scipy.linalg.companion(np.ones(9)),
    "circulant": scipy.linalg.circulant(np.arange(1, 9)).T,
    "lehmer": [[min(i, j) / max(i, j) for j in range(1, 9)] for i in range(1, 9)],
    "minij": [[min(i, j) for j in range(1, 9)] for i in range(1, 9)],
    "grcar": scipy.linalg.toeplitz([1, -1, *[0] * 6], [1, 1, 1, 1, *[0] * 4]),
}


@pytest.mark.parametrize("name", GALLERY)
def test_the_gallery_is_that_of_others(name):
    found, expected = one(f"gallery/{name}-8x8-float64-0"), np.array(GALLERY[name], float)
    # Helmert's, but for the sign of a row.
    found, expected = (np.abs(x) if name == "helmert" else x for x in (found, expected))
    assert found == pytest.approx(expected, abs=1e-15)


def test_what_is_known_of_the_rest():
    for n in (3, 5, 8, 10, 20):
        clement, wilkinson, parter, hartley, kahan, pei, helmert = (
            one(f"gallery/{name}-{n}x{n}-float64-0")
            for name in ("clement", "wilkinson", "parter", "hartley", "kahan", "pei", "helmert")
        )
        assert near(values(clement), np.arange(1 - n, n, 2), float, n)
        assert np.array_equal(wilkinson, wilkinson[::-1, ::-1])
        assert np.all(values(parter) <= np.pi * (1 + 1e-14))
        for orthogonal in (hartley, helmert):
            assert orthogonal @ orthogonal.T == pytest.approx(np.eye(n), abs=1e-14)
        assert near(values(pei), [*[1] * (n - 1), n + 1], float, n)
        assert np.array_equal(kahan, np.triu(kahan))
    # The last two of Wilkinson's W₂₁⁺ agree to 13 digits; of that of 20, to 10.
    last = values(one("gallery/wilkinson-20x20-float64-0"))[-2:]
    assert 0 < np.diff(last)[0] < 1e-9


def test_samples_that_are_few_leave_zeros():
    for kind, samples in (("two", 2), ("few", 5), ("equal", 8)):
        for name, a in matching(f"random/covariance-{kind}-8x8"):
            zeros = np.abs(values(a)) <= 50 * np.finfo(a.dtype).eps * np.max(values(a))
            assert zeros.sum() == 8 - (samples - 1), name
    assert all(np.min(values(a)) > 0 for _, a in matching("random/covariance-many"))


def test_what_is_exact_has_integer_entries():
    for _, a in matching("random/exact-"):
        assert np.array_equal(a, np.round(a))
    for _, a in matching("random/exact-low-rank"):
        assert np.linalg.matrix_rank(a.astype(complex)) <= 2
    for _, a in matching("random/exact-doubled"):
        assert np.array_equal(a[::2, ::2], a[1::2, 1::2])
        assert not np.any(a[::2, 1::2])
    for _, a in matching("random/skew"):
        assert near(values(a)[::2], values(a)[1::2], a.dtype, np.max(values(a)))


def test_scales_are_what_they_say():
    for scale in ("1e-18", "1e-6", "1e6", "1e18"):
        sizes = [np.median(np.abs(a)) for _, a in matching(rf"scales/\w+-{scale}-20x20")]
        assert np.all(np.abs(np.log10(np.array(sizes) / float(scale))) < 0.5)
    for _, a in matching("scales/general-graded-8-10x10"):
        assert 1e-18 < np.abs(a[-1, -1]) / np.abs(a[0, 0]) < 1e-14
