"""A bar of what is left to be done."""

import sys
import threading
from typing import Self

from tqdm import tqdm

from spectralgrad.survey import files
from spectralgrad.system import interruption


class Progress:
    """How much there is to be done is counted while it is done."""

    @interruption.whole
    def __init__(self, roots: list[str]) -> None:
        # Into a file it writes now and then, on a terminal ten times a second.
        interval = 0.1 if sys.stderr.isatty() else 60
        self._bar = tqdm(unit=" matrices", mininterval=interval, maxinterval=interval)
        self._roots, self._correction = roots, 0
        self._counted: int | None = None
        self._said, self._is_over = "", False

    @interruption.whole
    def __enter__(self) -> Self:
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._bar.close()

    def _count(self) -> None:
        number = 0
        for path in files.paths(self._roots):
            if self._is_over:
                return
            number += files.count(path)
        self._counted = number

    def correct(self, difference: int) -> None:
        """Note that there are more to be done than was counted, or fewer."""
        self._correction += difference

    def say(self, text: str) -> None:
        """Show a few words beside the bar."""
        if text != self._said:
            self._said = text
            self._bar.set_postfix_str(text)

    def advance(self) -> None:
        """Note that one is done."""
        if self._counted is not None:
            self._bar.total = self._counted + self._correction
        self._bar.update()
