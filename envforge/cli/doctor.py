"""`doctor`: what this machine lacks, and the command that mends it."""

import click

from envforge.cli.command import Command


@click.command(cls=Command)
def doctor() -> None:
    """Tell what this machine lacks, why, and the command that mends it."""
