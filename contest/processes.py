"""Parts of the contest in processes of their own: what crashes or hangs loses one task."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Seconds that one task may take, the import of a framework included.
LIMIT = 120
#: One thread each, no accelerator, no notices.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Part:
    """The tasks of one part, done one after the other in a process that is begun again if it ends.

    ``found`` has a pair for each task that is done: the task, and what the worker says of it.
    """

    def __init__(self, name, tasks, folder, limit=LIMIT, module="contest.worker"):
        self.name, self.left, self.found = name, list(tasks), []
        self.folder, self.limit, self.module = Path(folder), limit, module
        self.process, self.read, self.heard, self.begun = None, 0, 0.0, None

    def __repr__(self):
        return f"{self.name}, {len(self.left)} left"

    def start(self):
        """Begin, or go on with what is left."""
        tasks, self.results = (self.folder / f"{self.name}.{x}" for x in ("tasks", "results"))
        tasks.write_text(json.dumps(self.left), encoding="utf-8")
        self.results.write_bytes(b"")
        self.read, self.begun, self.heard = 0, None, time.monotonic()
        command = [sys.executable, "-m", self.module, self.name, tasks, self.results]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def listen(self):
        """Read what is new, and see to a process that has ended or hangs."""
        ended = self.process.poll() is not None
        with self.results.open("rb") as lines:
            lines.seek(self.read)
            new, _, _ = lines.read().rpartition(b"\n")
        for line in new.splitlines():
            self.hear(json.loads(line))
        self.read += len(new) + bool(new)
        if ended and self.left:
            code = self.process.returncode
            self.lose(f"crashes: signal {-code}" if code < 0 else f"crashes: status {code}")
        elif time.monotonic() - self.heard > self.limit:
            self.stop()
            self.lose(f"takes longer than {self.limit} seconds")

    def hear(self, line):
        """Take a line of the worker's."""
        self.heard = time.monotonic()
        if "begins" in line:
            self.begun = line["begins"]
        else:
            self.done(line["task"], line["found"])

    def lose(self, why):
        """Note what happened to a task, and go on with the others."""
        self.done(self.begun or self.left[0], {"raises": why})
        if self.left:
            self.start()

    def done(self, task, found):
        """Take a task off the list."""
        self.left.remove(task)
        self.found.append((task, found))
        self.begun = None

    def stop(self):
        """End the process."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run(parts, at_once, tell):
    """Do all parts, some at a time; ``tell(parts)`` is called again and again."""
    waiting, running = list(parts), []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(waiting.pop(0))
                running[-1].start()
            time.sleep(0.1)
            for part in running:
                part.listen()
                if not part.left:
                    part.stop()
            running = [part for part in running if part.left]
            tell(parts)
    finally:
        for part in running:
            part.stop()
