"""Time `spectralgrad check` on a 5 × 5 matrix against the bare imports of the frameworks.

Usage: python benchmarks/check.py
"""

import contextlib
import os
import subprocess
import sys
import threading
import time

import numpy as np
import psutil

from spectralgrad import frameworks, verdict

REPETITIONS = 5
# As a program of one's own has them, one after the other.
BARE = "import autograd.numpy, torch, jax, tensorflow, os; print(flush=True); os._exit(0)"
CHECK = ("-m", "spectralgrad", "check", "blog-rank-2")


def run(*command):
    """Seconds to the first line, to the end, and of CPU."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    process.stdout.readline()
    first = time.perf_counter() - start
    process.stdout.read()
    end = time.perf_counter() - start
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return first, end, used.ru_utime + used.ru_stime


def memory(*command):
    """Most MB that a command and its processes have of their own, and their share of the rest."""
    process, most = psutil.Popen([sys.executable, *command], stdout=subprocess.DEVNULL), [0]

    def watch():
        while process.poll() is None:
            sizes = []
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    sizes.append(one.memory_full_info().pss)
            most.append(sum(sizes))
            time.sleep(0.05)

    watching = threading.Thread(target=watch)
    watching.start()
    process.wait()
    watching.join()
    return max(most) / 1e6


def main():
    """Print medians, as multiples of the bare imports in the same run."""
    pairs = [(run("-c", BARE), run(*CHECK)) for _ in range(REPETITIONS)]
    bare, check = (np.median(runs, axis=0) for runs in zip(*pairs, strict=True))
    print(f"bare imports, one after the other: {bare[1]:.2f} s, {bare[2]:.2f} s of CPU")
    names = ("first line", "last line", "CPU")
    for what, seconds, whole in zip(names, check, bare[[1, 1, 2]], strict=True):
        print(f"check, {what}: {seconds:.2f} s, {seconds / whole:.2f} times that")
    for name in frameworks.NAMES:
        alone = run("-c", f"from spectralgrad import frameworks; frameworks.get({name!r})")[1]
        print(f"  {name}: import {alone:.1f} s")
    print(f"memory: bare imports {memory('-c', BARE):.0f} MB, check {memory(*CHECK):.0f} MB")
    rng = np.random.default_rng(0)
    verdict.check(rng.standard_normal((5, 5)))
    start = time.perf_counter()
    verdict.check_stack(rng.standard_normal((20, 5, 5)))
    print(f"each further 5 × 5 matrix: {(time.perf_counter() - start) / 20 * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
