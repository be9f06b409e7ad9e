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


def said(error: BaseException, limit: int | None = 300) -> str:
    """What another library said, in one line; the kind of error where it said nothing."""
    return one_line(" ".join(str(error).split()) or type(error).__name__, limit)
