"""The text of a spec while it is being edited: its mistakes, and the project that it would be."""

import os

from attrs import evolve

from envforge import whole_file
from envforge.environment.projects.project import Project
from envforge.errors import SpecError
from envforge.spec import parse

FILENAME = "spec"
"""What messages about a draft call the file."""


def read(path: str) -> str:
    """Return a spec's text. Raises SpecError where it cannot be read or is no UTF-8."""
    try:
        return parse.read(path).decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8", hint="convert it with `iconv`") from error


def check(text: str) -> str:
    """Return every mistake in a spec's text, as in a SpecError's message; empty for a good one."""
    try:
        parse.parse_all(text.encode(), FILENAME)
    except SpecError as error:
        return error.message
    return ""


def of(project: Project, text: str) -> Project:
    """Return the project as it would be with that text as its spec. Raises SpecError."""
    data = text.encode()
    return evolve(project, specs=parse.parse_all(data, project.spec_path), spec_data=data)


def save(path: str, text: str) -> None:
    """Replace a spec atomically, keeping its mode; a link is followed. Raises SpecError where that fails."""
    try:
        whole_file.write(os.path.realpath(path), text.encode(), mode=None)
    except OSError as error:
        raise SpecError(
            f"{path} cannot be written: {error.strerror}", hint="it is left as it was; check who owns it"
        ) from error
