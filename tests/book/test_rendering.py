import pytest

from spectralgrad.book import rendering

MENDED = {
    '<span class="n">x</span><span class="o">=</span><span class="p">(</span>': (
        'x<span class="o">=</span>('
    ),
    '<summary aria-label="Toggle hidden content">\n<p>Show</p>': "<summary>\n<p>Show</p>",
    '<button class="btn search-button-field x" title="Search" aria-label="Search" y>': (
        '<button class="btn search-button-field x" title="Search" y>'
    ),
    '<button aria-label="Color mode" data-bs-title="Color mode">': (
        '<button aria-label="Color mode: Light, Dark or System Settings" '
        'data-bs-title="Color mode">'
    ),
    '<header id="pst-header" class="x">\n</header>': '<div id="pst-header" class="x">\n</div>',
    '<div class="sidebar-primary-item">\n<a class="navbar-brand logo"><p>A</p>\n</a></div>': (
        '<header class="sidebar-primary-item">\n<a class="navbar-brand logo"><p>A</p>\n</a>'
        "</header>"
    ),
    '<div role="doc-biblioentry">': '<div role="listitem">',
    '<th></th><th class="head"><p></p></th><th>a</th>': (
        '<td></td><td class="head"></td><th>a</th>'
    ),
    '<div class="proof admonition" id="proof">': '<div class="proof admonition">',
    '<section class="lemma-content" id="proof-content">': '<section class="lemma-content">',
}


@pytest.mark.parametrize("text", MENDED)
def test_pages_are_mended(text, tmp_path):
    page = tmp_path / "chapters" / "page.html"
    page.parent.mkdir()
    page.write_text(text, encoding="utf-8")
    rendering.mend(tmp_path)
    assert page.read_text(encoding="utf-8") == MENDED[text]


def test_other_buttons_and_sections_stay_as_they_are(tmp_path):
    text = (
        '<button aria-label="Search"></button><div class="sidebar-primary-item"><nav></nav></div>'
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    rendering.mend(tmp_path)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text


def test_a_page_that_leads_to_another_has_a_language_a_title_and_a_link(tmp_path):
    (tmp_path / "intro.html").write_text("<title>\nA &amp; B</title>", encoding="utf-8")
    index = tmp_path / "index.html"
    index.write_text('<meta http-equiv="Refresh" content="0; url=intro.html" />\n', "utf-8")
    rendering.mend(tmp_path)
    text = index.read_text(encoding="utf-8")
    assert '<html lang="en">' in text
    assert "<title>A &amp; B</title>" in text
    assert '<a href="intro.html">A &amp; B</a>' in text
    assert 'content="0; url=intro.html"' in text


def test_files_that_no_browser_asks_for_are_left_out(tmp_path):
    for name in ("a.js", "a.js.map", "a.woff2", "a.ttf"):
        (tmp_path / name).touch()
    rendering.mend(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.js", "a.woff2"]


def test_icons_that_no_page_shows_are_left_out(tmp_path):
    script = tmp_path / "_static" / "scripts" / "fontawesome.js"
    script.parent.mkdir(parents=True)
    (tmp_path / "_static" / "theme.js").write_text('icon("fa-sun")', encoding="utf-8")
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-adjust"></i>', encoding="utf-8")
    icons = {
        "circle-half-stroke": '"circle-half-stroke":[512,512,[9680,"adjust"],"f042","M448 2z"],',
        "unused": 'unused:[640,512,[],"f1aa",["M1 2z","M3 4z"]],',
        "sun": 'sun:[512,512,[9728],"f185","M361.5 1.2z"]',
    }
    script.write_text(f"s={{{''.join(icons.values())}}}", encoding="utf-8")
    rendering.mend(tmp_path)
    del icons["unused"]
    assert script.read_text(encoding="utf-8") == f"s={{{''.join(icons.values())}}}"


def test_pages_are_not_the_themes_own_files(tmp_path):
    for name in ("_static/x.html", "b.html", "chapters/a.html", "chapters/a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert rendering.pages(tmp_path) == [tmp_path / "b.html", tmp_path / "chapters" / "a.html"]
