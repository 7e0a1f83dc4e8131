"""`[services.NAME]`: what is read, and every contradiction with its place."""

import pytest

from envforge.environment.projects.reach import is_loopback, reach_of
from envforge.errors import SpecError
from envforge.spec.keys import written
from envforge.spec.parse import parse, parse_all
from envforge.spec.service.model import Health, Service

HEAD = 'name = "x"\ndebian.suite = "bookworm"\n'
WEB = '[services.web]\ncommand = ["web"]\n'


def test_a_service_is_read_with_what_it_leaves_out():
    spec = parse(f"{HEAD}{WEB}depends-on = ['db']\n[services.db]\ncommand = ['db']\n".encode(), "x")
    assert spec.services == {
        "web": Service(command=("web",), depends_on=("db",)),
        "db": Service(command=("db",)),
    }
    assert spec.services["web"].health == Health()
    assert written(spec)["services"]["web"] == {"command": ["web"], "depends-on": ["db"]}


def test_every_environment_has_all_services_of_the_spec():
    found = parse_all(
        f"{HEAD}{WEB}environment = 'db'\n[environments.db]\nextends = 'default'\n".encode(), "x"
    )
    assert found["db"].services == found["default"].services


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services = 1", "x:3:12: services: must be a table, not a number; write [services.NAME]"),
        ("[services.Web]\ncommand = ['w']", 'x:3:11: services.Web: "Web" is not a service\'s name'),
        ("[services.web]", "services.web.command: is missing"),
        (f"{WEB}comand = ['x']", "x:5:1: services.web.comand: unknown key; did you mean command?"),
        (
            f"{WEB}depends-on = ['dbb']\n[services.db]\ncommand = ['d']",
            'x:5:15: services.web.depends-on[0]: there is no service "dbb"; did you mean "db"?',
        ),
        (f"{WEB}depends-on = ['web']", "a service cannot wait for itself"),
        (
            f"{WEB}depends-on = ['a']\n[services.a]\ncommand = ['a']\ndepends-on = ['web:started']",
            "x:5:15: services.web.depends-on[0]: goes in a circle: web -> a -> web",
        ),
        (
            f"{WEB}depends-on = ['a:healthy']\n[services.a]\ncommand = ['a']",
            "services.web.depends-on[0]: a has no health check: write [services.a.health]",
        ),
        (
            f"{WEB}depends-on = ['a:completed']\n[services.a]\ncommand = ['a']\nrestart = 'always'",
            'a never completes, as it has restart = "always"',
        ),
        (
            f"{WEB}environment = 'dbs'\n[environments.db.debian]\nsuite = 'bookworm'",
            'services.web.environment: there is no environment "dbs"; did you mean "db"?',
        ),
        (
            f"{WEB}health = {{ tcp = 1, command = ['x'] }}",
            "services.web.health: has command and tcp: one is enough",
        ),
        (f"{WEB}health = {{ retries = 1 }}", "services.web.health: says no way to check"),
        (f"{WEB}health = {{ http = 'https://example.org' }}", "is not an address inside"),
        (
            f"{WEB}health = {{ tcp = 1, interval = '3' }}",
            'is not a duration, such as "500ms", "2s" or "1min"; write',
        ),
        (f"{WEB}publish = ['80']", 'write "80:80", or "auto:80" for a free port'),
        (f"{WEB}publish = ['80:80']\nnetwork = 'host'", "only a private network has ports to publish"),
        (f"{WEB}volumes = ['./data:/data']", "a directory of the host belongs in the service's mounts"),
        (f"{WEB}volumes = ['data:/a', 'more:/a']", '"/a" is the target of another one already'),
        (f"{WEB}secrets = ['key']", 'services.web.secrets[0]: there is no "key" in [secrets]'),
        (f"{WEB}restart = 'sometimes'", 'is not "no", "on-failure"'),
        (
            f"{WEB}[environments.db]\nextends = 'default'\nservices.a.command = ['x']",
            "environments.db.services: belongs to the whole spec: write it at the top",
        ),
        ("secrets.a = 'b'", 'secrets.a: "b" is not "file:PATH", relative to the spec, or "variable:NAME"'),
    ],
)
def test_a_wrong_service_is_told_with_its_place(text: str, message: str):
    with pytest.raises(SpecError) as raised:
        parse(f"{HEAD}{text}\n".encode(), "x")
    assert message in raised.value.message
    assert len(raised.value.message.splitlines()) == 1


def test_what_a_service_wants_of_the_host_needs_consent():
    text = f"""{HEAD}
        [secrets]
        token = "variable:API_TOKEN"
        own = "file:own"
        [services.web]
        command = ["w"]
        user = "postgres"
        publish = ["8080:80", "0.0.0.0:81:81"]
        mounts = [
            {{ source = "public", target = "/p" }},
            {{ source = "/a", target = "/s", read-only = true }},
        ]
    """
    reach = reach_of(parse(text.encode(), "x"), "/project", "/home/u")
    assert [(one.kind, one.text) for one in reach.wants] == [
        ("mount", "see /a"),
        ("pass", "API_TOKEN"),
        ("publish", "0.0.0.0:81:81"),
        ("user", "postgres"),
    ]


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("80:80", True),
        ("auto:80/udp", True),
        ("127.0.0.1:80:80", True),
        ("[::1]:80:80", True),
        ("0.0.0.0:80:80", False),
        ("192.168.1.2:auto:80", False),
        ("[::]:80:80", False),
        ("1-2:1-2", True),
    ],
)
def test_which_ports_only_this_machine_reaches(text: str, local: bool):  # noqa: FBT001
    assert is_loopback(text) is local
