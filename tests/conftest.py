"""Settings and fixtures for all test files."""

import contextlib
import functools
import itertools
import os
import sys
from collections import Counter

import absent
import executing
import mpmath
import numpy as np
import pytest
import tracing
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

# What JAX has compiled once it need not compile again, in any process.
COMPILED = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def pytest_configure(config):
    config.pluginmanager.register(absent)
    # With `-p no:cacheprovider` there is none.
    if cache := getattr(config, "cache", None):
        os.environ.update({"JAX_COMPILATION_CACHE_DIR": str(cache.mkdir("jax")), **COMPILED})


# What one test of such a file or class builds serves the others, and those named with it.
ONE_WORKER = {
    "test_build.py": "small books",
    "test_derivatives.py::TestGeneral": "truth of singular values",
    "test_derivatives.py::TestHermitian": "truth of eigenvalues",
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
            path, first, *_ = nodeid.split("::")
            file = path.rpartition("/")[2]
            return ONE_WORKER.get(file) or ONE_WORKER.get(f"{file}::{first}", nodeid)

    return ByTest(config, log)


# To measure coverage more than doubles the time. The first examples of a property, and the first
# cases of a test, or of a test with each framework, reach the lines that the others do.
TRACED_EXAMPLES, TRACED_CASES, WITH_EACH = 5, 10, 5
_FRAMEWORKS = {"autograd", "torch", "tensorflow", "jax"}
_cases = Counter()
# What has the processes that this one starts measure it, too.
_ELSEWHERE = "COVERAGE_PROCESS_CONFIG"

sys.meta_path.insert(0, tracing.Importer)
# Where mpmath spends its time.
for _name in ("eigsy", "eighe", "svd", "expm"):
    setattr(mpmath.MPContext, _name, tracing.untraced(getattr(mpmath.MPContext, _name)))


def _kind(item):
    """A test and its framework, if it has one."""
    test, _, case = item.nodeid.partition("[")
    return test, *(part for part in case.rstrip("]").split("-") if part in _FRAMEWORKS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Measure the coverage of a test in its first cases and examples only."""
    tracer = sys.gettrace()
    kind = _kind(item)
    _cases[kind] += 1
    if _cases[kind] > (WITH_EACH if len(kind) > 1 else TRACED_CASES):
        sys.settrace(None)
    try:
        with _first_examples(getattr(getattr(item, "obj", None), "hypothesis", None)):
            return (yield)
    finally:
        sys.settrace(tracer)


@contextlib.contextmanager
def _first_examples(property_):
    """Switch the tracer off after the first examples of a property, if it is one."""
    if property_ is None:
        yield
        return
    test, examples = property_.inner_test, itertools.count(1)

    @functools.wraps(test)
    def example(*arguments, **named):
        if next(examples) > TRACED_EXAMPLES:
            sys.settrace(None)
        return test(*arguments, **named)

    property_.inner_test = example
    try:
        yield
    finally:
        property_.inner_test = test


@pytest.fixture(scope="session", autouse=True)
def _elsewhere():
    """Measure no coverage in the processes that tests start.

    It would take long, and find what other tests find; and if a signal comes while the tool holds
    its lock, the process waits for ever.
    """
    config = os.environ.pop(_ELSEWHERE, None)
    yield config
    if config:
        os.environ[_ELSEWHERE] = config


@pytest.fixture
def measured(_elsewhere, monkeypatch):
    """Measure it there in this test."""
    if _elsewhere:
        monkeypatch.setenv(_ELSEWHERE, _elsewhere)


@pytest.fixture
def rng():
    return np.random.default_rng(20201107)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of a reader's, in which a command runs; what a program there changes is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(scope="session", autouse=True)
def _no_kernel_left():
    yield
    executing.KERNEL.close()
