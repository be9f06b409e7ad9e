"""Time each page of the rendered book, opened from disk in Chromium.

Usage: .venv/bin/python benchmarks/pages.py [REPETITIONS]

Medians, in milliseconds after the page was asked for: the first paint, from which on a page is
read; the moment at which it is parsed; and that at which every formula is typeset. The text does
not wait for the formulas.
"""

import statistics
import sys

from playwright.sync_api import sync_playwright

from spectralgrad.book import building, pdf, rendering

_TIMES = """async () => {
  await window.MathJax?.startup?.promise;
  const now = performance.now();
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return {paint: paint?.startTime ?? NaN, parsed: page.domInteractive, formulas: now};
}"""


def times(browser, path):
    """Open a page with an empty cache and take its times."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    taken = page.evaluate(_TIMES)
    context.close()
    return taken


def main(repetitions=5):
    """Print the medians of each page, and its size."""
    html = building.build().parent
    print(f"{'page':<32}{'kB':>6}{'paint':>8}{'parsed':>8}{'formulas':>10}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=pdf.chromium())
        for path in rendering.pages(html):
            # It leads to another page at once.
            if path.name == "index.html":
                continue
            runs = [times(browser, path) for _ in range(int(repetitions))]
            paint, parsed, formulas = (
                statistics.median(run[name] for run in runs)
                for name in ("paint", "parsed", "formulas")
            )
            name, size = path.relative_to(html).as_posix(), path.stat().st_size / 1000
            print(f"{name:<32}{size:>6.0f}{paint:>8.0f}{parsed:>8.0f}{formulas:>10.0f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
