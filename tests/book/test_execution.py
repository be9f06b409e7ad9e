"""Execute chapters that are quick: what is kept of them, in which order, and what of failures."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import waiting
from writing import write_chapter

import spectralgrad
from spectralgrad.book import building, execution
from spectralgrad.book.execution import Page, Run
from spectralgrad.system.errors import ChapterError, CommandError

pytestmark = pytest.mark.slow

FACTS = {"python": "3"}
WITH_RECIPES = {
    *("beyond_symmetric", "contest", "large_and_sparse", "maintainers", "orders", "recipes"),
    *("rotations", "selected_vectors", "spd_functions", "your_function"),
}


@pytest.fixture
def folder(tmp_path):
    for name in ("chapters", "executed", "scratch"):
        (tmp_path / name).mkdir()
    return tmp_path


def execute(folder, *names, **options):
    pages = [Page(folder / "chapters" / f"{name}.ipynb", name) for name in names]
    return execution.execute_all(
        pages,
        folder / "executed",
        folder / "scratch",
        **{"facts": FACTS} | options,
    )


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_nothing_of_the_moment_is_kept(folder):
    write_chapter(folder, "one", "print(2)\nprint(3)", "from IPython.display import Markdown as M")
    write_chapter(folder, "two", "print(2, flush=True)\nprint(3, flush=True)\ndisplay(4)\nprint(5)")
    assert execute(folder, "one", "two") == {}
    one, two = (read(folder / "executed" / f"{name}.ipynb") for name in ("one", "two"))
    assert one["metadata"]["spectralgrad"] == {"chapter": "one", **FACTS}
    text = json.dumps([one, two])
    assert "papermill" not in text
    assert str(folder) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
    printed = [o["text"] for o in one["cells"][3]["outputs"]]
    assert printed == [["2\n", "3\n"]]
    # What stands between two outputs stays between them.
    kinds = [o["output_type"] for o in two["cells"][3]["outputs"]]
    assert kinds == ["stream", "display_data", "stream"]
    assert two["cells"][3]["outputs"][0]["text"] == ["2\n", "3\n"]


def test_pieces_of_one_stream_are_joined():
    def stream(name, *text):
        return {"output_type": "stream", "name": name, "text": list(text)}

    pieces = [stream("stdout", "a"), stream("stdout", "b\n", "c"), stream("stderr", "d")]
    pieces += [{"output_type": "display_data", "data": {}}] * 2 + [stream("stderr", "e")]
    assert execution._join(pieces) == [
        stream("stdout", "ab\n", "c"),
        stream("stderr", "d"),
        *pieces[3:],
    ]


def test_threads_and_hashes_are_fixed(folder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED"]
    write_chapter(folder, "one", f"import os\nprint([os.environ[n] for n in {names}])")
    execute(folder, "one")
    (output,) = read(folder / "executed" / "one.ipynb")["cells"][3]["outputs"]
    # Whoever sets a number of threads gets it.
    assert output["text"] == ["['3', '1', '0']\n"]


class Copied(Run):
    """Take a chapter as it is for executed: what is executed again is asked, and not how."""

    def __init__(self, page, scratch, *_):
        self.page, self.notebook = page, scratch / f"{page.name}.ipynb"

    def wait(self):
        return 0

    def finish(self, keep):
        shutil.copy(self.page.chapter, self.notebook)
        return 1.0

    def __exit__(self, *_):
        pass


def test_what_was_executed_is_not_executed_again(folder, capsys, monkeypatch):
    monkeypatch.setattr(execution, "Run", Copied)
    write_chapter(folder, "one", "print(1)")
    write_chapter(folder, "two", "print(2)")
    execute(folder, "one", "two")
    assert sorted(re.findall(r"chapter (\w+): \d+\.\d s\n", capsys.readouterr().err)) == [
        "one",
        "two",
    ]
    execute(folder, "one", "two")
    assert capsys.readouterr().err == ""
    write_chapter(folder, "two", "print(3)")
    execute(folder, "one", "two")
    assert re.findall(r"chapter (\w+)", capsys.readouterr().err) == ["two"]
    (folder / "executed" / "one.key").write_text("no record", encoding="utf-8")
    execute(folder, "one", "two")
    assert re.findall(r"chapter (\w+)", capsys.readouterr().err) == ["one"]
    execute(folder, "one", "two", facts={**FACTS, "time": "now"})
    assert capsys.readouterr().err == ""
    execute(folder, "one", "two", facts={"python": "4"})
    assert sorted(re.findall(r"chapter (\w+)", capsys.readouterr().err)) == ["one", "two"]
    assert sorted(os.listdir(folder / "executed")) == [
        f"{name}.{suffix}" for name in ("one", "two") for suffix in ("ipynb", "key")
    ]


@pytest.fixture
def copy(tmp_path):
    """A copy of the package; what it is asked runs in a process of its own."""
    package = tmp_path / "spectralgrad"
    shutil.copytree(Path(spectralgrad.__file__).parent, package)
    return package


def keys_in(copy):
    """Keys of all chapters, as a copy of the package makes them."""
    code = """
