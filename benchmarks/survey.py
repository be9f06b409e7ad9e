"""Time `spectralgrad survey`: matrices per second with one process and with two, and memory.

Usage: .venv/bin/python benchmarks/survey.py [SECONDS]

The rate is that from a fifth of the matrices on, when every process has imported what it needs;
the time of the whole run, imports included, is printed beside it. Half of the matrices are
symmetric. One process and two take turns, so that a slow moment of the machine meets both. SECONDS
is roughly how long one run with one process lasts.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from spectralgrad import survey

REPETITIONS = 3
# To begin with; the number for a run of the length asked for is found from it.
RATES = {5: 250, 50: 100}
MEMORY = """
import resource, sys
from spectralgrad import survey
survey.survey(["stack.npy"], frameworks="autograd", reports="none", jobs=2)
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss)
"""


def write(path, number, size):
    """Write a stack of matrices, half of them symmetric."""
    a = np.random.default_rng(0).standard_normal((number, size, size))
    a[::2] += a[::2].transpose(0, 2, 1)
    np.save(path, a)


def run(number, jobs):
    """Survey the stack with all frameworks; return matrices per second, and seconds in all."""
    times = []
    note = survey._Run.note

    def timed(self, task, rows):
        note(self, task, rows)
        times.append(time.perf_counter())

    survey._Run.note = timed
    start = time.perf_counter()
    survey.survey(["stack.npy"], output=f"{start}.parquet", reports="none", jobs=jobs)
    whole = time.perf_counter() - start
    survey._Run.note = note
    assert len(times) == number
    warm = number // 5
    return (number - warm) / (times[-1] - times[warm - 1]), whole


def memory(number):
    """Survey so many 5 × 5 matrices; return the peak of the parent and of a worker, in MB."""
    write("stack.npy", number, 5)
    Path("results.parquet").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, stdout=subprocess.PIPE, text=True
    )
    return [int(line) / 1024 for line in done.stdout.split()]


def main(seconds=20):
    """Print rates, their ratio, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for size, rate in RATES.items():
            number = int(float(seconds) * rate)
            write("stack.npy", number, size)
            found = {1: [], 2: []}
            for _ in range(REPETITIONS):
                for jobs, runs in found.items():
                    runs.append(run(number, jobs))
            rates = {jobs: statistics.median(r for r, _ in runs) for jobs, runs in found.items()}
            print(f"{number} matrices of {size} × {size}, all frameworks")
            for jobs, runs in found.items():
                whole = statistics.median(w for _, w in runs)
                spread = f"{min(runs)[0]:.0f} to {max(runs)[0]:.0f}"
                print(f"  jobs {jobs}: {rates[jobs]:.0f} a second ({spread}), {whole:.1f} s in all")
            print(f"  ratio {rates[2] / rates[1]:.2f}")
        for number in (10_000, 40_000):
            parent, worker = memory(number)
            print(f"{number} matrices of 5 × 5: parent {parent:.0f} MB, worker {worker:.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
