"""The reference and the JSON schema follow the models, and are current in specs/."""

import json
import tomllib
from pathlib import Path

import pytest
from attrs import fields
from jsonschema import Draft7Validator

from envforge.spec.keys import key_of
from envforge.spec.model import tables
from envforge.spec.parse import parse, parse_all
from envforge.spec.reference.page import EXAMPLE, SCHEMA_NAME, reference, schema

SPECS = Path(__file__).parents[3] / "specs"
SAME = ("[[services.NAME.mounts]]", "[services.NAME.limits]")
"""Tables that another one describes."""
MEND = "run `python -m envforge.spec.reference`"


def test_the_reference_is_current():
    assert (SPECS / "README.md").read_text() == reference(), MEND


def test_the_schema_is_current():
    assert json.loads((SPECS / SCHEMA_NAME).read_text()) == schema(), MEND


def test_every_key_is_in_the_reference():
    text = reference()
    for header, kind in tables():
        assert not header or f"## `{header}`" in text or header in SAME
        for attribute in fields(kind):
            name = key_of(attribute).name
            named = (f"**`{name}`**", f"[{name}]", f".{name}]", f"[{name}.NAME]")
            assert any(one in text for one in named), name


def test_the_example_is_a_spec_with_nearly_every_key():
    spec = parse(EXAMPLE.encode(), "example")
    assert spec.debian.archives
    absent = {
        key_of(item).name for _, kind in tables() for item in fields(kind) if key_of(item).name not in EXAMPLE
    }
    assert absent == {"key-source"}


def test_the_schema_is_one():
    Draft7Validator.check_schema(schema())


@pytest.mark.parametrize(
    "path", [*sorted(SPECS.glob("*/envforge.toml")), None], ids=lambda path: path and path.parent.name
)
def test_the_schema_takes_specs(path: Path | None):
    text = path.read_text() if path else EXAMPLE
    assert list(Draft7Validator(schema()).iter_errors(tomllib.loads(text))) == []


def test_the_schema_takes_environments():
    text = """
        name = "x"
        debian.suite = "bookworm"
        [environments.a]
        extends = "default"
        debian.packages = ["jq"]
        [environments.b]
        debian.suite = "trixie"
        shell.command = ["zsh"]
    """
    assert list(Draft7Validator(schema()).iter_errors(tomllib.loads(text))) == []
    assert list(parse_all(text.encode(), "x")) == ["default", "a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'name = "X"\ndebian.suite = "bookworm"',
        'name = "x"\ndebian.suite = "stable"',
        'name = "x"\ndebian.suite = "bookworm"\nnix = 1',
        'name = "x"\ndebian = { suite = "bookworm", packages = ["A"] }',
        'name = "x"\ndebian.suite = "bookworm"\n[[mounts]]\nsource = "a"',
        'name = "x"\ndebian.suite = "bookworm"\nshell.home = "none"',
        'name = "x"\ndebian.suite = "bookworm"\n[environments.default]',
        'name = "x"\ndebian.suite = "bookworm"\n[environments.a]\nname = "y"',
        'name = "x"\ndebian.suite = "bookworm"\n[environments."a b"]',
        'name = "x"\ndebian.suite = "bookworm"\n[environments.a.shel]',
        'name = "x"\ndebian.suite = "bookworm"\nvariables.A-B = "x"',
        'name = "x"\ndebian.suite = "bookworm"\nfiles = [{ source = "/a", target = "/b" }]',
        'name = "x"\ndebian.suite = "bookworm"\nfiles = [{ source = "a", target = "/b/.." }]',
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(text: str):
    assert list(Draft7Validator(schema()).iter_errors(tomllib.loads(text)))
