"""`completion`: what a shell needs to complete envforge's commands and options."""

import click
from click.shell_completion import get_completion_class

from envforge.cli.command import Command
from envforge.cli.completions import COMPLETE_VARIABLE
from envforge.errors import UsageError


@click.command(
    cls=Command,
    examples="""
        envforge completion bash > ~/.local/share/bash-completion/completions/envforge
        envforge completion zsh > ~/.zfunc/_envforge
        envforge completion fish > ~/.config/fish/completions/envforge.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script for bash, zsh or fish."""
    maker = get_completion_class(shell)
    if maker is None:
        raise UsageError(f"no completion for {shell!r}", hint="bash, zsh and fish are known")
    root = click.get_current_context().find_root().command
    click.echo(maker(root, {}, "envforge", COMPLETE_VARIABLE).source())
