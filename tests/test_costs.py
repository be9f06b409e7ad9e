"""What is timed is a right answer, and the clock, the fits and the limits do what they say."""

import itertools
import json
import time

import numpy as np
import pytest

from spectralgrad import costs, frameworks, prose, symmetric


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
@pytest.mark.parametrize("problem", costs.PROBLEMS)
@pytest.mark.parametrize("way", [w for w in (*costs.WAYS, *costs.EAGER) if w != "floor"])
def test_what_is_timed_is_the_gradient(way, problem, is_complex, libraries):
    """Against a difference quotient that knows none of the formulas."""
    a, rng = costs.matrix(problem, 5), np.random.default_rng(1)
    step = rng.standard_normal((5, 5))
    if is_complex:
        # Skew, so that what is Hermitian stays so.
        b = np.random.default_rng(0).standard_normal((5, 5))
        a, step = a + 0.2j * (b - b.T), step + 0.5j * (b - b.T)
    step = step if problem == "nuclear" else symmetric.hermitian_part(step)
    found = costs.prepare(way, problem, a)()
    assert found.dtype == a.dtype
    if way.split()[0] in ("jax", "autograd"):
        found = found.conj()
    loss, c = LOSSES[problem], costs.coefficients(5)
    t = 1e-5
    difference = (loss(a + t * step, c) - loss(a - t * step, c)) / (2 * t)
    assert np.vdot(found, step).real == pytest.approx(difference, abs=1e-5)


def test_the_floor_is_a_decomposition():
    for problem in costs.PROBLEMS:
        a = costs.matrix(problem, 6)
        *_, last = factors = costs.floor(problem, a)
        assert last.shape == (6, 6)
        assert len(factors) == (3 if problem == "nuclear" else 2)


def test_matrices_are_the_same_each_time_and_of_norm_about_one():
    for problem in costs.PROBLEMS:
        a = costs.matrix(problem, 200)
        assert np.array_equal(a, costs.matrix(problem, 200))
        assert np.linalg.norm(a, 2) == pytest.approx(1, rel=0.1)
        assert np.array_equal(a, a.T) == (problem != "nuclear")


@pytest.mark.parametrize("power", [1.0, 2.5, 3.0])
def test_the_exponent_of_a_power_law(power):
    sizes = [2048, 4, 256, 16, 1024]
    times = [1e-9 * n**power for n in sizes]
    # What small sizes cost in addition does not count.
    times[1] += 1
    assert costs.exponent(sizes, times) == pytest.approx(power)
    assert costs.exponent(sizes, times, least=5) != pytest.approx(power)
    assert costs.exponent(sizes[:2], times[:2]) is None


def test_quartiles():
    assert costs.quartiles([5.0, 1.0, 2.0, 4.0, 3.0]) == (2, 3, 4)
    assert costs.quartiles([1.0, 2.0]) == (1.25, 1.5, 1.75)
    assert costs.quartiles([7.0]) == (7, 7, 7)


def test_calls_take_turns(monkeypatch):
    monkeypatch.setattr(costs, "SHORTEST", 0)
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    times = costs.take_turns(calls, {"a": 3, "b": 3, "c": 1})
    assert order == [*"aabbcc", *"abc", *"ba", *"ab"]
    order.clear()
    costs.take_turns(calls, {"a": 2, "b": 2, "c": 2}, known=["a"])
    assert order == [*"bbcc", *"abc", *"bca"]
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3, "c": 1}


def test_short_calls_fill_a_reading(monkeypatch):
    """A call takes a microsecond here; by a real clock it may take long, on a busy machine."""
    ticks = itertools.count()
    monkeypatch.setattr(costs.time, "perf_counter", lambda: 1e-6 * next(ticks))
    number = 0

    def call():
        nonlocal number
        number += 1

    costs.take_turns({"a": call}, {"a": 2})
    assert number > 100


def test_the_clock_and_the_cores():
    """Sleeping takes time, and no processor."""
    (cost,) = (
        costs.summarise("one", w, 4, t)
        for w, t in costs.take_turns({"floor": lambda: time.sleep(0.05)}, {"floor": 3}).items()
    )
    assert 0.05 <= cost.lower <= cost.median <= cost.upper
    assert cost.repetitions == 3
    assert cost.cores < 0.5


def slow(seconds):
    """A way that takes n³ of them, on a clock that runs only when it is called."""
    now = [0.0]

    def prepare(way, problem, a):
        def call():
            now[0] += seconds[way] * len(a) ** 3

        return call

    return prepare, lambda: now[0]


