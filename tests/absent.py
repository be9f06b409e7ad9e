"""A plugin of pytest: what needs a framework that is not installed is skipped, and the run says so.

One that is installed and cannot be imported is not absent, and neither is another package: what
needs those fails.
"""

import importlib.util
from collections import Counter

import pytest

from spectralgrad.frameworks import NAMES, TITLES

ABSENT = [name for name in NAMES if importlib.util.find_spec(name) is None]
REASONS = {name: f"{TITLES[name]} is not installed" for name in ABSENT}


def reason(error):
    """Why a test is skipped that ended with an error, if one of the absent is behind it."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            name = str(error.name).partition(".")[0]
            if name in REASONS:
                return REASONS[name]
        error = error.__cause__ or error.__context__
    return None


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*names): frameworks that this compares, or asks for")


def pytest_collection_modifyitems(items):
    """Skip what asks for one of the absent, and a case that has one in its name."""
    for item in items:
        asked = [name for mark in item.iter_markers("needs") for name in mark.args or NAMES]
        cases = item.nodeid.partition("[")[2].rstrip("]").split("-")
        for name in (name for name in (*asked, *cases) if name in REASONS):
            item.add_marker(pytest.mark.skip(REASONS[name]))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a file that imports one."""
    report = yield
    return _skipped(report, report.call.excinfo, (str(collector.path), 1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip a test that met one as it ran."""
    path, line, _ = item.reportinfo()
    return _skipped((yield), call.excinfo, (str(path), (line or 0) + 1))


def _skipped(report, raised, place):
    if report.failed and raised and (why := reason(raised.value)):
        report.outcome = "skipped"
        report.longrepr = (*place, f"Skipped: {why}")
    return report


def pytest_terminal_summary(terminalreporter):
    """Say in one line for each how much that was."""
    counted = Counter()
    for report in terminalreporter.getreports("skipped"):
        # However many tests are in it, a file that is not read is one.
        what = "file" if isinstance(report, pytest.CollectReport) else "test"
        counted[report.longrepr[2].removeprefix("Skipped: "), what] += 1
    for why in REASONS.values():
        numbers = [(counted[why, what], what) for what in ("test", "file") if counted[why, what]]
        said = " and ".join(f"{n} {what}{'s' * (n > 1)}" for n, what in numbers)
        terminalreporter.write_line(f"{why}: {said or 'no test'} skipped")
