"""What stops a command; each message says in one line what happened."""


class CommandError(Exception):
    """Something outside the program's power stopped a build; the message is one line."""


class InputError(CommandError):
    """The reader asked for something that cannot be; the message says what to do."""


class ChapterError(CommandError):
    """A chapter failed while it was executed."""


def one_line(text: str, limit: int | None = None) -> str:
    """Escape whatever could break a line or a terminal, after what is longer is shortened."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
