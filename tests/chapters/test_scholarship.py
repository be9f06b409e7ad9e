"""What a scholar looks for in a book: numbers, references, sources, and what it was made with."""

import ast
import hashlib
import inspect
import itertools
import json
import re
from html import unescape
from pathlib import Path

import pytest
import yaml
from rooms import PACKAGE, ROOMS, modules

from spectralgrad.book import building, environment, rendering
from spectralgrad.recipes import catalogue

ROOT = building.root()


def text_of(markup):
    markup = re.sub(r"</(d[dt]|h\d|li|p|t[dh])>", " ", markup)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", markup)).split())


def article(page):
    """The text of a page, without what is around it."""
    return re.search(r"<article.*?</article>", page, re.S)[0]


@pytest.fixture(scope="session")
def pages(html):
    """Every rendered page, by its path without suffix."""
    paths = {str(p.relative_to(html).with_suffix("")): p for p in rendering.pages(html)}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    # Some send the reader on.
    return {name: text for name, text in texts.items() if 'http-equiv="Refresh"' not in text}


@pytest.fixture(scope="session")
def order():
    """Pages in the order of the table of contents, and which of them are numbered."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    return {c["file"]: p.get("numbered", True) for p in parts for c in p["chapters"]}


@pytest.fixture(scope="session")
def report(odd_report):
    return odd_report.read_text(encoding="utf-8")


def stamp(page):
    (found,) = re.findall(r'<p class="sg-stamp">(.*?)</p>', page, re.S)
    return text_of(found)


def recorded(html, chapter):
    path = html / "notebooks" / f"{chapter}.executed.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_page_says_what_it_was_made_with(html, pages):
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()[:12]
    for name, page in pages.items():
        facts, verb = environment.describe_build(ROOT), "Built"
        folder, _, chapter = name.rpartition("/")
        if folder == "chapters":
            executed, verb = recorded(html, chapter)["metadata"]["spectralgrad"], "Executed"
            assert executed["chapter"] == chapter
            # Of the moment, nothing.
            assert set(executed) == {"chapter", *environment.describe(ROOT)}
            facts |= executed
        assert set(facts["versions"]) == set(environment.NAMED)
        assert facts["lock"] == lock
        assert stamp(page) == f"{environment.sentence(facts, verb)} Environment"
        (link,) = re.findall(r'sg-stamp.*?href="([^"]*)"', page)
        assert link.endswith("environment.html") or name == "environment"


def test_a_report_says_it_too(report):
    assert stamp(report).startswith("Executed on 20")
    assert "PyTorch" in stamp(report)
    # It has no other page to link to.
    assert "Environment" not in stamp(report)


def test_the_environment_is_found_and_not_typed(pages):
    page = text_of(article(pages["environment"]))
    for name, version, groups in environment.direct(ROOT):
        assert f"{name} {version} {groups}" in page
    for name, value in environment.machine(ROOT).items():
        assert name == "Built" or f"{name} {value}" in page
    assert (ROOT / "environment.md").read_text(encoding="utf-8").count("==") == 0
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").split("\n", 1)[1]
    assert " ".join(lock.split()) in page
    assert re.search(r"<details[^>]*>.*requirements\.lock", pages["environment"], re.S)


def is_recipe(node):
    """Whether a definition declares a rule of `recipes`, of which each framework has a function."""
    makers = ("hermitian_function", "singular_function", "real_function")
    return any(maker in ast.unparse(d) for d in node.decorator_list for maker in makers)


def public(path):
    """Names of the public functions and classes, and of what a class offers."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
            if is_recipe(node):
                continue
            yield node.name
            members = node.body if isinstance(node, ast.ClassDef) else ()
            yield from (
                f"{node.name}.{member.name}"
                for member in members
                if isinstance(member, ast.FunctionDef)
                and member.name[0] != "_"
                and ast.get_docstring(member)
            )


@pytest.mark.parametrize("module", [module for room in ROOMS for module in modules(room)])
def test_everything_public_has_its_place(module, pages):
    page = pages[f"api/{module.split('.')[0]}"]
    assert f'id="module-spectralgrad.{module}"' in page
    path = PACKAGE / module.replace(".", "/")
    for name in public(path / "__init__.py" if path.is_dir() else path.with_suffix(".py")):
        assert f'id="spectralgrad.{module}.{name}"' in page, name


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax", "tensorflow"])
def test_recipes_are_documented_for_each_framework(framework, pages):
    module = pytest.importorskip(f"spectralgrad.recipes.{framework}")
    for made in catalogue.operations(module.xp, module.__name__):
        if made == "operation":
            continue
        name = f"spectralgrad.recipes.{framework}.{made}"
        (entry,) = re.findall(f'id="{name}">(.*?)</dl>', pages["api/recipes"], re.S)
        # In the place of a namespace and of values there is a matrix; types are not shown.
        signature = inspect.signature(getattr(module, made))
        plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        assert str(inspect.Signature(plain)) in text_of(entry)


