"""The panel "Try it here": its numbers against the package, and what a reader does with it."""

import itertools
import json
import re
import shutil

import numpy as np
import pytest
from writing import write_chapter

from spectralgrad.book import building, reporting
from spectralgrad.matrices import published
from spectralgrad.theory import subgradient, symmetric
from spectralgrad.verdict import reasons

CLOSE = 1e-10


# ---- the numbers


@pytest.fixture(scope="session")
def script(browser, tmp_path_factory):
    """A page with the scripts and nothing else, to call their functions on."""
    folder = tmp_path_factory.mktemp("script")
    shutil.copy(building.root() / "assets" / "spectral.js", folder)
    building.place_scripts(folder, "ml-matrix")
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
    """Ties and zeros that are exact as they are typed: to the tolerance that both have."""
    if rng.random() < 0.5:
        return rng.integers(-5, 6) * np.eye(*shape) + rng.integers(-3, 4), None
    r = rng.integers(1, min(shape) + 1)
    a, b = rng.integers(-3, 4, (shape[0], r)), rng.integers(-3, 4, (shape[1], r))
    return (a @ a.T if problem == "eigh" else a @ b.T).astype(float), None


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
        if problem == "svd":
            assert np.array_equal(np.equal(found["values"], 0), valid.values == 0)
        assert found["clusters"] == [[c.start, c.stop] for c in valid.clusters], case
        assert found["rank"] == valid.rank
        assert found["rtol"] == valid.rtol
        assert found["differentiable"] == valid.differentiable
        assert found["reason"] == reasons.reason(valid)
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


@pytest.mark.parametrize(
    ("problem", "matrix", "places"),
    [
        ("eigh", [[1, 0], [0, 1]], ([0, 0], [0, 1])),
        ("svd", [[1, 0, 0], [0, 0, 0]], ([1, 1], [1, 2])),
        ("svd", [[1, 0], [0, 0], [0, 0]], ([1, 2], [1, 1])),
    ],
)
def test_a_full_turn_goes_once_round_a_disc(script, problem, matrix, places):
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    weights, radius, centre = ([1, 0], 0.5, 0.5) if problem == "eigh" else ([1, 1], 1, 0)
    case = {"problem": problem, "matrix": matrix, "weights": weights, "share": 1}
    given = [case | {"angle": angle, "mirrored": False} for angle in angles]
    points = np.array([found["extreme"] for found in script.evaluate(COMPUTE, given)])
    points = points[:, *places] - [centre, 0]
    assert np.linalg.norm(points, axis=1) == pytest.approx(radius)
    turned = np.unwrap(np.arctan2(*points.T))
    assert np.abs(np.diff(turned)) == pytest.approx(np.pi / 4)
    assert abs(turned[-1] - turned[0]) == pytest.approx(7 * np.pi / 4)


CONDITION = """(cases) => cases.map(([problem, matrix, weights]) => {
    const set = (problem === "eigh" ? spectral.eigvalsh : spectral.svdvals)(matrix, weights);
    return set.clusters.map((cluster) => spectral.condition(set, cluster));
})"""


@pytest.mark.parametrize(
    ("problem", "matrix", "weights", "conditions"),
    [
        ("eigh", np.diag([1, 1, 4]), [1, 0, 2], ["lie between 0 and 1 and add up to 1", "2"]),
        ("eigh", np.eye(3), [2, 2, 2], ["2 times the identity"]),
        ("eigh", np.eye(3), [3, 1, -1], ["eigenvalues lie between −1 and 3 and add up to 3"]),
        (
            *("eigh", np.eye(4), [4, 0.1, 0.2, 0]),
            ["up to 4.3, the largest to at most 4, the 2 largest to at most 4.2, the 3 largest to"],
        ),
        ("svd", [[1, 2], [2, 4]], [1, -2], ["1", "any number from −2 to 2"]),
        ("svd", [[1, 2], [2, 4]], [1, 0], ["1", "0"]),
        ("svd", np.zeros((2, 3)), [1, 1], ["any 2 × 3 matrix whose singular values are at most 1"]),
        ("svd", np.zeros((2, 3)), [1, 0], ["singular values add up to at most 1"]),
        ("svd", np.zeros((2, 2)), [1, -3], ["add up to at most 4, the largest to at most 3"]),
        ("svd", np.eye(3, 2), [1, 0], ["any symmetric 2 × 2 matrix whose eigenvalues lie between"]),
    ],
)
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


