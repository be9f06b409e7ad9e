"""What is timed is a right answer, and the clock, the fits and the limits do what they say."""

import itertools
import json
import time
from unittest import mock

import numpy as np
import pytest
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.book import costs
from spectralgrad.theory import symmetric


def of_chapter(name):
    """What the chapter times."""
    return formula("performance", name)


PROBLEMS, WAYS = of_chapter("problems"), of_chapter("titles")


def prepare(*of):
    return of_chapter("prepare")(*of)


@pytest.fixture(scope="module")
def libraries():
    for name in frameworks.NAMES:
        frameworks.get(name)
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


LOSSES = {
    "values": lambda a, c: np.exp(np.linalg.eigvalsh(a)).sum(),
    "one": lambda a, c: np.linalg.eigvalsh(a)[0],
    "vectors": lambda a, c: np.sum(c * np.abs(np.linalg.eigh(a)[1]) ** 2),
    "nuclear": lambda a, c: np.linalg.svd(a, compute_uv=False).sum(),
}


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("way", [*WAYS, *of_chapter("eager")][1:])
def test_what_is_timed_is_the_gradient(way, problem, is_complex, libraries):
    """Against a difference quotient that knows none of the formulas."""
    a, rng = of_chapter("drawn")(problem, 5), np.random.default_rng(1)
    step = rng.standard_normal((5, 5))
    if is_complex:
        # Skew, so that what is Hermitian stays so.
        b = np.random.default_rng(0).standard_normal((5, 5))
        a, step = a + 0.2j * (b - b.T), step + 0.5j * (b - b.T)
    step = step if problem == "nuclear" else symmetric.hermitian_part(step)
    found = prepare(way, problem, a)()
    assert found.dtype == a.dtype
    if way.split()[0] in ("jax", "autograd"):
        found = found.conj()
    loss, c = LOSSES[problem], of_chapter("coefficients")(5)
    t = 1e-5
    difference = (loss(a + t * step, c) - loss(a - t * step, c)) / (2 * t)
    assert np.vdot(found, step).real == pytest.approx(difference, abs=1e-5)


def test_the_floor_is_a_decomposition():
    for problem in PROBLEMS:
        a = of_chapter("drawn")(problem, 6)
        *_, last = factors = prepare("floor", problem, a)()
        assert last.shape == (6, 6)
        assert len(factors) == (3 if problem == "nuclear" else 2)


def test_matrices_are_the_same_each_time_and_of_norm_about_one():
    for problem in PROBLEMS:
        a = of_chapter("drawn")(problem, 200)
        assert np.array_equal(a, of_chapter("drawn")(problem, 200))
        assert np.linalg.norm(a, 2) == pytest.approx(1, rel=0.1)
        assert np.array_equal(a, a.T) == (problem != "nuclear")


@pytest.mark.parametrize("power", [1.0, 2.5, 3.0])
def test_the_exponent_of_a_power_law(power):
    sizes = [2048, 4, 256, 16, 1024]
    times = [1e-9 * n**power for n in sizes]
    # What small sizes cost in addition does not count.
    times[1] += 1
    assert costs.exponent(sizes, times) == pytest.approx(power)
    assert costs.exponent(sizes[:2], times[:2]) is None


def test_calls_take_turns(monkeypatch):
    monkeypatch.setattr(costs, "SHORTEST", 0)
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    times = costs.take_turns(calls, 3)
    assert order == [*"abc", *"abc", *"bca", *"cab"]
    assert {name: len(found) for name, found in times.items()} == dict.fromkeys("abc", 3)
    assert costs.take_turns({}, 2) == {}


def test_short_calls_fill_a_reading(monkeypatch):
    """A call takes a microsecond here; by a real clock it may take long, on a busy machine."""
    ticks = itertools.count()
    monkeypatch.setattr(costs.time, "perf_counter", lambda: 1e-6 * next(ticks))
    number = 0

    def call():
        nonlocal number
        number += 1

    costs.take_turns({"a": call}, 2)
    assert number > 100


