"""What every command asks of the operating system.

`interruption` says what stops it, `processes` has work done elsewhere, `programs` executes what a
reader has written, `storage` puts files and folders into place, and `errors` are what a command
ends with: one line, and an exit status.
"""
