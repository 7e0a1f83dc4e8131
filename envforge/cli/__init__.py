"""The command line: the only place that prints and exits. What commands do lies behind `envforge.api`."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    from envforge.cli.entry import run  # noqa: PLC0415 (other modules of the package do without click)

    return run(argv)
