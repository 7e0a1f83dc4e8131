"""The `envforge` command itself: which commands there are, and in which module each one is."""

from importlib import import_module
from typing import Any, Final

import click

from envforge.cli.command import Group, global_options
from envforge.cli.settings import Settings

# Heading -> command -> module of envforge.cli.commands; the module holds the command under its own name.
COMMANDS: Final[dict[str, dict[str, str]]] = {
    "Project": {
        "init": "project",
        "add": "project",
        "remove": "project",
        "lock": "project",
        "build": "build",
        "shell": "enter",
        "run": "enter",
        "exec": "exec",
        "allow": "allow",
    },
    "Containers": {
        "ps": "containers.listing",
        "logs": "containers.logs",
        "attach": "containers.attach",
        "start": "containers.life",
        "stop": "containers.life",
        "restart": "containers.life",
        "kill": "containers.life",
        "rm": "containers.life",
        "wait": "containers.life",
        "stats": "containers.resources",
        "top": "containers.resources",
        "pause": "containers.resources",
        "unpause": "containers.resources",
        "update": "containers.resources",
        "rename": "containers.life",
        "inspect": "containers.inspecting",
        "port": "containers.inspecting",
        "cp": "containers.copying",
        "changes": "containers.inspecting",
        "capture": "containers.capturing",
    },
    "Environments": {
        "ls": "environments",
        "show": "environments",
        "tree": "tree",
        "history": "history",
        "rollback": "history",
        "diff": "comparing.diff",
        "why": "comparing.why",
        "why-rebuilt": "comparing.why",
        "owns": "comparing.why",
    },
    "Services": {"up": "services", "down": "services", "volume": "volume"},
    "Space": {"du": "usage", "gc": "gc", "root": "roots"},
    "Proof": {"verify": "proof", "ci": "proof"},
    "Store": {"fsck": "fsck", "store": "store"},
    "Other": {"tui": "tui", "doctor": "doctor", "completion": "completion"},
}
_MODULES: Final = {name: module for group in COMMANDS.values() for name, module in group.items()}
# What users of other tools type first.
_HABITS: Final = {
    "check": "verify",
    "clean": "gc",
    "consent": "allow",
    "develop": "shell",
    "enter": "shell",
    "info": "show",
    "install": "add",
    "list": "ls",
    "log": "history",
    "prune": "gc",
    "sync": "build",
    "undo": "rollback",
    "trust": "allow --trust",
    "pin": "root add",
    "uninstall": "remove",
    "update": "lock --upgrade",
    "upgrade": "lock --upgrade",
}


class Root(Group):
    """A group that loads a command's module when the command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name in the order of the help."""
        del ctx
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, loading its module; None where there is no such command."""
        del ctx
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(
            import_module(f"envforge.cli.commands.{module}"), cmd_name.replace("-", "_")
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and note its name: `run`, `shell`, `exec`, `ci` report failures differently."""
        found = super().resolve_command(ctx, args)
        settings = ctx.ensure_object(Settings)
        settings.command = args[0]
        settings.json = settings.json or args[0] == "ci"
        return found

    def suggestion(self, ctx: click.Context, name: str, names: list[str]) -> str:
        """Return the hint for an unknown command, from other tools' names first."""
        if name in _HABITS:
            return f"did you mean `envforge {_HABITS[name]}`?"
        return super().suggestion(ctx, name, names)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        for heading, names in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self._short_help(ctx, name)) for name in names])

    def _short_help(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command else ""


def _make_root() -> Root:
    attributes: dict[str, Any] = {"context_settings": {"help_option_names": ["-h", "--help"]}}
    return Root(
        "envforge",
        help=(
            "Locked, content-addressed, rootless development environments from one TOML file.\n\n"
            "Start with `envforge init`, then `envforge shell`. "
            "The long options below may stand behind the command too."
        ),
        params=global_options(before_command=True),
        **attributes,
    )


root: Final = _make_root()
