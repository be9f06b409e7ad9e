"""The panel "Try it here": its numbers against the package, and what a reader does with it."""

import json
import re
import shutil

import numpy as np
import pytest
from writing import write_chapter

from spectralgrad import book, published, subgradient, symmetric

CLOSE = 1e-10


# ---- the numbers


@pytest.fixture(scope="session")
def script(browser, tmp_path_factory):
    """A page with the scripts and nothing else, to call their functions on."""
    folder = tmp_path_factory.mktemp("script")
    shutil.copy(book.root() / "assets" / "spectral.js", folder)
    shutil.copy(book.root() / book.ML_MATRIX, folder / "ml-matrix.js")
    scripts = "".join(f'<script src="{name}.js"></script>' for name in ("ml-matrix", "spectral"))
    (folder / "page.html").write_text(f"<meta charset=utf-8>{scripts}", encoding="utf-8")
    page = browser.new_page()
    page.goto((folder / "page.html").as_uri())
    yield page
    page.close()


COMPUTE = """(cases) => cases.map(({ problem, matrix, weights, rtol, angle, mirrored, share }) => {
    const set = (problem === "eigh" ? spectral.eigvalsh : spectral.svdvals)(
        matrix, weights, rtol ?? undefined);
    const smallest = spectral.minimumNorm(set);
    const extreme = spectral.extremePoint(set, angle, mirrored);
    const forms = problem === "eigh" ? ["symmetric", "lower", "upper"] : [];
    return {
        values: set.values,
        clusters: set.clusters.map(({ start, stop }) => [start, stop]),
        rank: set.rank,
        rtol: set.rtol,
        differentiable: spectral.isDifferentiable(set),
        reason: spectral.reason(set),
        names: set.clusters.map((cluster) => spectral.name(set, cluster)),
        shapes: set.clusters.map((cluster) => spectral.shape(set, cluster)),
        smallest: smallest.to2DArray(),
        extreme: extreme.to2DArray(),
        inner: spectral.between(smallest, extreme, share).to2DArray(),
        conventions: forms.map((form) => spectral.convert(smallest, form).to2DArray()),
    };
})"""


