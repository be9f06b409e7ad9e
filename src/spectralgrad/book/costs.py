"""What gradients cost: calls timed in turns, what their times support, and what is said of it."""

import ctypes
import json
import math
import os
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from scipy import stats

from spectralgrad import frameworks
from spectralgrad.book.prose import listing
from spectralgrad.theory.arrays import Array

Call = Callable[[], Any]
# Makes the call for a way, a problem and a matrix.
Prepare = Callable[[str, str, Array], Call]

# Seconds after which the threads of one library no longer wait for work while another computes.
SETTLE = 0.25
# Rounds without which no ratio of two times is given.
ENOUGH = 9
# A clock that is read for less than this says little: short calls are repeated within a reading.
SHORTEST = 1e-3


@dataclass(frozen=True)
class Cost:
    """Times of one way to solve one problem: seconds of a call in each round, and cores busy."""

    problem: str
    way: str
    n: int
    seconds: list[float]
    cores: float

    @property
    def median(self) -> float:
        """Median of the times."""
        return statistics.median(self.seconds)


def ratio(cost: Cost, other: Cost) -> tuple[float, float, float] | None:
    """How many times as long one way takes as another, if enough was read to tell.

    The times of one round make one ratio, for whatever slows the machine in it slows both: their
    median, between the ends of its interval of 95 %. There is none of fewer than nine rounds, or if
    the upper end is more than twice the lower: the machine had other things to do.
    """
    found = [a / b for a, b in zip(cost.seconds, other.seconds, strict=True)]
    if len(found) < ENOUGH:
        return None
    lower, upper = map(float, stats.quantile_test(found, p=0.5).confidence_interval(0.95))
    return (lower, statistics.median(found), upper) if upper <= 2 * lower else None


def apart(cost: Cost, other: Cost) -> bool:
    """Whether the repetitions tell two ways apart: the middle halves of their times do not overlap.

    Where they do, no page says how many times as fast one of the two is.
    """
    (low, high), (other_low, other_high) = (
        np.quantile(c.seconds, (0.25, 0.75)) for c in (cost, other)
    )
    return bool(high < other_low or other_high < low)


def take_turns(
    calls: Mapping[str, Call], rounds: int, *, settle: float = 0.0
) -> dict[str, list[tuple[float, float]]]:
    """Time calls in turns, so that a slow moment of the machine meets all of them."""
    names = list(calls)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    # What is read once is long, or does not matter.
    spent = {name: _read_clocks(calls[name], 1)[0] if rounds > 1 else math.inf for name in names}
    batches = {name: max(1, math.ceil(SHORTEST / max(s, 1e-7))) for name, s in spent.items()}
    for round_ in range(rounds):
        # Each round begins one place later than the last.
        first = round_ % max(1, len(names))
        for name in names[first:] + names[:first]:
            # A call of less than a reading is too short for several threads.
            time.sleep(settle if batches[name] == 1 else 0.0)
            times[name].append(_read_clocks(calls[name], batches[name]))
    return times


def _read_clocks(call: Call, batch: int) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(batch):
        call()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return wall / batch, processor / batch


@dataclass(frozen=True)
class Comparison:
    """One problem at one matrix, in several ways.

    What was raised, the seconds to make the call, and its peak memory in matrices are by way.
    """

    costs: list[Cost] = field(default_factory=list)
    gradients: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    preparing: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float | None] = field(default_factory=dict)


def compare(
    prepare: Prepare, problem: str, a: Array, ways: Iterable[str], *, rounds: int, settle: float = 0
) -> Comparison:
    """Time one problem at one matrix."""
    found = Comparison()
    calls: dict[str, Call] = {}
    with np.errstate(all="ignore"):
        for way in ways:
            try:
                start = time.perf_counter()
                call = prepare(way, problem, a)
                found.preparing[way] = time.perf_counter() - start
                found.gradients[way], peak = peak_memory(call)
            except Exception as error:
                found.refused[way] = type(error).__name__
            else:
                calls[way] = call
                found.memory[way] = None if peak is None else peak / a.nbytes
        times = take_turns(calls, rounds, settle=settle)
    for way, read in times.items():
        walls, processors = map(list, zip(*read, strict=True))
        cost = Cost(problem, way, min(a.shape), walls, sum(processors) / sum(walls))
        found.costs.append(cost)
    return found


