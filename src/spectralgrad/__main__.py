"""The command: ``spectralgrad``, or ``python -m spectralgrad``."""

from spectralgrad.system import interruption


def main() -> None:
    """Run the command line, and end the process."""
    interruption.catch()
    import atexit
    import os

    from spectralgrad import cli

    status = cli.main()
    # Python would go on for as long as the frameworks take to unload, and be deaf to signals.
    atexit._run_exitfuncs()
    os._exit(status)


if __name__ == "__main__":
    main()