# ---- the panel


def panel_cell(chapter):
    cells = json.loads(building.chapters()[chapter].read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if "sg-try" in "".join(cell["source"]))
    return cell


@pytest.fixture(scope="session")
def report(write_book, tmp_path_factory):
    """A report whose chapter holds both panels."""
    cells = [panel_cell(chapter) for chapter in ("eigh_example", "svd_example")]
    folder = tmp_path_factory.mktemp("try")
    root = folder / "repository"
    write_book(root)
    write_chapter(root, "one", "print(A.sum())")
    path = root / "chapters" / "one.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] += cells
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "root", lambda: root)
        return reporting.report("[[1, 2]]", chapter="one", output=folder / "page")


@pytest.mark.parametrize(
    ("given", "started"),
    [
        ("[[2, 1], [1, 3]]", {"eigh", "svd"}),
        ("[[2, 1, 0], [1, 3, 0.5]]", {"svd"}),
        ("[[2, 1], [7, 3]]", {"svd"}),
        ("[[1, 2]]", set()),
        ("[[2e9, 1], [1, 3]]", set()),
        ('[["1j", 0], [0, 1]]', set()),
    ],
)
def test_a_panel_begins_with_a_matrix_that_fits(given, started, tmp_path):
    cells = [panel_cell(chapter) for chapter in ("eigh_example", "svd_example")]
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    reporting._start_panel(path, given)
    text = "".join("".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"])
    found = dict(re.findall(r"data-problem=\"(\w+)\" data-matrix='([^']*)'", text))
    assert set(found) == started
    for numbers in found.values():
        assert json.loads(numbers) == json.loads(given)


class Reader:
    """A browser with the report open, and what went wrong in it."""

    def __init__(self, browser, report, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        # The chapter has no formulas, and MathJax is what takes time.
        self.page.route("**/tex-svg-full.js", lambda route: route.fulfill(body=""))
        self.page.goto(report.as_uri())

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _request(self, request):
        if not request.url.startswith(("file:", "data:")):
            self.problems.append(request.url)

    def panel(self, problem):
        return Panel(self.page.locator(f'.sg-try[data-problem="{problem}"]'))


class Panel:
    """One panel, as a reader sees it."""

    def __init__(self, root):
        self.root = root

    def press(self, preset):
        self.root.get_by_role("button", name=preset, exact=True).click()

    def cell(self, i, j):
        return self.root.get_by_role("spinbutton", name=f"Row {i}, column {j}", exact=True)

    def type(self, cell, text):
        cell.focus()
        cell.press("Control+a")
        cell.press("Delete")
        cell.press_sequentially(text)

    @property
    def matrix(self):
        values = self.root.locator(".grid input").evaluate_all("all => all.map((x) => x.value)")
        rows = len({name.split(",")[0] for name in self.names(".grid input")})
        return np.array(values, dtype=float).reshape(rows, -1)

    def names(self, selector):
        return self.root.locator(selector).evaluate_all("all => all.map((x) => x.ariaLabel)")

    def table(self, caption):
        """Numbers of a table, as far as they are printed; in Python's own minus signs."""
        rows = self.root.locator("table", has=self.root.page.get_by_text(caption, exact=True))
        texts = [row.split() for row in rows.inner_text().replace("−", "-").splitlines()[1:]]
        return np.array(texts, dtype=float)

    @property
    def status(self):
        return self.root.locator(".status").inner_text()

    @property
    def text(self):
        return self.root.inner_text()


@pytest.fixture
def reader(browser, report):
    reader = Reader(browser, report, viewport={"width": 1280, "height": 900})
    yield reader
    reader.context.close()
    assert reader.problems == []


@pytest.fixture(params=["eigh", "svd"])
def panel(reader, request):
    return reader.panel(request.param)


def test_it_begins_with_the_published_matrix(reader):
    eigh, svd = reader.panel("eigh"), reader.panel("svd")
    assert np.array_equal(eigh.matrix, published.MATRICES["stack-overflow"])
    assert np.array_equal(svd.matrix, published.MATRICES["blog-rank-2"])
    svd.press("the post’s full-rank matrix")
    assert np.array_equal(svd.matrix, published.MATRICES["blog-full-rank"])
    printed = published.find("stack-overflow", "gradient of the smallest eigenvalue")
    for convention, framework in (("lower", "tensorflow"), ("upper", "torch")):
        assert eigh.table(convention) == pytest.approx(printed[framework].values, abs=6e-4)


def test_with_the_keyboard_alone(reader):
    panel, keyboard = reader.panel("eigh"), reader.page.keyboard
    panel.root.get_by_role("button", name="two equal").focus()
    keyboard.press("Enter")
    assert "f is not differentiable" in panel.status
    # Over three presets, the size, the function, the tolerance and the first entry.
    for _ in range(8):
        keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.ariaLabel") == "Row 1, column 2"
    keyboard.type("-2")
    assert panel.matrix.tolist() == [[2, -2, 1], [-2, 2, 1], [1, 1, 2]]
    assert "f is differentiable" in panel.status
    before = panel.table("symmetric")
    keyboard.press("ArrowUp")
    assert panel.matrix[0, 1] == panel.matrix[1, 0] == -1
    assert not np.array_equal(panel.table("symmetric"), before)
    keyboard.press("Enter")
    assert reader.page.evaluate("document.activeElement.ariaLabel") == "Row 2, column 2"
    keyboard.press("Shift+Enter")
    keyboard.press("Shift+Enter")
    assert reader.page.evaluate("document.activeElement.ariaLabel") == "Row 3, column 1"


def test_the_size(reader):
    eigh, svd = reader.panel("eigh"), reader.panel("svd")
    eigh.press("two equal")
    eigh.root.get_by_label("Rows and columns").select_option("4")
    assert eigh.matrix.tolist() == [[2, 1, 1, 0], [1, 2, 1, 0], [1, 1, 2, 0], [0, 0, 0, 0]]
    eigh.root.get_by_label("Rows and columns").select_option("2")
    assert eigh.matrix.tolist() == [[2, 1], [1, 2]]
    svd.press("rank 1")
    svd.root.get_by_label("Columns").select_option("3")
    assert svd.matrix.tolist() == [[1, 2, 0], [2, 4, 0]]
    assert svd.table("G").shape == (2, 3)
    assert "any 1 × 2 matrix whose singular values are at most 1" in svd.text
    # A function that is left there is kept.
    function = svd.root.get_by_label("Function f")
    function.select_option("σ₁ (largest, the spectral norm)")
    svd.root.get_by_label("Rows").select_option("3")
    assert function.input_value() == "0"
    function.select_option("σ₃ (smallest)")
    svd.root.get_by_label("Rows").select_option("2")
    assert function.input_value() == "sum"


def test_the_function_and_the_weights(reader):
    panel = reader.panel("svd")
    panel.press("identity")
    assert "f is differentiable" in panel.status
    assert panel.table("G").tolist() == np.eye(3).tolist()
    function = panel.root.get_by_label("Function f")
    function.select_option("σ₁ (largest, the spectral norm)")
    assert "σ₁ to σ₃ are equal, and f treats them differently" in panel.status
    panel.type(panel.root.get_by_label("Weight of σ₂"), "1")
    panel.type(panel.root.get_by_label("Weight of σ₃"), "1")
    assert "f is differentiable" in panel.status
    assert function.input_value() == "own"


def test_the_tolerance(reader):
    panel = reader.panel("eigh")
    panel.press("nearly equal")
    assert "f is differentiable" in panel.status
    assert "2.83e−6" in panel.text
    panel.root.get_by_label("Equal to within").select_option("10⁻³")
    assert "to a relative tolerance of 1.0e-03, λ₁ and λ₂ are equal" in panel.status
    assert panel.table("symmetric").tolist() == (np.eye(2) / 2).tolist()


@pytest.mark.parametrize(
    ("problem", "preset", "caption"),
    [
        ("eigh", "two equal", "The valid answers are this disc."),
        ("eigh", "identity", "The set has more dimensions than the disc"),
        ("svd", "the post’s rank-2 matrix", "The set has more dimensions than the disc"),
        ("svd", "rank 1", "The valid answers lie on this line."),
    ],
)
def test_a_walk_through_the_valid_answers(reader, problem, preset, caption):
    panel = reader.panel(problem)
    panel.press(preset)
    assert caption in panel.text
    make = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    k = min(panel.matrix.shape)
    valid = make(panel.matrix, np.eye(k)[0] if problem == "eigh" else np.ones(k))
    smallest = panel.table("symmetric" if problem == "eigh" else "G")
    answers = [panel.table("a valid answer")]
    turn, share = panel.root.get_by_label("Turn"), panel.root.get_by_label("From the smallest")
    mirror = panel.root.get_by_label("Mirror")
    assert turn.is_visible() == (preset != "rank 1")
    assert mirror.is_visible() == (problem == "svd")
    if turn.is_visible():
        turn.focus()
        for _ in range(5):
            turn.press("PageUp")
        answers.append(panel.table("a valid answer"))
    if mirror.is_visible():
        mirror.press("Space")
        answers.append(panel.table("a valid answer"))
    for answer in answers:
        membership = valid.contains(answer, tolerance=1e-2)
        assert membership.inside
        assert membership.extreme
    assert all(np.abs(b - a).max() > 0.1 for a, b in itertools.pairwise(answers))
    share.press("Home")
    assert panel.table("a valid answer") == pytest.approx(smallest, abs=1e-3)
    assert panel.table("symmetric" if problem == "eigh" else "G").tolist() == smallest.tolist()


def test_a_bad_entry_is_marked_and_the_last_results_stay(panel):
    cell, results = panel.cell(1, 2), panel.root.locator(".result")
    panel.type(cell, "1")
    before = results.all_inner_texts()
    for text in ("", "1e", "1e10"):
        panel.type(cell, text)
        assert panel.status.startswith("Row 1, column 2: give a number of at most 10⁹ in size.")
        assert cell.get_attribute("aria-invalid") == "true"
        assert panel.root.locator(".panel.stale").count() == 1
        assert results.all_inner_texts() == before or text == "1e10"
    # What a screen reader reads out with the entry is the message.
    described = "(x) => document.getElementById(x.getAttribute('aria-describedby')).textContent"
    assert cell.evaluate(described) == panel.status
    panel.type(cell, "3")
    assert panel.status.startswith("f(A) = ")
    assert panel.root.locator(".panel.stale, [aria-invalid=true]").count() == 0


PASTE = """(cell, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", text);
    const options = { clipboardData, bubbles: true, cancelable: true };
    cell.dispatchEvent(new ClipboardEvent("paste", options));
}"""


PASTED = (
    "1,-2e-3\n-2e-3,4\n",
    "[[1, -0.002], [-0.002, 4]]",
    "[[ 1.    -0.002]\n [-.002  4.   ]]",
    "1\t−0.002\r\n−0.002\t4",
)


def test_a_matrix_is_pasted(panel):
    for text in PASTED:
        panel.press("identity")
        panel.cell(2, 1).evaluate(PASTE, text)
        assert panel.matrix.tolist() == [[1, -0.002], [-0.002, 4]]
        assert panel.status.startswith("f(A) = ")


def test_what_cannot_be_pasted_is_refused(reader):
    for problem, text, message in (
        ("eigh", "1 2\n3 4", "not a symmetric matrix"),
        ("svd", "1 2 3 4 5 6", "not a matrix: give 2 to 5 rows and columns"),
        ("svd", "1 nan 2\n3 4 nan", "not a matrix: give 2 to 5 rows and columns"),
        ("svd", "1 2j\n3 4", "not a matrix: give 2 to 5 rows and columns"),
        ("svd", "1 2\n3", "not a matrix: give 2 to 5 rows and columns"),
    ):
        panel = reader.panel(problem)
        before = panel.matrix.tolist()
        panel.cell(1, 1).evaluate(PASTE, text)
        assert message in panel.status
        assert panel.matrix.tolist() == before


CHOOSE_ALL = """(root) => [...root.querySelectorAll(".presets button")].flatMap((preset) => {
    preset.click();
    return [...root.querySelectorAll("select")].flatMap((select) =>
        [...select.options].map((option) => {
            select.value = option.value;
            select.dispatchEvent(new Event("change"));
            return root.innerText;
        }));
})"""


def test_no_choice_leads_to_what_is_not_a_number(panel):
    texts = panel.root.evaluate(CHOOSE_ALL)
    assert len(texts) > 50
    wrong = re.compile(r"NaN|undefined|Infinity|\[object|\bnull(?! vectors)|give a number")
    assert not [text for text in texts if wrong.search(text)]


def test_everything_has_a_name_and_messages_are_announced(panel):
    unnamed = """all => all.filter((x) =>
        !(x.ariaLabel || x.labels?.[0]?.textContent.trim() || x.textContent.trim())).length"""
    controls = panel.root.locator("button, input, select, table")
    assert controls.count() > 20
    assert controls.evaluate_all(unnamed) == 0
    # It is polite: it waits until the reader stops typing.
    assert panel.root.locator(".status").get_attribute("role") == "status"
    assert panel.root.page.locator("[id^=sg-try]").count() == 2


def test_on_a_phone_nothing_is_wider_than_the_page(browser, report):
    reader = Reader(browser, report, viewport={"width": 360, "height": 740})
    for problem in ("eigh", "svd"):
        panel = reader.panel(problem)
        for preset in panel.root.locator(".presets button").all():
            preset.click()
            panel.root.locator("label", has_text="Rows").locator("select").select_option("5")
            wide = "document.documentElement.scrollWidth - window.innerWidth"
            assert reader.page.evaluate(wide) <= 0
            box = panel.root.locator(".panel")
            assert box.evaluate("(x) => x.scrollWidth - x.clientWidth") <= 0
    reader.context.close()
    assert reader.problems == []


def test_without_javascript_or_on_paper_a_sentence_stands_there(browser, report):
    sentence = "Here the rendered book shows a panel, in a browser with JavaScript."
    reader = Reader(browser, report, java_script_enabled=False)
    assert reader.panel("svd").text == sentence
    reader.context.close()
    reader = Reader(browser, report)
    panel = reader.panel("svd").root
    assert panel.get_by_role("button").count() and not panel.get_by_text(sentence).is_visible()
    reader.page.emulate_media(media="print")
    assert panel.get_by_text(sentence).is_visible() and not panel.locator(".panel").is_visible()
    reader.context.close()


def test_the_library_is_loaded_on_pages_with_a_panel_only(browser, tmp_path):
    shutil.copytree(building.root() / "assets", tmp_path / "assets")
    script = '<script defer src="assets/try.js"></script>'
    (tmp_path / "page.html").write_text(script, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("script").count() == 1
    page.close()


def test_without_the_library_there_is_one_clear_line(small_book, tmp_path):
    real = (small_book / "node_modules").resolve()
    (small_book / "node_modules").unlink()
    (small_book / "node_modules").mkdir()
    (small_book / "node_modules" / "mathjax").symlink_to(real / "mathjax")
    with pytest.raises(
        building.CommandError, match=r"ml-matrix is missing .*; run `make book` once"
    ):
        building.lay_out(tmp_path)


def test_a_panel_takes_the_matrix_of_its_report(browser, report):
    text = report.read_text(encoding="utf-8")
    other = report.with_name("other.html")
    own = " data-matrix='[[2.0, 1.0, 0.0], [1.0, 3.0, 0.5]]'"
    other.write_text(text.replace('data-problem="svd"', f'data-problem="svd"{own}'), "utf-8")
    reader = Reader(browser, other)
    panel = reader.panel("svd")
    panel.root.locator(".grid input").first.wait_for()
    assert panel.matrix.tolist() == [[2, 1, 0], [1, 3, 0.5]]
    panel.press("identity")
    panel.press("your matrix")
    assert panel.matrix.tolist() == [[2, 1, 0], [1, 3, 0.5]]
    assert reader.panel("eigh").matrix.shape == (4, 4)
    assert reader.problems == []
    reader.context.close()
