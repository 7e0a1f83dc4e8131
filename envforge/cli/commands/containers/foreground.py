"""A container in the foreground: `run --name` and `run SERVICE` without `-d`."""

from typing import TYPE_CHECKING

import click

from envforge.cli.commands.containers.attach import carry
from envforge.cli.commands.containers.log_lines import show
from envforge.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from envforge.api.containers import Container


def attend(container: "Container", *, remove: bool) -> int:
    """Be in the place of a container that was started with `foreground`; return its exit code.

    It is removed in the end, if so asked, unless somebody has left it alone by Ctrl-P Ctrl-Q.
    """
    from envforge.api import containers, containers_logs  # noqa: PLC0415 (help needs none of it)

    keys = containers_logs.Keys()
    try:
        container = containers.find(container.store, container.id)  # as it is now that it runs
        try:
            attachment = containers_logs.Attachment(container)
        except ConflictError:  # it has ended already
            show(containers_logs.entries(container), timestamps=False)
            return containers.wait(containers.find(container.store, container.id))
        return carry(container, attachment, keys)
    finally:
        if remove and not keys.is_detached:
            try:
                containers.remove(containers.find(container.store, container.id), force=True)
            except NotFoundError:
                click.echo(f"{container.name} has been removed meanwhile", err=True)
