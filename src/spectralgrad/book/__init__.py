"""The book: what papermill, Sphinx and Chromium are needed for, and the words of its chapters."""
