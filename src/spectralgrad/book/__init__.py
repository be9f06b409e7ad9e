"""The book: what papermill, Sphinx and Chromium are needed for, and the words of its chapters."""

#: Seconds that one cell of a chapter may take, and its kernel to start.
TIMEOUT = 1800
