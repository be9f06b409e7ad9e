"""What stops a command; each message says in one line what happened."""


class BookError(Exception):
    """Something outside the program's power stopped a build; the message is one line."""


class InputError(BookError):
    """The reader asked for something that cannot be; the message says what to do."""


class ChapterError(BookError):
    """A chapter failed while it was executed."""
