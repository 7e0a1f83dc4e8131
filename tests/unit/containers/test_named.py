"""What somebody calls a container: its name, its id, a project's service, the beginning of an id."""

from pathlib import Path

import pytest

from envforge.containers import named, names, records
from envforge.errors import AmbiguousError, NotFoundError


def make(store: str, identifier: str, name: str, spec: str, *place: str) -> None:
    """Write down a container, of a service and an instance."""
    service, instance = (*place, "", "")[:2]
    directory = Path(records.directory_of(store, identifier))
    directory.mkdir(parents=True)
    config = {"format": 1, "id": identifier, "name": name, "created": 1, "project": spec}
    records.write_config(str(directory), {**config, "service": service, "instance": instance})
    records.write_state(str(directory), records.fresh_state())
    names.take(store, name, identifier)


@pytest.fixture
def store(tmp_path: Path) -> str:
    spec = str(tmp_path / "envforge.toml")
    make(str(tmp_path), "db0000000000", "shop-web", spec, "web")
    make(str(tmp_path), "aa0000000000", "shop-db", spec, "db")
    make(str(tmp_path), "ab0000000000", "shop-test-db", spec, "db", "test")
    make(str(tmp_path), "ac0000000000", "shop-test-cache", spec, "cache", "test")
    make(str(tmp_path), "ad0000000000", "other-db", "/elsewhere/envforge.toml", "db")
    return str(tmp_path)


def test_a_service_comes_before_the_beginning_of_an_id(store):
    spec = f"{store}/envforge.toml"
    assert named.find(store, "db", spec).name == "shop-db"
    assert named.find(store, "db0", spec).name == "shop-web"
    assert named.find(store, "db", "/nowhere/envforge.toml").name == "shop-web"
    assert named.find(store, "db", spec, "test").name == "shop-test-db"
    assert named.find(store, "db", "/elsewhere/envforge.toml").name == "other-db"


def test_a_name_and_a_whole_id_come_first(store):
    spec = f"{store}/envforge.toml"
    make(store, "ae0000000000", "db", "/elsewhere/envforge.toml")
    assert named.find(store, "db", spec).id == "ae0000000000"
    assert named.find(store, "aa0000000000", spec).name == "shop-db"


def test_what_is_not_clear_is_told(store):
    spec = f"{store}/envforge.toml"
    with pytest.raises(NotFoundError, match="test"):
        named.find(store, "cache", spec)
    make(store, "ae0000000000", "again", spec, "web")
    with pytest.raises(AmbiguousError, match="shop-web"):
        named.find(store, "web", spec)
    with pytest.raises(NotFoundError):
        named.find(store, "nothing", spec)
