"""What gradients cost: the same problems in the package and each framework, timed in turns.

The chapter on cost and the benchmarks take their problems, and how each library is asked for its
gradient, from here. A way is a library, or ``"floor"``: LAPACK's decomposition alone, through
NumPy. Whatever has to be compiled or traced is, before a clock starts.

Throughout, ``problem`` is a key of `PROBLEMS`; ``a`` is a NumPy array of double precision (in a
loss, the array of a framework), Hermitian except for the nuclear norm; ``c`` holds the real
coefficients of the problem ``"vectors"``, in the shape of ``a``. A gradient is what the library
returns, in its own convention.
"""

import ctypes
import itertools
import json
import math
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from spectralgrad import frameworks
from spectralgrad.theory import eigen, singular
from spectralgrad.theory.arrays import Array

Call = Callable[[], Any]

#: Problems, each with what a reader calls it.
PROBLEMS = {
    "values": "Values, Σ exp λᵢ",
    "one": "One eigenvalue, λ₁",
    "vectors": "Vectors, Σ CᵢⱼVᵢⱼ²",
    "nuclear": "Nuclear norm, Σ σᵢ",
}

#: Ways that every problem is measured in, each with what a reader calls it.
WAYS = {"floor": "LAPACK alone", "package": "spectralgrad", **frameworks.TITLES}

#: The same without compiling or tracing.
EAGER = {"tensorflow eager": "TensorFlow, eager", "jax eager": "JAX, without jit"}

#: Seconds after which the threads of one library no longer wait for work while another computes.
SETTLE = 0.25
#: Rounds without which no ratio of two times is given.
ENOUGH = 9
# A clock that is read for less than this says little: short calls are repeated within a reading.
SHORTEST = 1e-3


def matrix(problem: str, n: int) -> Array:
    """Draw the matrix of a problem: of norm about 1, and always the same for one size.

    Parameters
    ----------
    problem : str
        One of `PROBLEMS`.
    n : int

    Returns
    -------
    (n, n) numpy.ndarray
        Symmetric except for the nuclear norm; float64.
    """
    drawn: Array = np.random.default_rng(n).standard_normal((n, n))
    if problem == "nuclear":
        return drawn / math.sqrt(4 * n)
    return (drawn + drawn.T) / math.sqrt(8 * n)


def coefficients(n: int) -> Array:
    """Draw the C of the problem ``"vectors"``: real, and always the same for one size."""
    return np.random.default_rng(n + 1).standard_normal((n, n))


def floor(problem: str, a: Array) -> Any:
    """Decompose a matrix, and do no more."""
    if problem == "nuclear":
        return np.linalg.svd(a, full_matrices=False)
    return np.linalg.eigh(a)


def package_gradient(problem: str, a: Array, c: Array) -> Any:
    """Gradient of a problem by this package, in the symmetric convention."""
    if problem == "one":
        return eigen.eigenvalue_gradient(a)[1]
    if problem == "nuclear":
        return singular.nuclear_norm_gradient(a)
    values, v = np.linalg.eigh(a)
    if problem == "values":
        return eigen.eigvalsh_vjp(v, np.exp(values))
    return eigen.eigh_vjp(values, v, 0, 2 * c * v)


def torch_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in PyTorch."""
    import torch

    if problem == "values":
        return torch.linalg.eigvalsh(a).exp().sum()
    if problem == "one":
        return torch.linalg.eigvalsh(a)[0]
    if problem == "vectors":
        _, v = torch.linalg.eigh(a)
        return (torch.from_numpy(c) * (v.conj() * v).real).sum()
    return torch.linalg.svdvals(a).sum()


def tensorflow_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in TensorFlow."""
    import tensorflow as tf

    if problem == "values":
        return tf.reduce_sum(tf.exp(tf.math.real(tf.linalg.eigvalsh(a))))
    if problem == "one":
        return tf.math.real(tf.linalg.eigvalsh(a))[0]
    if problem == "vectors":
        _, v = tf.linalg.eigh(a)
        return tf.reduce_sum(c * tf.math.real(tf.math.conj(v) * v))
    return tf.reduce_sum(tf.linalg.svd(a, compute_uv=False))


