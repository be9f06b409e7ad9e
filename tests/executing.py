"""Execute a chapter as a reader does, and read what the page concludes."""

import json
import subprocess
import sys
from pathlib import Path

from spectralgrad import book


def execute(chapter, folder, **parameters):
    """Run plain papermill in a folder; return the facts and the sentences of the page."""
    command = [sys.executable, "-m", "papermill", str(book.chapters()[chapter]), "out.ipynb"]
    command += ["--no-progress-bar", "--log-level", "ERROR"]
    for name, value in parameters.items():
        command += ["-p", name, str(value)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads(Path(folder, "out.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [out for cell in cells for out in cell.get("outputs", ())]
    assert not [out for out in outputs if out.get("name") == "stderr"]
    shown = ["".join(out["data"].get("text/markdown", "")) for out in outputs if "data" in out]
    # An empty sentence would be rendered as the name of its class.
    assert not [out for out in outputs if out.get("data", {}).get("text/markdown") == ""]
    (facts,) = (c for c in cells if "facts" in c["metadata"].get("tags", ()))
    return json.loads("".join(facts["outputs"][0]["text"])), " ".join(filter(None, shown)), cells
