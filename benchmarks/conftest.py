"""A table of ratios, from times that were read in turns."""

import os
import statistics

import numpy as np
import pytest
from formulas import formula

from spectralgrad.book import prose

TIMES = pytest.StashKey[dict]()


def pytest_configure(config):
    """Keep the times of this run."""
    config.stash[TIMES] = {}


@pytest.fixture(scope="session")
def times(pytestconfig):
    """Seconds, by problem, size and way: one for each turn."""
    return pytestconfig.stash[TIMES]


def pytest_terminal_summary(terminalreporter, config):
    """Print the medians with their quartiles, and the ratios within this run."""
    times = config.stash[TIMES]
    if not times:
        return
    head = ["", "median (quartiles), ms", "to the floor", "to the fastest framework"]
    problems, titles, eager = (formula("performance", n) for n in ("problems", "titles", "eager"))
    titles |= eager
    rows = []
    for (problem, n), by_way in sorted(times.items(), key=lambda item: item[0][1]):
        medians = {way: statistics.median(found) for way, found in by_way.items()}
        rivals = [t for way, t in medians.items() if way not in ("floor", "package")]
        for way, found in by_way.items():
            low, middle, high = 1e3 * np.quantile(found, (0.25, 0.5, 0.75))
            title = titles.get(way, way)
            ratios = [
                f"{medians[way] / reference:.2f}" if reference else "–"
                for reference in (medians.get("floor"), min(rivals, default=None))
            ]
            spread = f"{middle:.3g} ({low:.3g}–{high:.3g})"
            what = problems.get(problem, problem)
            rows.append([f"{what}, n = {n}: {title}", spread, *ratios])
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    terminalreporter.section("costs")
    terminalreporter.write_line(
        f"load {load}; {os.environ.get('OMP_NUM_THREADS', 'default')} threads"
    )
    terminalreporter.write_line(prose.table(head, rows))
