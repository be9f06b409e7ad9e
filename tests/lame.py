"""Frameworks that go wrong, in place of real ones, for the processes that ask them."""

import os
from pathlib import Path

HANGS = "import time\ntime.sleep(600)\n"
CRASHES = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
SIGNALLED = "import os\nos.kill(os.getpid(), 40)\n"
CLOSES = "import os\nos.closerange(3, 99)\n" + HANGS
ENDS = "import os\nos.write(2, b'Illegal thing\\n')\nos._exit(3)\n"
RAISES = "raise RuntimeError('built for another processor')\n"
MISSES = "raise ModuleNotFoundError('there is none', name='tensorflow')\n"
LACKS = "import there_is_none\n"

# One that is called as TensorFlow is, and differentiates as it is told.
FAKE = """
import os
import numpy as np
__version__ = "9"
class linalg:
    eigvalsh = staticmethod(np.linalg.eigvalsh)
def constant(given):
    return given
convert_to_tensor = constant
class GradientTape:
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def watch(self, arrays):
        pass
    def gradient(self, value, arrays, cotangent, unconnected_gradients):
        return [answer(*arrays)]
"""


def make(monkeypatch, name, text):
    """Have a process that is started from now on import this text for a module."""
    folder = Path("lame").absolute()
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    # An empty place would be the current folder.
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *given]))