def test_docstrings_are_rendered(pages):
    api = {name: article(page) for name, page in pages.items() if name.startswith("api/")}
    for name, page in api.items():
        # What reStructuredText did not understand is left as it was written.
        prose = re.sub(r"<(pre|code).*?</\1>", "", page, flags=re.S)
        assert not re.search(r"``|:\w+:`|system-message", prose), name
    assert "Σ wᵢ λᵢ(A)" in api["api/theory"]
    assert "|wᵢ|/σᵢ" in "".join(api.values())
    assert 'href="#spectralgrad.theory.subgradient.svdvals"' in api["api/theory"]


TERMS = """
    backward stable, cluster, condition, conjugated, convention, cotangent, Daleckii–Krein
    formula, degenerate, divided difference, extreme point, gap, gauge, generalised gradient,
    gradient, JVP, machine epsilon, minimum-norm element, near-tie, nuclear norm, null vectors,
    phase, polar factor, rank, rtol, spectral norm, spectral value, subgradient, tie, VJP,
    weighted spectral sum, zero cluster
"""


def test_the_glossary_explains_the_words(pages):
    entries = re.findall(r'<dt id="(term-[^"]*)">(.*?)</dt><dd>(.*?)</dd>', pages["glossary"], re.S)
    explained = {text_of(term).rstrip("#"): text_of(meaning) for _, term, meaning in entries}
    assert {" ".join(term.split()) for term in TERMS.split(",")} <= set(explained)
    assert all(meaning.endswith(".") for meaning in explained.values())
    assert sorted(explained, key=str.lower) == list(explained)
    anchors = {anchor for anchor, *_ in entries}
    used = {name: re.findall(r'href="[./]*glossary\.html#([^"]*)"', p) for name, p in pages.items()}
    chapters = {name for name, terms in used.items() if terms and name.startswith("chapters/")}
    assert len(chapters) > 5
    assert {term for name in chapters for term in used[name]} <= anchors


def test_a_report_has_the_words_without_links(report):
    assert "conventions are in use" in text_of(report)
    assert "{term}" not in report
    assert "glossary.html" not in report


def test_chapters_are_numbered_through_all_parts(pages, order):
    numbered = [name for name, number in order.items() if number]
    assert {f"chapters/{name}" for name in building.chapters()} == {
        name for name in numbered if name.startswith("chapters/")
    }
    for name, page in pages.items():
        if name == "search":
            continue
        (heading,) = re.findall(r"<h1.*?>(.*?)</h1>", article(page), re.S)
        number = re.match(r'<span class="section-number">(\d+)\. ', heading)
        wanted = numbered.index(name) + 1 if name in numbered else None
        assert (int(number[1]) if number else None) == wanted, name


def test_equations_figures_and_theorems_have_the_number_of_their_chapter(pages, order):
    numbered = [name for name, number in order.items() if number]
    for number, name in enumerate(numbered, 1):
        page = article(pages[name])
        equations = re.findall(r'class="eqno">\(([\d.]+)\)', page)
        captions = re.findall(r'"caption-number">([A-Z]\w+)\.? ([\d.]+) ', page)
        kinds = {kind for kind, _ in captions}
        lists = [equations] + [[n for k, n in captions if k == kind] for kind in kinds]
        for found in lists:
            assert found == [f"{number}.{i}" for i in range(1, len(found) + 1)], name
        # Each reference shows the number that its target has.
        labels = dict(re.findall(r'id="(equation-[^"]*)">\s*<span class="eqno">(\([\d.]+\))', page))
        for label, shown in re.findall(r'href="#(equation-[^"]*)">(\([^<]*)<', page):
            assert shown == labels[label]
    assert "(5.1)" in pages["chapters/theory_eigen"]
    assert "Theorem 6.1" in pages["chapters/theory_svd"]


def test_a_report_counts_from_one(report):
    assert re.findall(r'class="eqno">\(([\d.]+)\)', report)[:2] == ["1", "2"]
    assert re.search(r'"caption-number">Fig\. 1 ', report)


