"""Which folders may be replaced, and that one takes the place of another as a whole."""

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spectralgrad.system import storage
from spectralgrad.system.errors import InputError


def write_pages(folder, text, number=3):
    folder.mkdir()
    for i in range(number):
        (folder / f"{i}.html").write_text(text, encoding="utf-8")


def texts(folder):
    return {path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.fixture(params=["one step", "three steps"])
def steps(request, monkeypatch):
    """On a system that can exchange two folders in one step, and on one that cannot."""
    if request.param == "three steps":
        monkeypatch.setattr(storage.ctypes, "CDLL", lambda *_, **__: object())
    return request.param


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="holds files that are not a rendered book"):
        storage.require_ours(tmp_path)
    storage.require_ours(tmp_path / "new" / "folder")
    with pytest.raises(InputError, match="is not a folder"):
        storage.require_ours(tmp_path / "thesis.tex")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        storage.require_ours(link)


def test_a_link_named_like_the_mark_does_not_make_a_folder_ours(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    (tmp_path / storage.MARK).symlink_to("thesis.tex")
    with pytest.raises(InputError, match="holds files that are not a rendered book"):
        storage.require_ours(tmp_path)


@pytest.mark.parametrize("output", ["/proc/x/y", "/dev/null/x"])
def test_a_place_that_cannot_be_written_is_refused(output):
    with pytest.raises(InputError, match=r"cannot be written .*; name another output folder"):
        storage.require_ours(Path(output))


@pytest.mark.usefixtures("steps")
def test_publishing_replaces_the_old_pages_as_a_whole(tmp_path):
    output, pages = tmp_path / "book", tmp_path / "pages"
    for text in ("old", "new"):
        write_pages(pages, text)
        storage.publish(pages, output, mark=text)
        assert texts(output) == {text}
    assert os.listdir(tmp_path) == ["book"]
    storage.require_ours(output)


def test_publishing_that_fails_leaves_the_old_pages(tmp_path, monkeypatch, steps):
    output, pages = tmp_path / "book", tmp_path / "pages"
    write_pages(pages, "old")
    storage.publish(pages, output, mark="old")
    write_pages(pages, "new")
    if steps == "one step":

        def stop(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(storage, "_exchange", stop)
    else:
        rename = Path.rename

        def stop(self, target):
            if target == output:
                # What is done in the end to put the old pages back must not be stopped.
                monkeypatch.setattr(Path, "rename", rename)
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        storage.publish(pages, output, mark="new")
    assert texts(output) == {"old"}
    assert os.listdir(tmp_path) == ["book"]


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path):
    output, pages = tmp_path / "book", tmp_path / "pages"
    pages.mkdir()
    output.mkdir()
    (output / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="holds files"):
        storage.publish(pages, output, mark="new")
    assert os.listdir(output) == ["thesis.tex"]


def test_what_lies_aside_is_removed_but_not_what_it_leads_to(tmp_path):
    """It is what a killed program left, or what somebody has put there."""
    output, pages, thesis = tmp_path / "book", tmp_path / "pages", tmp_path / "thesis"
    write_pages(thesis, "years of work")
    (tmp_path / ".book.spectralgrad").symlink_to(thesis)
    write_pages(pages, "new")
    storage.publish(pages, output, mark="new")
    assert texts(thesis) == {"years of work"}
    write_pages(tmp_path / ".book.spectralgrad", "half")
    write_pages(pages, "newer")
    storage.publish(pages, output, mark="newer")
    assert texts(output) == {"newer"}
    assert sorted(os.listdir(tmp_path)) == ["book", "thesis"]


_PUBLISHER = """
import itertools, sys
from pathlib import Path
from spectralgrad.system import storage
folder = Path(sys.argv[1])
for text in itertools.cycle(["odd", "even"]):
    pages = folder / "pages"
    storage.remove(pages)
    pages.mkdir()
    for number in range(20):
        (pages / f"{number}.html").write_text(text)
    storage.publish(pages, folder / "book", text)
    print(text, flush=True)
"""


@pytest.mark.slow
def test_whenever_it_is_killed_the_pages_are_whole(tmp_path):
    moments = random.Random(20261125)
    for _ in range(30):
        command = [sys.executable, "-c", _PUBLISHER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.02))
            process.kill()
        assert len(list((tmp_path / "book").iterdir())) == 21
        assert texts(tmp_path / "book") in ({"odd"}, {"even"})


_HOLDER = """
import sys, time
from pathlib import Path
from spectralgrad.system import storage
with storage.locked(Path(sys.argv[1]), "waiting"):
    print("held", flush=True)
    time.sleep(1000)
"""


def test_a_lock_is_for_one_and_ends_with_it(tmp_path):
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "lock")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        first, second = (subprocess.Popen(command, **pipes) for _ in "ab")
        for process in (first, second):
            stack.enter_context(process)
            stack.callback(process.kill)
        # Whichever comes first; the other says that it waits, and gets the lock when that is dead.
        while not any(waits := [_says(p.stderr) for p in (first, second)]):
            time.sleep(0.01)
        holder, other = (second, first) if waits[0] else (first, second)
        assert holder.stdout.readline() == b"held\n"
        assert not _says(other.stdout)
        holder.send_signal(signal.SIGKILL)
        assert other.stdout.readline() == b"held\n"


def _says(pipe):

    return bool(select.select([pipe], [], [], 0)[0])


def test_a_lock_is_not_made_through_a_link(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), storage.locked(tmp_path / "lock"):
        pass
    assert os.listdir(tmp_path) == ["lock"]


def test_a_lock_leaves_no_file_and_refuses_if_it_is_not_to_wait(tmp_path):
    lock = tmp_path / "lock"
    with storage.locked(lock):
        command = [sys.executable, "-c", _REFUSED, str(lock)]
        assert subprocess.run(command, check=False).returncode == 7
    assert not list(tmp_path.iterdir())


_REFUSED = """
import sys
from pathlib import Path
from spectralgrad.system import storage
try:
    with storage.locked(Path(sys.argv[1]), wait=False):
        pass
except TimeoutError:
    sys.exit(7)
"""

_COUNTER = """
import sys
from pathlib import Path
from spectralgrad.system import storage
number = Path(sys.argv[1], "number")
for _ in range(50):
    with storage.locked(Path(sys.argv[1], "lock")):
        text = str(int(number.read_text()) + 1)
        number.write_text(text)
"""


def test_a_lock_that_is_removed_is_still_for_one(tmp_path):
    """Who waits for a file that somebody removes must not hold it beside who makes another."""
    (tmp_path / "number").write_text("0", encoding="utf-8")
    command = [sys.executable, "-c", _COUNTER, str(tmp_path)]
    with contextlib.ExitStack() as stack:
        for process in [subprocess.Popen(command) for _ in range(4)]:
            stack.enter_context(process)
    assert (tmp_path / "number").read_text(encoding="utf-8") == "200"
    assert os.listdir(tmp_path) == ["number"]


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results"
    for text in ("old", "new"):
        with storage.written(path) as aside:
            aside.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text
    with pytest.raises(UnicodeEncodeError), storage.written(path) as aside:
        aside.write_text("half \ud800", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["results"]


def test_a_file_is_not_written_through_a_link(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    for name in ("results", ".results.new"):
        (tmp_path / name).symlink_to("thesis.tex")
    with storage.written(tmp_path / "results") as aside:
        aside.write_text("newer", encoding="utf-8")
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "years of work"
    assert (tmp_path / "results").read_text(encoding="utf-8") == "newer"
