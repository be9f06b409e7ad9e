"""The rooms of the package that a reader calls; the others are machinery."""

from pathlib import Path

import spectralgrad

PACKAGE = Path(spectralgrad.__file__).parent
ROOMS = ("theory", "frameworks", "recipes", "verdict", "matrices", "testing")


def modules(room):
    """Public modules of a room, with their names below the package; it may be one module."""
    for path in sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]:
        names = path.relative_to(PACKAGE).with_suffix("").parts
        if not any(name[0] == "_" and name != "__init__" for name in names):
            yield ".".join(names).removesuffix(".__init__")