import json
from pathlib import Path
import spectralgrad
from spectralgrad.book import building, execution
chapters = sorted(Path(sys.argv[1]).glob("*.ipynb"))
keys = {c.stem: execution.key(execution.Page(c, c.stem), {}) for c in chapters}
print(json.dumps(keys))
"""
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(copy.parent)!r}){code}"]
    command += [str(building.root() / "chapters")]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_a_change_executes_again_what_it_can_change(copy):
    last = keys_in(copy)
    changes = {
        "theory/spectrum.py": set(last),
        # Imported by name, when it is asked for.
        "frameworks/jax.py": set(last),
        "matrices/published.toml": set(last),
        "recipes/rules.py": WITH_RECIPES,
        "recipes/__init__.py": WITH_RECIPES,
        "book/functions.py": {"your_function"},
        "book/regimes.py": {"your_matrix"},
        "book/costs.py": {"performance", "large_and_sparse"},
        "book/releases.py": {"releases"},
        "book/releases.json": {"releases"},
        "book/contest.json": {"contest", "maintainers"},
        "book/execution.py": set(last),
        "book/environment.py": set(last),
        "__init__.py": set(last),
        "book/pdf.py": set(),
        "book/building.py": set(),
        "book/extension.py": set(),
        "survey/__init__.py": set(),
        "cli.py": set(),
        "system/programs.py": {"your_function"},
        "system/storage.py": set(),
    }
    for path, changed in changes.items():
        text = (copy / path).read_text(encoding="utf-8")
        (copy / path).write_text(f"{text}# A comment.\n", encoding="utf-8")
        now = keys_in(copy)
        assert {name for name in now if now[name] != last[name]} == changed, path
        last = now


def test_the_key_changes_with_all_that_is_given(tmp_path, monkeypatch):
    chapter = tmp_path / "c.ipynb"

    def key(facts=FACTS, **values):
        return execution.key(Page(chapter, "c", values), facts)

    chapter.write_text("1", encoding="utf-8")
    keys = [key()]
    assert key() == key({**FACTS, "time": "now"}) == keys[0]
    chapter.write_text("2", encoding="utf-8")
    keys += [key(), key({"python": "4"}), key(matrix="a"), key(matrix="b")]
    # Whoever sets a number of threads gets it.
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_the_slowest_begins(folder, monkeypatch):
    """As it was last time; what was never executed, by what it says or by its length."""
    for name in ("short", "long", "known", "slow"):
        write_chapter(folder, name, "#" * (30_000 if name == "long" else 1))
    slow = folder / "chapters" / "slow.ipynb"
    notebook = read(slow)
    notebook["metadata"]["spectralgrad"] = {"seconds": 60}
    slow.write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "made").touch()
    known = folder / "executed" / "known.ipynb"
    execution.keep(folder / "made", known, key="of something else", seconds=30.0)
    begun = []

    def begin(page, *_):
        begun.append(page.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "Run", begin)
    expected = ["slow", "known", "long", "short"]
    for i, name in enumerate(expected):
        with pytest.raises(KeyboardInterrupt):
            execute(folder, *sorted(expected[i:]))
        assert begun[-1] == name


def test_a_chapter_whose_execution_was_not_recorded_is_executed_again(folder, monkeypatch):
    """Even if its source is put back to what was recorded last."""
    monkeypatch.setattr(execution, "Run", Copied)
    chapter = folder / "chapters" / "one.ipynb"
    write_chapter(folder, "one", "print(1)")
    first = chapter.read_bytes()
    execute(folder, "one")
    write_chapter(folder, "one", "print(2)")
    with monkeypatch.context() as stopped:

        def stop(*_, **__):
            raise KeyboardInterrupt

        stopped.setattr(Path, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            execute(folder, "one")
    chapter.write_bytes(first)
    execute(folder, "one")
    assert (folder / "executed" / "one.ipynb").read_bytes() == first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('no\\nway')", "cell 5: RuntimeError: no way"),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "cell 5: DeadKernelError: the kernel died; memory may have run out",
        ),
        (
            "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(1000)",
            "cell 5: the process was killed (SIGKILL); memory may have run out",
        ),
    ],
)
def test_a_failure_is_named_and_kept(folder, source, message):
    write_chapter(folder, "bad", "x = 1", source, "y = 2")
    kept = folder / "executed" / "bad.failed.ipynb"
    assert execute(folder, "bad") == {"bad": f"chapter bad: {message} (kept: {kept})"}
    (cell,) = (c for c in read(kept)["cells"] if "".join(c["source"]) == source)
    # A process that was killed could not write it.
    errors = [f"{o['ename']}: {o['evalue']}" for o in cell["outputs"] if "ename" in o]
    expected = message.removeprefix("cell 5: ")
    assert "SIGKILL" in message or [" ".join(e.split()) for e in errors] == [expected]


def test_a_chapter_fails_and_the_others_go_on(folder):
    write_chapter(folder, "bad", "1 / 0")
    write_chapter(folder, "good", "print(1)")
    assert set(execute(folder, "bad", "good", jobs=1)) == {"bad"}
    kept = folder / "executed" / "bad.failed.ipynb"
    assert kept.exists()
    assert (folder / "executed" / "good.ipynb").is_file()
    assert not (folder / "executed" / "bad.ipynb").exists()
    # Once it is mended, nothing is left of the failure.
    write_chapter(folder, "bad", "x = 1")
    assert execute(folder, "bad", "good") == {}
    assert not kept.exists()


def test_a_cell_that_takes_too_long_is_named(folder):
    """The last one; on a slow machine one before it."""
    write_chapter(folder, "bad", "import time\ntime.sleep(1000)")
    (message,) = execute(folder, "bad", timeout=2).values()
    named = r"chapter bad: cell [2-4]: CellTimeoutError: took longer than 2 s \(kept: "
    assert re.match(named, message)
    cells = read(folder / "executed" / "bad.failed.ipynb")["cells"]
    ends = [o["evalue"] for c in cells for o in c.get("outputs", ()) if "ename" in o]
    assert ends == ["took longer than 2 s"]


def test_memory_that_runs_out_is_named(folder):
    """As a limit on the process: the system's killer is `os.kill` above."""
    write_chapter(
        folder,
        "one",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))",
        "huge = bytearray(2**34)",
    )
    (message,) = execute(folder, "one").values()
    assert message.startswith("chapter one: cell 5: MemoryError")


