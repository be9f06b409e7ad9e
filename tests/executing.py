"""Execute a chapter as a reader does, and read what the page concludes.

To start a kernel and four frameworks takes longer than most chapters. So there are two routes: a
chapter's defaults are executed in a process of their own, and other parameters in one kernel that
is made as new before each execution. A test holds the two against each other.
"""

import asyncio
import inspect
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from waiting import PATIENCE

from spectralgrad.book import building, environment, execution, reporting


def require_refusal(chapter, given, message, folder):
    """Parameters are refused in one line, and nothing is left in the folder."""
    with pytest.raises((ValueError, building.CommandError), match=message):
        reporting.report("[[2, 1], [1, 2]]", chapter=chapter, given=given, output=folder / "page")
    assert list(folder.iterdir()) == []


def execute(chapter, folder, **parameters):
    """Execute a chapter in a folder; return the facts, the sentences and the cells of the page."""
    path = building.chapters()[chapter]
    if parameters:
        return _read(KERNEL.execute(path, folder, parameters))
    built = building.root() / "_build" / "executed" / path.name
    key = execution.record(built).get("key")
    facts = environment.describe(building.root())
    # What `make book` executed from the same sources need not be executed again.
    if key == execution.key(execution.Page(path, chapter), facts):
        return _read(json.loads(built.read_text(encoding="utf-8"))["cells"])
    return execute_afresh(chapter, folder)


def execute_again(chapter, folder):
    """Execute a chapter as it is given once more; return the cells of the book's, and these."""
    path = building.chapters()[chapter]
    built = building.root() / "_build" / "executed" / path.name
    return json.loads(built.read_text(encoding="utf-8"))["cells"], KERNEL.execute(path, folder, {})


def shown(cells):
    """What each cell shows and prints, wherever it was split into pieces."""
    for made in filter(None, (cell.get("outputs") for cell in cells)):
        text = "".join(line for out in made for line in out.get("text", ()))
        yield text, [out["data"] for out in made if "data" in out]


def execute_afresh(chapter, folder, **parameters):
    """Do the same with plain papermill, on the command line."""
    command = [sys.executable, "-m", "papermill", str(building.chapters()[chapter]), "out.ipynb"]
    command += ["--no-progress-bar", "--log-level", "ERROR", "--start-timeout", str(PATIENCE)]
    for name, value in parameters.items():
        command += ["-p", name, str(value)]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return _read(json.loads(Path(folder, "out.ipynb").read_text(encoding="utf-8"))["cells"])


def _environment():
    """As in a build."""
    return os.environ | execution.variables()


def _read(cells):
    outputs = [out for cell in cells for out in cell.get("outputs", ())]
    assert not [out for out in outputs if out.get("name") == "stderr"]
    shown = ["".join(out["data"].get("text/markdown", "")) for out in outputs if "data" in out]
    # An empty sentence would be rendered as the name of its class.
    assert not [out for out in outputs if out.get("data", {}).get("text/markdown") == ""]
    (facts,) = (c for c in cells if "facts" in c["metadata"].get("tags", ()))
    # What one cell prints may come in pieces.
    printed = "".join(line for out in facts["outputs"] for line in out["text"])
    return json.loads(printed), " ".join(filter(None, shown)), cells


class _Kernel:
    """A Jupyter kernel for one execution after another; it starts when it is needed."""

    def __init__(self):
        self._manager = self._client = None
        # Playwright keeps an event loop running in the main thread.
        self._thread = ThreadPoolExecutor(1)
        self._runner = asyncio.Runner()

    def execute(self, path, folder, parameters):
        """Execute a notebook as `papermill -p NAME VALUE` does; return its cells."""
        return self._wait_for(self._execute(path, folder, parameters))

    def close(self):
        """End for good, and leave no process behind."""
        self._wait_for(self._stop())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _wait_for(self, coroutine):
        return self._thread.submit(self._runner.run, coroutine).result()

    async def _execute(self, path, folder, parameters):
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from papermill.cli import _resolve_type
        from papermill.iorw import load_notebook_node
        from papermill.parameterize import parameterize_notebook

        values = {name: _resolve_type(str(value)) for name, value in parameters.items()}
        notebook = load_notebook_node(str(path))
        notebook = parameterize_notebook(notebook, values) if values else notebook
        try:
            await self._start()
            await self._run(f"get_ipython().renew({str(folder)!r})")
            client = NotebookClient(
                notebook,
                km=self._manager,
                iopub_timeout=PATIENCE,
                raise_on_iopub_timeout=True,
            )
            client.kc = self._client
            await client.async_execute()
        except CellExecutionError as error:
            raise AssertionError(f"{path.name}: {error}") from None
        except BaseException:
            # Whatever is wrong with it, the next execution does not inherit it.
            await self._stop()
            raise
        # As in a file, where texts are lists of lines.
        return json.loads(nbformat.writes(notebook))["cells"]

    async def _start(self):
        if self._manager and await self._manager.is_alive():
            return
        from jupyter_client import AsyncKernelManager

        await self._stop()
        self._manager = AsyncKernelManager(kernel_name="python3")
        await self._manager.start_kernel(
            # IPython's history is a file that two kernels would share.
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
            env=_environment(),
        )
        self._client = self._manager.client()
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=PATIENCE)
        await self._run(f"{inspect.getsource(_make_renewable)}\n_make_renewable()")

    async def _run(self, source):
        reply = await self._client.execute(source, silent=True, reply=True, timeout=PATIENCE)
        assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])

    async def _stop(self):
        manager, client = self._manager, self._client
        self._manager = self._client = None
        if client:
            client.stop_channels()
        if manager and manager.has_kernel:
            # To end politely would take as long as the frameworks take to unload.
            await manager.shutdown_kernel(now=True)


def _make_renewable():
    """Give the kernel in which this runs a function that undoes what a chapter set."""
    import os
    import warnings

    from IPython import get_ipython

    from spectralgrad import frameworks
    from spectralgrad.book import figures

    for name in frameworks.NAMES:
        frameworks.get(name)

    import jax
    import matplotlib.pyplot as plt
    import mpmath
    import numpy as np
    import pandas as pd
    import torch

    shell = get_ipython()
    environment = dict(os.environ)
    # Frameworks set their own when they are imported, and are not imported again.
    filters = list(warnings.filters)
    printing, floating = np.get_printoptions(), np.geterr()
    style = figures.matplotlib.rcParams.copy()
    jax_settings = dict(jax.config.values)
    torch_dtype, torch_state = torch.get_default_dtype(), torch.get_rng_state()

    def renew(folder):
        shell.reset()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        np.set_printoptions(**printing)
        np.seterr(**floating)
        plt.close("all")
        plt.rcParams.update(style)
        for name, value in jax_settings.items():
            jax.config.update(name, value)
        torch.set_default_dtype(torch_dtype)
        torch.set_rng_state(torch_state)
        torch.set_grad_enabled(True)
        torch.set_printoptions(profile="default")
        mpmath.mp.dps = 15
        with warnings.catch_warnings():
            # pandas warns about its own deprecated options.
            warnings.simplefilter("ignore")
            pd.reset_option("all")
        # To leave the block makes Python forget what it warned of, which it does but once a place.
        warnings.filters[:] = filters

    shell.renew = renew


KERNEL = _Kernel()