def jax_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in JAX."""
    import jax.numpy as jnp

    if problem == "values":
        return jnp.exp(jnp.linalg.eigvalsh(a)).sum()
    if problem == "one":
        return jnp.linalg.eigvalsh(a)[0]
    if problem == "vectors":
        _, v = jnp.linalg.eigh(a)
        return (c * (v.conj() * v).real).sum()
    return jnp.linalg.svd(a, compute_uv=False).sum()


def autograd_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in autograd, which has no function for the eigenvalues alone."""
    import autograd.numpy as anp

    if problem == "values":
        return anp.sum(anp.exp(anp.linalg.eigh(a)[0]))
    if problem == "one":
        return anp.linalg.eigh(a)[0][0]
    if problem == "vectors":
        _, v = anp.linalg.eigh(a)
        return anp.sum(c * anp.real(anp.conj(v) * v))
    return anp.sum(anp.linalg.svd(a, compute_uv=False))


def torch_gradient(problem: str, a: Array, c: Array) -> Any:
    """Gradient of a problem by PyTorch."""
    import torch

    x: Any = torch.tensor(a, requires_grad=True)
    torch_loss(problem, x, c).backward()
    return x.grad.resolve_conj().numpy()


def tensorflow_gradient(problem: str, a: Array, c: Array, *, traced: bool = True) -> Call:
    """Make a call for TensorFlow's gradient of a problem: traced by ``tf.function``, or eager."""
    import tensorflow as tf

    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tensorflow_loss(problem, x, c)
        return tape.gradient(loss, x)

    if traced:
        gradient = tf.function(gradient, autograph=False).get_concrete_function(
            tf.TensorSpec(a.shape, a.dtype)
        )
    return lambda: gradient(tf.constant(a)).numpy()


def jax_gradient(problem: str, a: Array, c: Array, *, compiled: bool = True) -> Call:
    """Make a call for JAX's gradient of a problem: compiled by ``jax.jit``, or without it."""
    import jax
    import jax.numpy as jnp

    gradient: Any = jax.grad(lambda x: jax_loss(problem, x, c))
    if compiled:
        gradient = jax.jit(gradient).lower(jnp.asarray(a)).compile()
    return lambda: np.asarray(gradient(jnp.asarray(a)))


def autograd_gradient(problem: str, a: Array, c: Array) -> Any:
    """Gradient of a problem by autograd."""
    import autograd

    return autograd.grad(lambda x: autograd_loss(problem, x, c))(a)


def prepare(way: str, problem: str, a: Array) -> Call:
    """Make a call that returns the gradient of a problem at a matrix, or the decomposition alone.

    JAX is compiled, and TensorFlow traced, before this returns.

    Parameters
    ----------
    way : str
        One of `WAYS` or `EAGER`.
    problem : str
        One of `PROBLEMS`.
    a : (m, n) numpy.ndarray
        float64 or complex128; Hermitian except for the nuclear norm.

    Returns
    -------
    callable
        Without arguments; returns a numpy.ndarray in the convention of the library.
    """
    c = coefficients(a.shape[-1])
    if way == "floor":
        return lambda: floor(problem, a)
    if way.startswith("tensorflow"):
        return tensorflow_gradient(problem, a, c, traced=way == "tensorflow")
    if way.startswith("jax"):
        return jax_gradient(problem, a, c, compiled=way == "jax")
    each = {
        "package": package_gradient,
        "torch": torch_gradient,
        "autograd": autograd_gradient,
    }[way]
    return lambda: each(problem, a, c)


@dataclass(frozen=True)
class Cost:
    """Times of one way to solve one problem.

    Attributes
    ----------
    problem, way : str
        As in `PROBLEMS`, and in `WAYS` or `EAGER`.
    n : int
        Size of the matrix.
    seconds : list of float
        What one call took, in each round.
    cores : float
        Processor time over wall time: how many cores were busy.
    """

    problem: str
    way: str
    n: int
    seconds: list[float]
    cores: float

    @property
    def median(self) -> float:
        """Median of the times."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the times."""
        return quartiles(self.seconds)


