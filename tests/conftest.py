"""Settings and fixtures for all test files."""

import functools
import itertools

import executing
import numpy as np
import pytest
from coverage import Coverage
from hypothesis import HealthCheck, Phase, settings

# The first example pays for imports, and shared machines are slow at times.
settings.register_profile(
    "spectralgrad",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# While working: the properties are tried, and `make test` tries them in ten times as many examples.
settings.register_profile("quick", settings.get_profile("spectralgrad"), max_examples=10)
# A thousand times over, the same few examples must do, and nobody reads the smallest that fails.
settings.register_profile(
    "mutation",
    settings.get_profile("spectralgrad"),
    derandomize=True,
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("spectralgrad")

# What one test of such a file builds serves the others, and those of the files named with it.
ONE_WORKER = {
    "test_build.py": "small books",
    "test_pages.py": "the book",
    "test_reproducible.py": "a second book",
    "test_scholarship.py": "the book",
    "test_survey_pages.py": "the pages of a survey",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep files on one worker: xdist 3.8 overlooks its own marks in pytest 9.2 (xdist #1386)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByTest(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0].rpartition("/")[2]
            return ONE_WORKER.get(file, nodeid)

    return ByTest(config, log)


# Tracing makes most properties half as slow again, and the first examples reach what others do.
TRACED = 10


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Measure the coverage of a property in its first examples only."""
    coverage = Coverage.current()
    property_ = getattr(getattr(item, "obj", None), "hypothesis", None)
    if coverage is None or property_ is None:
        return (yield)
    test, number = property_.inner_test, itertools.count()
    stopped = False

    @functools.wraps(test)
    def example(*arguments, **named):
        nonlocal stopped
        if next(number) == TRACED:
            coverage.stop()
            stopped = True
        return test(*arguments, **named)

    property_.inner_test = example
    try:
        return (yield)
    finally:
        property_.inner_test = test
        if stopped:
            coverage.start()


@pytest.fixture
def rng():
    return np.random.default_rng(20201107)


@pytest.fixture(scope="session", autouse=True)
def _no_kernel_left():
    yield
    executing.KERNEL.close()
