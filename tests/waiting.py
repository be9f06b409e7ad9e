"""Wait for what happens in other processes: for the event, and not for a moment."""

import time

import psutil

#: Seconds after which what should happen is taken never to: no machine is so slow.
PATIENCE = 600


def until(condition, process=None):
    """Wait for a condition, which a process must not end before."""
    while not condition():
        assert process is None or process.poll() is None
        time.sleep(0.02)


def ended(processes):
    """Whether processes end by themselves."""
    return not psutil.wait_procs(list(processes), timeout=PATIENCE)[1]
