"""Put into the wheel, beside the package, what its pages are made of."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = ("_config.yml", "references.bib", "assets/*", "chapters/*.ipynb")
_INSIDE = "spectralgrad/book/sources"


class Sources(BuildHookInterface):
    """The sources of the book that a report needs, and the scripts that npm brought for it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files; a wheel does without the scripts, as from a clone without npm."""
        root, of_wheel = Path(self.root), self.target_name == "wheel"
        if of_wheel and version == "editable":
            return
        listed = tomllib.loads((root / "src/spectralgrad/book/scripts.toml").read_text("utf-8"))
        scripts = [f"node_modules/{path}" for files in listed.values() for path in files]
        if missing := [path for path in scripts if not (root / path).is_file()]:
            message = f"{missing[0]} is missing; run `npm ci`"
            if not of_wheel:
                raise FileNotFoundError(message)
            self.app.display_warning(f"{message}: this wheel makes no reports")
            scripts = []
        # An sdist has the sources anyway.
        place, patterns = (f"{_INSIDE}/", (*_SOURCES, *scripts)) if of_wheel else ("", scripts)
        for path in (path for pattern in patterns for path in root.glob(pattern)):
            build_data["force_include"][str(path)] = place + str(path.relative_to(root))