def test_the_clock_and_the_cores():
    """Sleeping takes time, and no processor."""
    sleep = costs.compare(
        lambda *_: lambda: time.sleep(0.05), "one", np.eye(4), rounds=3, ways=["floor"]
    )
    (cost,) = sleep.costs
    assert (cost.problem, cost.way, cost.n, len(cost.seconds)) == ("one", "floor", 4, 3)
    assert 0.05 <= min(cost.seconds) <= cost.median
    assert cost.cores < 0.5


def cost(way, n, *seconds, problem="one"):
    return costs.Cost(problem, way, n, list(seconds), 1.0)


def test_a_ratio_is_within_the_rounds():
    """The machine slows down from round to round, and the ratio stays."""
    slow = np.arange(1.0, 10.0)
    found = costs.ratio(cost("torch", 4, *(3 * slow)), cost("floor", 4, *slow))
    assert found == (3, 3, 3)


def test_the_interval_of_a_ratio_holds_the_median_of_many():
    rng, held = np.random.default_rng(0), 0
    for _ in range(1000):
        readings = np.exp(0.1 * rng.standard_normal(9))
        lower, median, upper = costs.ratio(cost("torch", 4, *readings), cost("floor", 4, *[1] * 9))
        assert lower <= median <= upper
        held += lower <= 1 <= upper
    # Exactly, 1 - 20/512.
    assert held / 1000 == pytest.approx(0.961, abs=0.02)


def test_no_ratio_that_the_readings_do_not_support():
    floor, far = cost("floor", 4, *[1.0] * 9), [1.0, 1.0, *[1.5] * 5, 2.1, 2.1]
    assert costs.ratio(cost("torch", 4, *far), floor) is None
    assert costs.ratio(cost("torch", 4, *far[:-2], 1.9, 9.0), floor) == (1, 1.5, 1.9)
    assert costs.ratio(cost("torch", 4, *[1.0] * 8), cost("floor", 4, *[1.0] * 8)) is None


def rounds(*ends):
    """Nine readings whose ratios to 1 have this interval and median."""
    lower, median, upper = ends
    return [lower, lower, *[median] * 5, upper, upper]


TIMES = [
    *(cost("package", 4, *[1.0] * 9), cost("torch", 4, *rounds(2, 2.5, 3))),
    cost("jax", 4, *rounds(3, 4, 5)),
    *(cost("package", 8, *[1.0] * 9), cost("torch", 8, *rounds(0.3, 0.4, 0.5))),
    *(cost("package", 16, *[1.0] * 9), cost("torch", 16, *rounds(0.9, 1.2, 1.3))),
    *(cost("package", 32, *[1.0] * 9), cost("torch", 32, *rounds(1, 3, 5))),
    *(cost("package", 64, 1.0), cost("torch", 64, 2.0), cost("torch", 128, *[1.0] * 9)),
    *(cost("package", 4, *[1.0] * 9, problem="values"),
      cost("jax", 4, *[2.0] * 9, problem="values")),
]  # fmt: skip


def test_standings():
    found = costs.standings(TIMES, "one")
    assert [(s.n, s.rival, s.ratio, s.word) for s in found] == [
        (4, "torch", 2.5, "ahead"),
        (8, "torch", 0.4, "behind"),
        (16, "torch", 1.2, "level"),
    ]
    assert costs.standings_in_words(found) == (
        "Against the fastest framework, the package is ahead of it at n = 4 (2.5 times as fast), "
        "within the spread of it at n = 16 and behind it at n = 8 (PyTorch: 2.5 times as fast)."
    )
    values = costs.standings(TIMES, "values")
    assert "ahead of it at n = 4 (2 times" in costs.standings_in_words(values)
    assert "at no size" in costs.standings_in_words([])


def test_a_ratio_is_claimed_only_where_the_repetitions_do_not_overlap():
    """Round by round it is 1.04 in both cases; in the second, the machine wanders by more."""
    slower = 1.04
    for readings, word, said in (
        ([1.0] * 9, "ahead", "(1.04 times as fast)"),
        (np.linspace(1, 2, 9), "level", "within the spread of it at n = 4."),
    ):
        ours, theirs = (
            cost("package", 4, *readings),
            cost("jax", 4, *(slower * x for x in readings)),
        )
        assert costs.ratio(theirs, ours) == pytest.approx((slower,) * 3)
        assert costs.apart(theirs, ours) == costs.apart(ours, theirs) == (word == "ahead")
        found = costs.standings([ours, theirs], "one")
        assert [s.word for s in found] == [word]
        assert said in costs.standings_in_words(found)


