"""Finds the container that somebody means. Loaded on the warm path.

By its name or id, by a service of the project here, by the beginning of an id, in this order: a service `db`
would else be the beginning of any id `db…`.
"""

import os

from envforge import trust
from envforge.containers import records
from envforge.errors import AmbiguousError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.records import Container


def spec_here(file: "str | None" = None) -> str:
    """Return the real path of the named or the nearest spec, which is not read; empty where there is none."""
    if file is not None:
        return os.path.realpath(file)
    try:
        found = trust.find(os.getcwd())
    except FileNotFoundError:
        return ""
    return "" if found is None or trust.leads_away(found) else os.path.realpath(found)


def find(store: str, named: str, file: "str | None" = None, instance: str = "") -> "Container":
    """Return the container as its records say; `file` and `instance` say whose services are meant.

    Raises NotFoundError, AmbiguousError, StoreError.
    """
    identifier = records.exact(store, named)
    if identifier:
        return records.read(store, identifier)
    spec = spec_here(file)
    found = of_service(store, spec, named, instance) if spec else None
    return found or records.read(store, records.beginning(store, named))


def of_service(store: str, spec: str, service: str, instance: str = "") -> "Container | None":
    """Return the container of a project's service, None where no instance has one.

    Raises NotFoundError where only other instances do, AmbiguousError for several.
    """
    every = [one for one in of_project(store, spec) if one.config["service"] == service]
    found = [one for one in every if one.config["instance"] == instance]
    if len(found) > 1:
        listed = ", ".join(f"{one.name} ({one.id})" for one in found)
        raise AmbiguousError(
            f"{service} is the service of several containers: {listed}", hint="name one of them"
        )
    if every and not found:
        others = sorted({one.config["instance"] for one in every})
        raise NotFoundError(
            f"the service {service} has no container here, but in the instances: "
            + ", ".join(one or "(the usual one)" for one in others),
            hint=f"write the container's name, such as {every[0].name}, or --instance NAME",
        )
    return found[0] if found else None


def of_project(store: str, spec: str) -> "list[Container]":
    """Return the containers of a project's services, as records say, of all its instances."""
    return [one for one in records.read_all(store) if one.config["service"] and one.config["project"] == spec]
