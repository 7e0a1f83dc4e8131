"""The command line. Only here is printed and exited; what commands do lies behind `envforge.api`."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    from envforge.cli.entry import run  # noqa: PLC0415 (whoever asks for another module of the package needs no click)

    return run(argv)