@pytest.mark.skipif(costs.peak_memory(int)[1] is None, reason="only Linux tells")
def test_peak_memory_counts_what_was_freed_again():
    size = 40_000_000
    result, peak = costs.peak_memory(lambda: np.ones(size // 8).sum())
    assert (result, peak) == (size // 8, pytest.approx(size, rel=0.2))
    assert costs.peak_memory(lambda: None)[1] < size / 20


def test_memory_where_it_cannot_be_had(monkeypatch):
    monkeypatch.setattr(costs.ctypes, "CDLL", mock.Mock(side_effect=OSError))
    assert costs.peak_memory(lambda: 7) == (7, None)
    assert costs.compare(prepare, "one", np.eye(2), rounds=1, ways=["floor"]).memory == {
        "floor": None
    }


def test_libraries_say_what_they_call(libraries):
    said = of_chapter("routines")()
    assert set(said) == set(WAYS)
    assert all(said.values())


def test_at_a_matrix(libraries):
    here = of_chapter("at")(np.diag([1.0, 1.0, 2.0]), rounds=2)
    assert set(here) == set(PROBLEMS)
    refused = {problem: found.refused for problem, found in here.items() if found.refused}
    assert refused == {"one": {"package": "GaugeError"}}
    assert {len(c.seconds) for found in here.values() for c in found.costs} == {2}
    ((problem, found),) = of_chapter("at")(np.array([[1, 2, 3], [4, 5, 6]]), rounds=1).items()
    assert problem == "nuclear"
    assert {c.way for c in found.costs} == set(found.gradients) == set(WAYS)
    assert found.refused == {}


@pytest.mark.parametrize("a", [np.zeros((2, 2)), np.array([[-2]])], ids=["zero", "1x1"])
def test_at_a_matrix_without_a_size(a, libraries):
    here = of_chapter("at")(a, rounds=1)
    assert {(p, c.n) for p, found in here.items() for c in found.costs} == {
        (p, len(a)) for p in PROBLEMS
    }
    assert here["one"].refused == ({"package": "GaugeError"} if len(a) > 1 else {})


def test_rounding():
    assert costs.plain({"a": [1 / 3, 7, "x"], "b": (2.0, None)}) == {
        "a": [0.3333, 7, "x"],
        "b": [2.0, None],
    }
    assert costs.plain(cost("jax", 4, 2 / 3))["seconds"] == [0.6667]


def notebook(measured):
    printed = json.dumps({"measured": measured})
    outputs = [{"output_type": "stream", "name": "stdout", "text": [printed[:5], printed[5:]]}]
    return {"cells": [{"metadata": {"tags": ["facts"]}, "outputs": outputs}]}


def test_recorded_times(tmp_path, monkeypatch):
    measured = costs.plain({"sweep": TIMES, "here": TIMES[:1]})
    path = tmp_path / "out.ipynb"
    path.write_text(json.dumps(notebook(measured)), encoding="utf-8")
    assert costs.recorded(path) == measured
    assert costs.recorded() is None
    monkeypatch.setenv("SPECTRALGRAD_TIMES", str(path))
    assert costs.recorded() == costs.recorded("") == measured


BAD = {
    "nothing": "",
    "json": "[1, 2]",
    "a notebook that was not executed": json.dumps({"cells": []}),
    "another chapter": json.dumps(
        {"cells": [{"metadata": {"tags": ["facts"]}, "outputs": [{"text": '{"rank": 2}'}]}]}
    ),
    "no such field": json.dumps(notebook({"sweep": [{"n": 4}], "here": []})),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_holds_no_times_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "out.ipynb"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^times: .*out.ipynb: holds no times .*; give a copy"):
        costs.recorded(path)
    with pytest.raises(ValueError, match=r"missing.ipynb: No such file or directory; give a copy"):
        costs.recorded(tmp_path / "missing.ipynb")
