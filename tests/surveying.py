"""Have every call of a survey that changes the disk fail, or be its last; run as a program.

There is an earlier run, and since then matrices have changed, gone and come. The survey checks them
in its own process, which has no threads to begin with, and saves after every few of them.
"""

import collections
import concurrent.futures
import importlib
import os
import shutil
import sys
from pathlib import Path
from unittest import mock

import failing
import numpy as np

from spectralgrad import frameworks
from spectralgrad.survey import checking, results, running, workers

OUTPUT = Path("out/results.parquet")


class Here:
    """A worker that is this process."""

    width, deaths, trouble = 1, (), ""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        future = concurrent.futures.Future()
        future.set_result(function(*arguments))
        return future


def run():
    """Survey the matrices that are there."""
    return running.survey(["data"], output=OUTPUT, frameworks="autograd", reports="none")


def rows():
    """What is in the results: digest by source and place, each of which is there once."""
    found = [matrix for matrix, _ in results.by_matrix(*results.parts(OUTPUT))]
    digests = {(source, place): digest for source, place, digest in found}
    assert len(digests) == len(found)
    return digests


def lay_out(before):
    """Write matrices, survey them, if there is to be an earlier run, and change them."""
    rng = np.random.default_rng(1)
    Path("data").mkdir()
    for name, number in (("a", 3), ("b", 4), ("c", 1)):
        np.save(f"data/{name}.npy", rng.standard_normal((number, 2, 2)))
    Path("data/d.csv").write_text("no matrix", encoding="utf-8")
    if before:
        run()
    b = np.load("data/b.npy")
    b[1::2] += 1
    np.save("data/b.npy", b)
    Path("data/c.npy").write_bytes(b"")
    np.save("data/e.npy", rng.standard_normal((2, 2, 2)))


def main(before):
    """Try it in this folder, and print how often it ended in each way."""
    # Once, and not in every fork; the second is what pyarrow imports where it is.
    for module in ("autograd.numpy", "pandas", "spectralgrad.survey.running"):
        importlib.import_module(module)
    assert failing.forked(lambda: lay_out(before)) == failing.DONE
    Path("out").mkdir(exist_ok=True)
    shutil.copytree("out", "earlier")
    old = rows()
    assert failing.forked(run) == failing.DONE
    right, ended = rows(), collections.Counter()
    # What could not be checked is taken out, to be tried again.
    stays = {key: digest for key, digest in old.items() & right.items() if digest}
    shutil.rmtree("out")
    shutil.copytree("earlier", "out")
    for status in failing.each(run):
        ended[status] += 1
        found = rows()
        assert stays.items() <= found.items() <= old.items() | right.items()
        done = sum(digest is not None for _, digest in found.items() & right.items())

        def go_on(done=done):
            assert run().before == done

        assert failing.forked(go_on) == failing.DONE
        assert rows() == right
        assert os.listdir("out") == [OUTPUT.name]
        assert sorted(OUTPUT.iterdir()) == results.parts(OUTPUT)
        shutil.rmtree("out")
        shutil.copytree("earlier", "out")
    print(dict(ended))


if __name__ == "__main__":
    # Parts and chunks are small, and each is saved at once.
    few = {"PART": 4, "SAVE_AFTER": -1}
    with (
        mock.patch.multiple(results, **few),
        mock.patch.multiple(workers, processes=Here, CHUNK=2),
        # A fork starts nothing.
        mock.patch.object(checking, "_crew", return_value=frameworks),
        # It is a call like the others, and takes longer than all else.
        mock.patch.object(os, "fsync", return_value=None),
    ):
        main(sys.argv[1] == "before")
