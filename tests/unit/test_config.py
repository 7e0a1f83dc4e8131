"""The user's own configuration: what is taken, and what is refused, all at once."""

import pickle

import pytest

from envforge import config
from envforge.config import Config, Gc
from envforge.errors import ConfigError


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return str(path)

    return write


def test_all_defaults_without_a_file(empty_home):
    assert config.config_path() == f"{empty_home}/.config/envforge/config.toml"
    assert config.load() == Config()


def test_the_base_directories(empty_home, monkeypatch):
    assert config.state_directory() == f"{empty_home}/.local/state/envforge"
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert config.state_directory() == "/somewhere/envforge"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert config.state_directory() == f"{empty_home}/.local/state/envforge"


def test_everything_set(written):
    text = """
    store = "/srv/envforge"
    workers = 4
    connections = 8
    timeout = 10
    proxy = "http://proxy:3128"
    ca-file = "/etc/ssl/our.pem"
    check-valid-until = false
    snapshot = ""
    [mirrors]
    debian = ["http://one/debian/", "file:///mnt/debian"]
    "https://apt.example.org" = "https://copy.example.org"
    [keys]
    debian = "/etc/our.asc"
    [gc]
    max-size = "20GB"
    keep = 5
    """
    assert config.load(written(text)) == Config(
        store="/srv/envforge",
        workers=4,
        connections=8,
        timeout_s=10,
        proxy="http://proxy:3128",
        ca_file="/etc/ssl/our.pem",
        check_valid_until=False,
        snapshot="",
        mirrors={
            "debian": ("http://one/debian", "file:///mnt/debian"),
            "https://apt.example.org": ("https://copy.example.org",),
        },
        keys={"debian": "/etc/our.asc"},
        gc=Gc(20_000_000_000, 5),
    )


def test_garbage_collection_is_off_unless_configured():
    assert not Config().gc
    assert Gc(max_size_bytes=0)
    assert Gc(keep=1)


def test_all_mistakes_are_named_at_once(written):
    text = """
    stor = "/x"
    workers = -1
    connections = true
    proxy = "socks5://x"
    store = "relative"
    mirrors = "http://x"
    check-valid-until = "no"
    """
    with pytest.raises(ConfigError) as caught:
        config.load(written(text))
    lines = caught.value.message.splitlines()
    assert len(lines) == 7
    assert "stor: unknown key, do you mean store?" in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "store = ",
        "\x00",
        "mirrors = { debian = [1] }",
        'keys = { debian = "x" }',
        "gc = 1",
        "gc = { size = 1 }",
        "gc = { max-size = 20 }",
        'gc = { max-size = "much" }',
        "gc = { keep = 0 }",
    ],
)
def test_what_cannot_be_read(written, text):
    with pytest.raises(ConfigError):
        config.load(written(text))


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError):
        config.load(str(tmp_path / "none.toml"))


def test_a_configuration_can_be_a_key():
    assert len({Config(), Config(mirrors={"debian": ("http://x",)}), Config()}) == 2


def test_it_reaches_another_process():
    assert pickle.loads(pickle.dumps(Config())) == Config()