def peak_memory(call: Call) -> tuple[Any, int | None]:
    """Make a call, and say how many bytes it needs beyond those in use before; None if unknown.

    What an earlier call has given back to its allocator, and not to the system, does not count if
    it is used again; as much as can be is given back to the system before.
    """

    def kilobytes(name: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.findall(rf"^{name}:\s*(\d+) kB", status, re.M)[0])

    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        # Sets the peak to what is in use now.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        # Only Linux has this.
        return call(), None
    before = kilobytes("VmRSS")
    result = call()
    return result, 1024 * max(0, kilobytes("VmHWM") - before)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Exponent of the power law that fits the times at the three largest sizes, if there are."""
    points = sorted(zip(sizes, seconds, strict=True))[-3:]
    return float(stats.linregress(*np.log(points).T).slope) if len(points) == 3 else None


class Standing(NamedTuple):
    """How the package compares with the fastest framework, for one problem and size."""

    n: int
    rival: str
    ratio: float
    word: str


def standings(costs: Iterable[Cost], problem: str) -> list[Standing]:
    """Compare the package with the fastest framework, at each size that has such a ratio."""
    found = []
    chosen = [c for c in costs if c.problem == problem]
    for n in sorted({c.n for c in chosen}):
        here = {c.way: c for c in chosen if c.n == n}
        rivals = [here[way] for way in frameworks.NAMES if way in here]
        if "package" not in here or not rivals:
            continue
        rival = min(rivals, key=lambda c: c.median)
        if known := ratio(rival, here["package"]):
            lower, median, upper = known
            told = apart(rival, here["package"])
            word = "ahead" if told and lower > 1 else "behind" if told and upper < 1 else "level"
            found.append(Standing(n, rival.way, median, word))
    return found


def multiple(factor: float) -> str:
    """Write how many times as fast: two digits, or three where two would be 1."""
    return f"{factor:.3g}" if f"{factor:.2g}" == "1" else f"{factor:.2g}"


def standings_in_words(found: list[Standing]) -> str:
    """Say at which sizes the package is ahead of the fastest framework, and at which it is not."""
    said = {
        "ahead": "ahead of it at n = {sizes} ({span} times as fast)",
        "level": "within the spread of it at n = {sizes}",
        "behind": "behind it at n = {sizes} ({rivals}: {span} times as fast)",
    }
    parts = []
    for word, text in said.items():
        if there := [s for s in found if s.word == word]:
            factors = [max(s.ratio, 1 / s.ratio) for s in there]
            span = " to ".join(dict.fromkeys(map(multiple, (min(factors), max(factors)))))
            sizes = listing(str(s.n) for s in there)
            rivals = listing(dict.fromkeys(frameworks.TITLES[s.rival] for s in there))
            parts.append(text.format(sizes=sizes, span=span, rivals=rivals))
    if not parts:
        return "There is such a ratio at no size."
    return f"Against the fastest framework, the package is {listing(parts)}."


def plain(measured: Any) -> Any:
    """What is read back if it is written as JSON: lists, dicts, and four digits of each float."""
    text = json.dumps(measured, default=asdict)
    return json.loads(text, parse_float=lambda number: float(f"{float(number):.4g}"))


def recorded(path: str | Path = "") -> dict[str, Any] | None:
    """What an executed copy of the chapter on cost, or ``$SPECTRALGRAD_TIMES``, has measured."""
    path = path or os.environ.get("SPECTRALGRAD_TIMES", "")
    if not path:
        return None
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        (cell,) = (c for c in cells if "facts" in c.get("metadata", {}).get("tags", ()))
        printed = "".join(line for out in cell["outputs"] for line in out.get("text", ()))
        measured = json.loads(printed)["measured"]
        for cost in (*measured["sweep"], *measured["here"]):
            Cost(**cost)
        return cast(dict[str, Any], measured)
    except OSError as error:
        problem = str(error.strerror or error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        problem = "holds no times that this chapter has printed"
    mend = "give a copy of chapters/performance.ipynb that was executed, by papermill say"
    raise ValueError(f"times: {path}: {problem}; {mend}")