def quartiles(numbers: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, by linear interpolation."""
    if len(numbers) == 1:
        return numbers[0], numbers[0], numbers[0]
    lower, median, upper = statistics.quantiles(numbers, n=4, method="inclusive")
    return lower, median, upper


def ratio(cost: Cost, other: Cost) -> tuple[float, float, float] | None:
    """How many times as long one way takes as another, if enough was read to tell.

    The times of one round make one ratio, for whatever slows the machine in it slows both.

    Parameters
    ----------
    cost, other : Cost
        Of the same rounds.

    Returns
    -------
    (float, float, float) or None
        Median of the ratios, between the ends of an interval that holds the median of ever more
        rounds with a probability of 95 % or more, whatever the distribution: how many of the
        rounds lie below that is binomial. None if there are fewer than `ENOUGH` rounds, or if the
        upper end is more than twice the lower: the machine had other things to do.
    """
    found = sorted(a / b for a, b in zip(cost.seconds, other.seconds, strict=True))
    if len(found) < ENOUGH:
        return None
    below = itertools.accumulate(math.comb(len(found), k) for k in range(len(found)))
    cut = sum(tail / 2 ** len(found) <= 0.025 for tail in below)
    lower, upper = found[cut - 1], found[-cut]
    return (lower, statistics.median(found), upper) if upper <= 2 * lower else None


def take_turns(
    calls: Mapping[str, Call], rounds: int, *, settle: float = 0.0
) -> dict[str, list[tuple[float, float]]]:
    """Time calls in turns, so that a slow moment of the machine meets all of them.

    A call that is shorter than a clock can tell is repeated within each reading.

    Parameters
    ----------
    calls : mapping of str to callable
        By name; each has been made once.
    rounds : int
        How often the clock is read for each. Each round begins one place later than the last.
    settle : float, optional
        Seconds to wait before the clock starts; see `SETTLE`.

    Returns
    -------
    dict of str to list of (float, float)
        Seconds by the wall and of the processor, per call.
    """
    names = list(calls)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    # What is read once is long, or does not matter.
    batches = {name: _fill_a_reading(calls[name]) if rounds > 1 else 1 for name in names}
    for round_ in range(rounds):
        first = round_ % max(1, len(names))
        for name in names[first:] + names[:first]:
            # A call of less than a reading is too short for several threads.
            time.sleep(settle if batches[name] == 1 else 0.0)
            times[name].append(_read_clocks(calls[name], batches[name]))
    return times


def _fill_a_reading(call: Call) -> int:
    """How many calls fill a reading."""
    spent, _ = _read_clocks(call, 1)
    return max(1, math.ceil(SHORTEST / max(spent, 1e-7)))


def _read_clocks(call: Call, batch: int) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(batch):
        call()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return wall / batch, processor / batch


@dataclass(frozen=True)
class Comparison:
    """One problem at one matrix, in several ways.

    Attributes
    ----------
    costs : list of Cost
    gradients : dict of str to numpy.ndarray
        What each way returned.
    refused : dict of str to str
        By way, the name of what was raised instead of a gradient.
    preparing : dict of str to float
        Seconds that it took to make the call: to compile or trace it, where that is done.
    memory : dict of str to float or None
        Peak of the first call beyond what was in use before, as a multiple of the matrix; None
        where it was not measured, see `peak_memory`.
    """

    costs: list[Cost] = field(default_factory=list)
    gradients: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    preparing: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float | None] = field(default_factory=dict)


def compare(
    problem: str,
    a: Array,
    *,
    rounds: int,
    ways: Iterable[str] = tuple(WAYS),
    settle: float = 0.0,
) -> Comparison:
    """Time one problem at one matrix.

    Parameters
    ----------
    problem : str
        One of `PROBLEMS`.
    a : (m, n) numpy.ndarray
    rounds : int
        How often the clock is read for each way.
    ways : iterable of str, optional
    settle : float, optional
        See `take_turns`.

    Returns
    -------
    Comparison
    """
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
        walls, processors = [wall for wall, _ in read], [processor for _, processor in read]
        cores = sum(processors) / sum(walls)
        found.costs.append(Cost(problem, way, min(a.shape), walls, cores))
    return found


def at(a: Array, *, rounds: int, settle: float = 0.0) -> dict[str, Comparison]:
    """Time the problems at one matrix, divided by its largest entry, in all ways.

    Parameters
    ----------
    a : (m, n) numpy.ndarray
        If it is not Hermitian, only the nuclear norm of it is taken.
    rounds : int
        How often the clock is read.
    settle : float, optional
        See `take_turns`.

    Returns
    -------
    dict of str to Comparison
        By problem.
    """
    a = np.asarray(a, np.result_type(a, float))
    a = a / (np.max(np.abs(a), initial=0.0) or 1.0)
    hermitian = a.shape[0] == a.shape[1] and np.array_equal(a, a.conj().T)
    problems = PROBLEMS if hermitian else ("nuclear",)
    return {p: compare(p, a, rounds=rounds, settle=settle) for p in problems}


def exponent(sizes: Sequence[float], seconds: Sequence[float], *, least: int = 3) -> float | None:
    """Exponent p of the power law t = c·nᵖ that fits best: least squares in logarithms.

    Parameters
    ----------
    sizes, seconds : sequence of float
        Positive, in any order.
    least : int, optional
        How many of the largest sizes are used.

    Returns
    -------
    float or None
        None if there are fewer sizes than that.
    """
    points = sorted(zip(sizes, seconds, strict=True))[-least:]
    if len(points) < least:
        return None
    logarithms = np.log(np.array(points, dtype=float))
    return float(np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)[0])


@dataclass(frozen=True)
class Standing:
    """How the package compares with the fastest framework, for one problem and size.

    Attributes
    ----------
    n : int
    rival : str
        The fastest framework.
    ratio : float
        Its time over that of the package.
    word : str
        ``"ahead"`` or ``"behind"`` if the interval of that ratio lies above 1 or below, and else
        ``"level"``.
    """

    n: int
    rival: str
    ratio: float
    word: str


def standings(costs: Iterable[Cost], problem: str) -> list[Standing]:
    """Compare the package with the fastest framework, at each size that has such a `ratio`."""
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
            word = "ahead" if lower > 1 else "behind" if upper < 1 else "level"
            found.append(Standing(n, rival.way, median, word))
    return found


def peak_memory(call: Call) -> tuple[Any, int | None]:
    """Make a call, and watch the resident memory that it needs beyond what was in use before.

    What an earlier call has given back to its allocator, and not to the system, does not count if
    it is used again; as much as can be is given back to the system before.

    Parameters
    ----------
    call : callable
        Without arguments.

    Returns
    -------
    result
        What the call returned.
    peak : int or None
        Bytes; None where the system is not Linux.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def kilobytes(name: str) -> int:
        found = re.search(rf"^{name}:\s*(\d+) kB", status.read_text(), re.M)
        return int(found[1]) if found else 0

    if not sys.platform.startswith("linux"):
        return call(), None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    try:
        # Sets the peak to what is in use now.
        reset.write_text("5")
    except OSError:
        return call(), None
    before = kilobytes("VmRSS")
    result = call()
    return result, 1024 * max(0, kilobytes("VmHWM") - before)


def libraries() -> dict[str, str]:
    """What each library says of the routines that it calls, found by asking it.

    Returns
    -------
    dict of str to str
        By way.
    """
    import jax
    import tensorflow as tf
    import torch

    built = cast(Any, np.show_config(mode="dicts"))["Build Dependencies"]["lapack"]
    numpy = f"{built['name']} {built['version']}"
    said = re.search(r"LAPACK_INFO=(\w+)", torch.__config__.show())
    a = np.eye(2)
    calls = []
    for problem in ("values", "nuclear"):
        lowered = jax.jit(lambda x, p=problem: jax_loss(p, x, a)).lower(a).as_text()
        calls += re.findall(r"custom_call @(\w+)", lowered)
    traced = tf.function(
        lambda x: (tensorflow_loss("values", x, a), tensorflow_loss("nuclear", x, a)),
        autograph=False,
    ).get_concrete_function(tf.TensorSpec(a.shape, a.dtype))
    types = {operation.type for operation in traced.graph.get_operations()}
    return {
        "floor": numpy,
        "package": f"{numpy}, and for one eigenvalue the LAPACK of SciPy",
        "autograd": numpy,
        "torch": said[1] if said else "",
        "tensorflow": ", ".join(sorted(types & {"SelfAdjointEigV2", "Svd"})),
        "jax": ", ".join(dict.fromkeys(calls)),
    }


def rounded(value: Any, digits: int = 4) -> Any:
    """Round every float in a structure of dicts and lists to a few significant digits."""
    if isinstance(value, dict):
        return {key: rounded(x, digits) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(x, digits) for x in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return rounded(asdict(value), digits) if isinstance(value, Cost) else value


def recorded(path: str | Path = "") -> dict[str, Any] | None:
    """Read what an executed copy of the chapter on cost has measured; nothing is executed.

    Parameters
    ----------
    path : str or path, optional
        That of the environment variable ``SPECTRALGRAD_TIMES`` if not given: with the times of
        another build, a build can be compared with it.

    Returns
    -------
    dict or None
        What the cell tagged ``facts`` printed under ``measured``; None if no copy is named.

    Raises
    ------
    ValueError
        In one line, if the file is no such notebook.
    """
    path = path or os.environ.get("SPECTRALGRAD_TIMES", "")
    if not path:
        return None
    mend = "give a copy of chapters/performance.ipynb that was executed, by papermill say"
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        (cell,) = (c for c in cells if "facts" in c.get("metadata", {}).get("tags", ()))
        printed = "".join(line for out in cell["outputs"] for line in out.get("text", ()))
        measured = json.loads(printed)["measured"]
        for cost in (*measured["sweep"], *measured["here"]):
            Cost(**cost)
    except OSError as error:
        raise ValueError(f"times: {path}: {error.strerror or error}; {mend}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(
            f"times: {path}: holds no times that this chapter has printed; {mend}"
        ) from None
    return cast(dict[str, Any], measured)
