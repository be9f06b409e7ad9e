"""Time `spectralgrad survey`: matrices per second with one process and with two, and memory.

Usage: .venv/bin/python benchmarks/survey.py [SECONDS]

The clock starts when every process has imported its frameworks, which takes seconds and is done
once. Half of the matrices are symmetric. One process and two take turns, so that a slow moment of
the machine meets both; the ratio is what counts. SECONDS is roughly how long one run with one
process lasts.
"""

import concurrent.futures
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np

from spectralgrad.survey import checking, running, workers
from spectralgrad.verdict import Question

REPETITIONS = 3
# Matrices per second that one process is expected to check.
RATES = {5: 250, 50: 90}
MEMORY = """
import resource, sys
from spectralgrad.survey import running
running.survey(["stack.npy"], frameworks="autograd", reports="none", jobs=2)
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss)
"""


def write(path, number, size):
    """Write a stack of matrices, half of them symmetric."""
    a = np.random.default_rng(0).standard_normal((number, size, size))
    a[::2] += a[::2].transpose(0, 2, 1)
    np.save(path, a)


processes = workers.processes


@contextlib.contextmanager
def warm(jobs, names):
    """Processes that have imported all frameworks, and compiled what they need."""
    sample = list(np.load("stack.npy", mmap_mode="r", allow_pickle=False)[:2])
    with processes(jobs, names) as crew:
        # To import takes so long that each process gets one of these.
        question = Question(frameworks=names)
        calls = [crew.submit(checking.check_all, sample, question) for _ in range(jobs)]
        concurrent.futures.wait(calls)
        warm.start = time.perf_counter()
        yield crew


def run(number, jobs):
    """Survey the stack with all frameworks; return matrices per second."""
    times = []
    note = running.Run.note

    def timed(self, task, rows):
        note(self, task, rows)
        times.append(time.perf_counter())

    noted = mock.patch.object(running.Run, "note", timed)
    with noted, mock.patch.object(workers, "processes", warm):
        running.survey(["stack.npy"], output=f"{time.time()}.parquet", reports="none", jobs=jobs)
    assert len(times) == number
    return number / (times[-1] - warm.start)


def memory(number):
    """Survey so many 5 × 5 matrices; return the peak of the parent and of a worker, in MB."""
    write("stack.npy", number, 5)
    shutil.rmtree("results.parquet", ignore_errors=True)
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
            rates = {jobs: statistics.median(runs) for jobs, runs in found.items()}
            print(f"{number} matrices of {size} × {size}, all frameworks")
            for jobs, runs in found.items():
                spread = f"from {min(runs):.0f} to {max(runs):.0f}"
                print(f"  jobs {jobs}: {rates[jobs]:.0f} a second ({spread})")
            print(f"  ratio {rates[2] / rates[1]:.2f}")
        for number in (10_000, 40_000):
            parent, worker = memory(number)
            print(f"{number} matrices of 5 × 5: parent {parent:.0f} MB, worker {worker:.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