def test_each_page_leads_to_the_next(pages, order):
    whole = ["intro", *order]
    api = re.findall(r'href="(api/\w+)\.html"', article(pages["api"]))
    at = whole.index("api") + 1
    whole[at:at] = dict.fromkeys(api)
    for name, following in itertools.pairwise(whole):
        (link,) = re.findall(r'class="right-next"\s+href="([^"]*)"', pages[name])
        assert Path(name).parent.joinpath(link).name == f"{Path(following).name}.html"
        (link,) = re.findall(r'class="left-prev"\s+href="([^"]*)"', pages[following])
        assert Path(link).name == f"{Path(name).name}.html"


def downloads(page):
    """What the download menu offers: texts and links."""
    menu = re.search(r"dropdown-download-buttons.*?<ul.*?</ul>", page, re.S)[0]
    texts = [text_of(t) for t in re.findall(r'btn__text-container">(.*?)<', menu)]
    return texts, re.findall(r'<a href="([^"]*)"', menu)


@pytest.mark.parametrize("chapter", sorted(building.chapters()))
def test_both_notebooks_can_be_downloaded(chapter, html, pages):
    texts, links = downloads(pages[f"chapters/{chapter}"])
    assert texts == ["Executed notebook", "Source notebook", ".pdf"]
    executed, source = ((html / "chapters" / link).resolve() for link in links)
    assert (executed.name, source.name) == (f"{chapter}.executed.ipynb", f"{chapter}.ipynb")
    assert source.read_bytes() == building.chapters()[chapter].read_bytes()
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    assert any(cell.get("outputs") for cell in cells)
    # Nothing is there twice.
    assert not (html / "_sources" / "chapters" / f"{chapter}.ipynb").exists()


def test_so_can_those_of_a_report(odd_report, report):
    texts, links = downloads(report)
    assert texts[:2] == ["Executed notebook", "Source notebook"]
    assert all((odd_report.parent / link).is_file() for link in links)
    assert "onerror" in (odd_report.parent / links[0]).read_text(encoding="utf-8")


def test_the_front_page(pages, order):
    page = article(pages["intro"])
    described = re.search(r"!\[([^]]*)\]\(assets/gradients.svg\)", readme())[1]
    (picture,) = re.findall(r'<img alt="([^"]*)"[^>]*src="_images/gradients.svg"', page)
    assert unescape(picture) == described
    assert 'href="bibliography.html#' in page
    sections = re.split(r"<h2>", page)
    see, compute = sections[1:3]
    # Of either table each row leads somewhere.
    for section, least in ((see, 6), (compute, 8)):
        rows = section.split("<tr")[2:]
        assert len(rows) >= least
        assert all("href=" in row for row in rows)
    (summary,) = (s for s in sections if "In three sentences." in s)
    answer = text_of(summary.split("In three sentences.")[1].split("</p>")[0])
    assert len(re.findall(r"\.(?= [A-Z]|$)", answer)) == 3
    (questions,) = (s for s in sections if s.startswith("Sixteen questions"))
    assert questions.count("<li>") == 16
    assert all("#sec-" in item for item in questions.split("<li>")[1:])
    assert re.findall(r'<dt>\s*<a[^>]*href="([^"#]*)\.html', page) == list(order)


def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_how_to_cite_stands_where_citations_are_looked_for(pages):
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    section = pages["bibliography"].split('id="how-to-cite-this-book"')[1]
    text = text_of(section.split("Works cited")[0])
    assert f"The spectralgrad authors. {cff['title']} Version {cff['version']}, 20" in text
    assert "@software{spectralgrad, author = {{The spectralgrad authors}}" in text


def test_set_up_is_folded_and_the_lesson_is_shown(html, pages):
    for name in building.chapters():
        shown = folds = 0
        silent = False
        for cell in recorded(html, name)["cells"]:
            tags = set(cell["metadata"].get("tags", ()))
            is_code = cell["cell_type"] == "code" and "remove-cell" not in tags
            is_hidden = is_code and "hide-input" in tags
            joins = is_hidden and "hide-output" not in tags
            shown += is_code and not is_hidden
            # One that shows nothing is folded into the hidden one behind it.
            folds += is_hidden and not (silent and joins)
            silent = joins and not cell.get("outputs")
        page = article(pages[f"chapters/{name}"])
        assert page.count('<details class="admonition hide above-input">') == folds, name
        assert len(re.findall(r'class="cell_input [^"]*docutils', page)) == shown + folds, name