@pytest.mark.parametrize("text", ['{"cells": 1}', "no notebook", ""])
def test_what_is_no_notebook_fails_in_one_line(folder, text):
    (folder / "chapters" / "one.ipynb").write_text(text, encoding="utf-8")
    (message,) = execute(folder, "one").values()
    assert re.match(r"chapter one: \S+", message)
    assert "\n" not in message


def test_a_place_that_is_full_stops_everything(folder):
    """One line, not one for each chapter."""
    write_chapter(folder, "one", "x = 1")
    page = Page(folder / "chapters" / "one.ipynb", "one")
    # Writing to it fails as on a full disk.
    (folder / "scratch" / "one.ipynb").symlink_to("/dev/full")
    with (
        Run(page, folder / "scratch", FACTS) as run,
        pytest.raises(CommandError, match=r"No space left on device") as caught,
    ):
        run.finish(folder / "executed" / "one.failed.ipynb")
    assert not isinstance(caught.value, ChapterError)
    assert "\n" not in str(caught.value)


def test_a_failure_names_the_cell_and_the_exception(tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {"tags": ["papermill-error-cell-tag"]}, "source": ""},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": "x = 1"},
        {
            "cell_type": "code",
            "metadata": {},
            "source": "1 / 0",
            "outputs": [
                {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division\nby"}
            ],
        },
    ]
    kept = tmp_path / "out.ipynb"
    kept.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert execution.failure(kept, "why") == "cell 2: ZeroDivisionError: division by"
    assert execution.failure(tmp_path / "none.ipynb", "why") == "why"
    kept.write_text("", encoding="utf-8")
    assert execution.failure(kept, "why") == "why"


def test_leaving_an_execution_ends_it(folder):
    pid = folder / "pid"
    write_chapter(
        folder,
        "one",
        f"import os, time\nopen({str(pid)!r}, 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(1000)",
    )
    page = Page(folder / "chapters" / "one.ipynb", "one")
    with Run(page, folder / "scratch", FACTS) as run:
        waiting.until(lambda: pid.exists() and pid.read_text(encoding="utf-8").endswith("\n"))
        kernel = psutil.Process(int(pid.read_text(encoding="utf-8")))
    assert run.poll() != 0
    assert waiting.ended([kernel])