def test_patience(monkeypatch):
    prepare, clock = slow({"floor": 1e-6, "package": 1e-3})
    monkeypatch.setattr(costs, "prepare", prepare)
    monkeypatch.setattr(costs.time, "perf_counter", clock)
    monkeypatch.setattr(costs.time, "process_time", clock)
    swept, left_out = costs.sweep(
        [4, 8, 16, 32], repetitions=5, patience=2.0, problems=["one"], ways=["floor", "package"]
    )
    read = {(c.way, c.n): c.repetitions for c in swept}
    # 0.064 s, five of which fit; 0.5 s, three of which do; and then 4 s.
    assert read == {
        **{("floor", n): 5 for n in (4, 8, 16, 32)},
        ("package", 4): 5,
        ("package", 8): 3,
    }
    assert left_out == [("one", "package", 16), ("one", "package", 32)]
    assert [c.median for c in swept if c.way == "package"] == pytest.approx([0.064, 0.512])


def cost(way, n, *quartiles, problem="one"):
    return costs.Cost(problem, way, n, *quartiles, 5, 1.0)


TIMES = [
    *(cost("package", 4, 1, 2, 3), cost("torch", 4, 4, 5, 6), cost("jax", 4, 3.5, 8, 9)),
    *(cost("package", 8, 4, 5, 6), cost("torch", 8, 1, 2, 3), cost("jax", 8, 4, 5, 6)),
    *(cost("package", 16, 4, 5, 6), cost("torch", 16, 5, 6, 7), cost("floor", 16, 1, 1, 1)),
    *(cost("package", 32, 1, 1, 1), cost("floor", 32, 1, 1, 1)),
    cost("torch", 64, 1, 1, 1),
    *(cost("package", 4, 1, 1, 1, problem="values"), cost("jax", 4, 2, 2, 2, problem="values")),
]


def test_standings():
    found = costs.standings(TIMES, "one")
    assert [(s.n, s.rival, s.ratio, s.word) for s in found] == [
        (4, "torch", 2.5, "ahead"),
        (8, "torch", 0.4, "behind"),
        (16, "torch", 1.2, "level"),
    ]
    assert prose.standings(found, costs.WAYS) == (
        "Against the fastest framework, the package is ahead of it at n = 4 (2.5 times as fast), "
        "within the spread of it at n = 16 and behind it at n = 8 (PyTorch: 2.5 times as fast)."
    )
    assert "ahead of it at n = 4 (2 times" in prose.standings(
        costs.standings(TIMES, "values"), costs.WAYS
    )
    assert "not both measured" in prose.standings([], costs.WAYS)


@pytest.mark.skipif(costs.peak_memory(lambda: None) is None, reason="only Linux tells")
def test_peak_memory_counts_what_was_freed_again():
    size = 40_000_000

    def call():
        np.ones(size // 8)

    assert costs.peak_memory(call) == pytest.approx(size, rel=0.2)
    assert costs.peak_memory(lambda: None) < size / 20


def test_memory_where_it_cannot_be_had(monkeypatch):
    monkeypatch.setattr(costs.sys, "platform", "darwin")
    monkeypatch.setattr(costs, "prepare", lambda *_: lambda: None)
    assert costs.peak_memory(lambda: None) is None
    assert costs.memory(4) is None


def test_libraries_say_what_they_call(libraries):
    said = costs.libraries()
    assert set(said) == set(costs.WAYS)
    assert all(said.values())


def test_at_a_matrix(libraries):
    here, refused = costs.at(np.diag([1.0, 1.0, 2.0]), repetitions=2)
    assert {c.problem for c in here} == set(costs.PROBLEMS)
    assert refused == {"one": {"package": "GaugeError"}}
    rectangular, refused = costs.at(np.array([[1, 2, 3], [4, 5, 6]]), repetitions=1)
    assert {c.way for c in rectangular} == set(costs.WAYS)
    assert {c.problem for c in rectangular} == {"nuclear"}
    assert refused == {}


@pytest.mark.parametrize("a", [np.zeros((2, 2)), np.array([[-2]])], ids=["zero", "1x1"])
def test_at_a_matrix_without_a_size(a, libraries):
    here, refused = costs.at(a, repetitions=1)
    assert {(c.problem, c.n) for c in here} == {(p, len(a)) for p in costs.PROBLEMS}
    assert refused == ({"one": {"package": "GaugeError"}} if len(a) > 1 else {})


def test_rounding():
    assert costs.rounded({"a": [1 / 3, 7, "x"], "b": (2.0, None)}) == {
        "a": [0.3333, 7, "x"],
        "b": [2.0, None],
    }
    assert costs.rounded(TIMES[0])["median"] == 2


def notebook(measured):
    printed = json.dumps({"measured": measured})
    outputs = [{"output_type": "stream", "name": "stdout", "text": [printed[:5], printed[5:]]}]
    return {"cells": [{"metadata": {"tags": ["facts"]}, "outputs": outputs}]}


def test_recorded_times(tmp_path, monkeypatch):
    measured = costs.rounded({"sweep": TIMES, "eager": [], "here": TIMES[:1]})
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
    "no such field": json.dumps(notebook({"sweep": [{"n": 4}], "eager": [], "here": []})),
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