def orthogonal(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def with_values(rng, problem, shape, values):
    u, v = orthogonal(rng, shape[0]), orthogonal(rng, shape[1])
    if problem == "eigh":
        return symmetric.hermitian_part((u * values) @ u.T)
    k = min(shape)
    return (u[:, :k] * values) @ v[:, :k].T


def random(rng, problem, shape):
    a = rng.standard_normal(shape) * 10.0 ** rng.integers(-9, 9)
    return (symmetric.hermitian_part(a) if problem == "eigh" else a), None


def whole_numbers(rng, problem, shape):
    """Ties and zeros that are exact as they are typed."""
    if rng.random() < 0.5:
        return rng.integers(-5, 6) * np.eye(*shape) + rng.integers(-3, 4), 1e-14
    r = rng.integers(1, min(shape) + 1)
    a, b = rng.integers(-3, 4, (shape[0], r)), rng.integers(-3, 4, (shape[1], r))
    return (a @ a.T if problem == "eigh" else a @ b.T).astype(float), 1e-14


def ties(rng, problem, shape):
    values = rng.choice([0.0, 1.0, 2.0, -1.0 if problem == "eigh" else 3.0], min(shape))
    return with_values(rng, problem, shape, values), 1e-13


def near_ties(rng, problem, shape):
    """Pairs that the tolerance takes as equal or zero, and pairs that it does not."""
    values = rng.uniform(1, 3, min(shape))
    values[1] = values[0] + rng.choice([1e-12, 1e-10, 1e-4, 1e-3])
    values[2:3] = rng.choice([0, 1e-10, 1e-4])
    return with_values(rng, problem, shape, values), 1e-8


def deficient(rng, problem, shape):
    values = rng.uniform(1, 3, min(shape))
    values[rng.integers(0, len(values)) :] = 0
    return with_values(rng, problem, shape, values), 1e-13


def zero(rng, problem, shape):
    return np.zeros(shape), None


def tiny_and_huge(rng, problem, shape):
    a, rtol = ties(rng, problem, shape)
    return a * 10.0 ** rng.choice([-150, -20, 8]), rtol


def weights(rng, k):
    free = rng.standard_normal(k).round(1)
    return [np.ones(k), np.eye(k)[rng.integers(k)], free, np.abs(free)][rng.integers(4)]


def cases(make, problem, number=40):
    rng = np.random.default_rng(len(make.__name__))
    for _ in range(number):
        m, n = rng.integers(2, 6, 2)
        shape = (m, m) if problem == "eigh" else (m, n)
        matrix, rtol = make(rng, problem, shape)
        yield {
            "problem": problem,
            "matrix": matrix.tolist(),
            "weights": weights(rng, min(shape)).tolist(),
            "rtol": rtol,
            "angle": rng.uniform(0, 2 * np.pi),
            "mirrored": bool(rng.random() < 0.5),
            "share": rng.uniform(0, 1),
        }


def expected(case):
    make = subgradient.eigvalsh if case["problem"] == "eigh" else subgradient.svdvals
    return make(np.array(case["matrix"]), case["weights"], rtol=case["rtol"])


KINDS = (random, whole_numbers, ties, near_ties, deficient, zero, tiny_and_huge)


@pytest.mark.parametrize("problem", ["eigh", "svd"])
@pytest.mark.parametrize("make", KINDS)
def test_the_numbers_are_those_of_the_package(script, make, problem):
    given = list(cases(make, problem))
    differentiable = set()
    for case, found in zip(given, script.evaluate(COMPUTE, given), strict=True):
        valid = expected(case)
        differentiable.add(valid.differentiable)
        scale = np.abs(valid.values).max()
        assert np.abs(found["values"] - valid.values).max() <= CLOSE * scale, case
        assert found["clusters"] == [[c.start, c.stop] for c in valid.clusters], case
        assert found["rank"] == valid.rank
        assert found["rtol"] == valid.rtol
        assert found["differentiable"] == valid.differentiable
        assert found["reason"] == valid.reason
        assert found["names"] == [valid.name(c) for c in valid.clusters]
        close = CLOSE * np.abs(case["weights"]).max()
        assert np.abs(found["smallest"] - valid.minimum_norm).max() <= close, case
        for convention, written in zip(symmetric.CONVENTIONS, found["conventions"], strict=False):
            right = symmetric.convert(valid.minimum_norm, convention)
            assert np.abs(written - right).max() <= 2 * close
        extreme = valid.contains(found["extreme"], tolerance=close)
        assert extreme.inside, (case, extreme)
        assert extreme.extreme, (case, extreme)
        assert valid.contains(found["inner"], tolerance=close).inside
    if make is not random:
        assert False in differentiable


def test_a_gap_that_no_method_resolves_costs_no_more_than_the_package_allows(script):
    rng = np.random.default_rng(0)
    given = list(cases(random, "eigh", 20))
    for case in given:
        n = len(case["matrix"])
        values = np.append([1, 1 + 10.0 ** rng.uniform(-13, -7)], rng.uniform(2, 3, n - 2))
        case["matrix"] = with_values(rng, "eigh", (n, n), values).tolist()
    for case, found in zip(given, script.evaluate(COMPUTE, given), strict=True):
        valid = expected(case)
        assert np.linalg.norm(found["smallest"] - valid.minimum_norm) <= valid.tolerance


def test_turning_by_half_the_angle_goes_round_the_whole_set(script):
    """Of a cluster of two, every extreme point comes up, and between 0 and 2π only once."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    case = {"problem": "eigh", "matrix": np.eye(2).tolist(), "weights": [1, 0], "share": 1}
    given = [case | {"angle": angle, "mirrored": False} for angle in angles]
    points = np.array([found["extreme"] for found in script.evaluate(COMPUTE, given)])
    disc = np.stack([points[:, 0, 0] - 0.5, points[:, 0, 1]], axis=1)
    assert np.linalg.norm(disc, axis=1) == pytest.approx(0.5)
    turned = np.unwrap(np.arctan2(disc[:, 1], disc[:, 0]))
    assert np.abs(np.diff(turned)) == pytest.approx(np.pi / 4)


CONDITION = """(cases) => cases.map(([problem, matrix, weights]) => {
    const set = (problem === "eigh" ? spectral.eigvalsh : spectral.svdvals)(matrix, weights);
    return set.clusters.map((cluster) => spectral.condition(set, cluster));
})"""


@pytest.mark.parametrize(
    ("problem", "matrix", "weights", "conditions"),
    [
        ("eigh", np.diag([1, 1, 4]), [1, 0, 2], ["eigenvalues lie between 0 and 1 and add up to 1", "2"]),
        ("eigh", np.eye(3), [2, 2, 2], ["2 times the identity"]),
        ("eigh", np.eye(3), [3, 1, -1], ["eigenvalues lie between −1 and 3 and add up to 3"]),
        (
            *("eigh", np.eye(4), [4, 0.1, 0.2, 0]),
            ["add up to 4.3, the largest to at most 4, the 2 largest to at most 4.2, the 3 largest"],
        ),
        ("svd", [[1, 2], [2, 4]], [1, -2], ["1", "any number from −2 to 2"]),
        ("svd", [[1, 2], [2, 4]], [1, 0], ["1", "0"]),
        ("svd", np.zeros((2, 3)), [1, 1], ["any 2 × 3 matrix whose singular values are at most 1"]),
        ("svd", np.zeros((2, 3)), [1, 0], ["singular values add up to at most 1"]),
        ("svd", np.zeros((2, 2)), [1, -3], ["add up to at most 4, the largest to at most 3"]),
        ("svd", np.eye(3, 2), [1, 0], ["any symmetric 2 × 2 matrix whose eigenvalues lie between"]),
    ],
)  # fmt: skip
def test_the_set_in_words(script, problem, matrix, weights, conditions):
    (found,) = script.evaluate(CONDITION, [[problem, np.asarray(matrix).tolist(), weights]])
    assert len(found) == len(conditions)
    assert all(part in text for part, text in zip(conditions, found, strict=True)), found


def test_the_bounds_that_are_shown_for_few_weights_say_all_that_majorisation_says():
    """At most one weight lies strictly between the smallest and the largest."""
    rng = np.random.default_rng(0)
    for _ in range(2000):
        k = rng.integers(2, 6)
        top, bottom = rng.integers(1, 4), rng.integers(-3, 1)
        w = rng.choice([top, bottom], k).astype(float)
        w[0], w[-1], w[k // 2] = top, bottom, rng.uniform(bottom, top)
        x = rng.uniform(bottom, top, k)
        x += (w.sum() - x.sum()) / k
        partial = [np.cumsum(np.sort(v)[::-1]) for v in (x, w)]
        within = x.min() >= bottom and x.max() <= top
        assert within == bool(np.all(partial[0] <= partial[1] + 1e-12))
