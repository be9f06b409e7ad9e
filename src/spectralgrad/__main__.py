"""The command: ``spectralgrad``, or ``python -m spectralgrad``."""

from spectralgrad.system import interruption


def main() -> None:
    """Run the command line, and end the process."""
    interruption.catch()
    import atexit
    import os
    import sys

    # What is closed, as some that start programs leave it, would be taken for a file of ours.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115

    from spectralgrad import cli

    status = cli.main()
    # Python would go on for as long as the frameworks take to unload, and be deaf to signals.
    atexit._run_exitfuncs()
    os._exit(status)


if __name__ == "__main__":
    main()
