"""Reading specs: good ones become models, bad ones give every error with its place."""

import os

import pytest

from envforge import __version__
from envforge.environment.projects.location import find
from envforge.errors import SpecError
from envforge.spec.from_outside import Mount
from envforge.spec.keys import written
from envforge.spec.model import Archive, Debian, LocalFile, Network, Shell, Spec
from envforge.spec.parse import load, parse

WHOLE = """\
name = "shop"
description = "the shop's development environment"
requires-envforge = ">=0.1"

[debian]
suite = "bookworm"
packages = ["git", "nodejs=18.*", "libstdc++-12-dev", "openssl=3.0.*~deb12u?"]
recommends = true
components = ["main", "contrib"]
pockets = ["security", "backports"]

[[debian.archive]]
uri = "https://apt.example.org/pub/debian"
suite = "bookworm-pgdg"
components = ["main"]
key = "keys/pgdg.asc"

[[files]]
source = "deploy/app.conf"
target = "/etc/app.conf"
mode = "0644"

[variables]
APP_ENV = "development"

[shell]
command = ["bash", "-l"]
home = "host"
user = "root"
pass = ["EDITOR", "AWS_*"]
forward = ["ssh-agent"]
privileges = true
nested = true

[[mounts]]
source = "~/.gitconfig"
target = "~/.gitconfig"
read-only = true
optional = true

[network]
mode = "none"
"""

MINIMAL = 'name = "x"\n[debian]\nsuite = "bookworm"\n'


def errors_of(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(SpecError) as caught:
        parse(data, "envforge.toml")
    return caught.value.message.split("\n")


def error_of(text: str | bytes) -> str:
    (only,) = errors_of(text)
    return only


def test_every_key_reaches_the_model():
    assert parse(WHOLE.encode(), "f") == Spec(
        name="shop",
        description="the shop's development environment",
        requires_envforge=">=0.1",
        debian=Debian(
            suite="bookworm",
            packages=("git", "nodejs=18.*", "libstdc++-12-dev", "openssl=3.0.*~deb12u?"),
            recommends=True,
            components=("main", "contrib"),
            pockets=("security", "backports"),
            archives=(
                Archive(
                    uri="https://apt.example.org/pub/debian",
                    suite="bookworm-pgdg",
                    components=("main",),
                    key="keys/pgdg.asc",
                ),
            ),
        ),
        files=(LocalFile(source="deploy/app.conf", target="/etc/app.conf", mode="0644"),),
        variables={"APP_ENV": "development"},
        shell=Shell(
            command=("bash", "-l"),
            home="host",
            user="root",
            pass_=("EDITOR", "AWS_*"),
            forward=("ssh-agent",),
            privileges=True,
            nested=True,
        ),
        mounts=(Mount(source="~/.gitconfig", target="~/.gitconfig", read_only=True, optional=True),),
        network=Network(mode="none"),
    )


def test_defaults():
    spec = parse(MINIMAL.encode(), "f")
    assert spec.debian == Debian(
        suite="bookworm",
        packages=(),
        recommends=False,
        components=("main",),
        pockets=("updates", "security"),
        archives=(),
    )
    assert spec.shell == Shell(command=("bash",), home="private", user="self")
    assert spec.network.mode == "host"
    assert (spec.files, spec.mounts, spec.variables) == ((), (), {})


def test_sid_has_no_pockets_of_its_own():
    assert parse(b'name = "x"\ndebian.suite = "sid"\n', "f").debian.pockets == ()


def test_written_leaves_defaults_away_and_comes_back():
    spec = parse(WHOLE.encode(), "f")
    said = written(spec)
    assert said["shell"]["pass"] == ["EDITOR", "AWS_*"]
    assert said["mounts"] == [
        {"source": "~/.gitconfig", "target": "~/.gitconfig", "read-only": True, "optional": True}
    ]
    assert "components" not in said["debian"]["archive"][0]
    assert written(parse(MINIMAL.encode(), "f")) == {"name": "x", "debian": {"suite": "bookworm"}}
    explicit = MINIMAL + '[shell]\nhome = "private"\n[network]\nmode = "host"\n'
    assert written(parse(explicit.encode(), "f")) == written(parse(MINIMAL.encode(), "f"))


def test_windows_line_ends_are_read():
    assert parse(WHOLE.replace("\n", "\r\n").encode(), "f") == parse(WHOLE.encode(), "f")


def test_all_errors_come_at_once_in_the_order_of_the_file():
    text = """\
name = "My Shop"
descripton = "x"

[debian]
suite = "bookwrm"
packages = [
  "git",
  "Curl",
  "nodejs>=18",
]

[shell]
privileges = true
home = "hots"

[network]
mode = "bridge"

[limits]
memory = "lots"
"""
    assert errors_of(text) == [
        (
            'envforge.toml:1:8: name: "My Shop" is not a name: up to 63 lower-case letters, digits and '
            'hyphens, the first no hyphen; "my-shop" would do'
        ),
        "envforge.toml:2:1: descripton: unknown key; did you mean description?",
        'envforge.toml:5:9: debian.suite: "bookwrm" is not a suite\'s name; did you mean "bookworm"?',
        (
            'envforge.toml:8:3: debian.packages[1]: "Curl" is not a package\'s name, or name=version; '
            'write it in lower case: "curl"'
        ),
        (
            'envforge.toml:9:3: debian.packages[2]: "nodejs>=18" is not a package\'s name, or name=version; '
            'a version is pinned by = and may end in *: "nodejs=18.*"'
        ),
        (
            'envforge.toml:13:14: shell.privileges: cannot be true with user = "self", where your own id has '
            "changed places with root's and set-id programs would be of no use; "
            'write user = "root" or the name of another user of the environment'
        ),
        'envforge.toml:14:8: shell.home: must be "private" or "host", not "hots"; did you mean "host"?',
        'envforge.toml:17:8: network.mode: must be "host", "private" or "none", not "bridge"',
        'envforge.toml:20:10: limits.memory: "lots" is not a size, such as "512MiB" or "2GB"',
    ]


@pytest.mark.parametrize(
    ("addition", "place", "says"),
    [
        # wrong types, wherever they stand
        ("[variables]\nPORT = 80\n", "5:8: variables.PORT", 'write it in quotes: "80"'),
        ("[variables]\nPORT = true\n", "5:8: variables.PORT", 'write it in quotes: "true"'),
        ("[variables]\nDAY = 2024-01-01\n", "5:7: variables.DAY", "not a date or time"),
        ("[variables]\nLIST = ['a']\n", "5:8: variables.LIST", "not a list"),
        ('[shell]\ncommand = "bash -l"\n', "5:11: shell.command", 'write ["bash", "-l"]'),
        ("[shell]\ncommand = []\n", "5:11: shell.command", "must not be empty"),
        ('[shell]\ncommand = [["bash"]]\n', "5:12: shell.command[0]", "not a list"),
        ('[shell]\nprivileges = "yes"\n', "5:14: shell.privileges", "write true, without quotes"),
        ("[[shell]]\n", "4:3: shell", "write [shell]"),
        ('[mounts]\nsource = "a"\ntarget = "/b"\n', "4:2: mounts", "write [[mounts]]"),
        ("mounts = 3\n", "4:1: debian.mounts", "[[mounts]]"),
        # places inside arrays, inline tables and arrays of tables
        (
            '[[mounts]]\nsource = "a"\ntarget = "/b"\n\n[[mounts]]\nsource = "c"\ntarget = "d"\n',
            "10:10: mounts[1].target",
            '"/d"',
        ),
        ('[[mounts]]\nsource = "a"\n', "4:3: mounts[0].target", "is missing"),
        (
            '[network]\n"mode" = \'none\'\n[shell]\n  pass = [ "A",\n  # "B"\n\t"C D" ] # x\n',
            "9:2: shell.pass[1]",
            "a variable's name",
        ),
        (
            '[[debian.archive]]\nuri = "ftp://x"\nsuite = "a"\n',
            "5:7: debian.archive[0].uri",
            "begins with http",
        ),
        (
            '[[debian.archive]]\nuri = "https://me:secret@x/debian"\nsuite = "a"\n',
            "5:7: debian.archive[0].uri",
            "your own configuration",
        ),
        (
            "[[files]]\nsource = '''a'''\ntarget='/a'\n[[files]]\nsource = 'b'\ntarget='/b'\nmod='1'\n",
            "10:1: files[1].mod",
            "did you mean mode",
        ),
        # bad values
        ('[[files]]\nsource = "/etc/x"\ntarget = "/x"\n', "5:10: files[0].source", "relative to the spec"),
        ('[[files]]\nsource = "a"\ntarget = "/a/../b"\n', "6:10: files[0].target", "without .."),
        ('[[files]]\nsource = "a"\ntarget = "/a/"\n', "6:10: files[0].target", "without a slash at its end"),
        ('[[files]]\nsource = "a"\ntarget = "/"\n', "6:10: files[0].target", "absolute path"),
        ('[[files]]\nsource = "a"\ntarget = "/run/a"\n', "6:10: files[0].target", "never be seen"),
        ('[[files]]\nsource = "a"\ntarget = "/a"\nmode = "0o644"\n', "7:8: files[0].mode", '"0644"'),
        ('[[files]]\nsource = "a"\ntarget = "/a"\nmode = "888"\n', "7:8: files[0].mode", "octal"),
        ('[[mounts]]\nsource = "~bob/x"\ntarget = "/x"\n', "5:10: mounts[0].source", "your own home"),
        ('[[mounts]]\nsource = "a"\ntarget = "~/../x"\n', "6:10: mounts[0].target", "without .."),
        ('[[mounts]]\nsource = "a"\ntarget = "/proc/x"\n', "6:10: mounts[0].target", "cannot be covered"),
        ('[variables]\n"A-B" = "x"\n', "5:1: variables.A-B", "a variable's name"),
        ('[variables]\nA = "x\\u0000"\n', "5:5: variables.A", "NUL"),
        ('[variables]\nHOME = "/x"\n', "5:1: variables.HOME", "shell.home"),
        ('[shell]\nuser = "Bob"\n', "5:8: shell.user", '"bob"'),
        ('[shell]\npass = ["A=b"]\n', "5:9: shell.pass[0]", "[variables]"),
        ('[shell]\npass = ["*"]\n', "5:9: shell.pass[0]", "name what you need"),
        ('[shell]\npass = ["SSH_AUTH_SOCK"]\n', "5:9: shell.pass[0]", 'forward = ["ssh-agent"]'),
        ('[shell]\nforward = ["dbus"]\n', "5:12: shell.forward[0]", '"ssh-agent"'),
        ('components = ["man"]\n', "4:15: debian.components[0]", 'did you mean "main"'),
        ('pockets = ["bookworm-security"]\n', "4:12: debian.pockets[0]", 'leave the suite away: "security"'),
        ('packages = ["git curl"]\n', "4:13: debian.packages[0]", '"git", "curl"'),
        ('packages = ["libc6:i386"]\n', "4:13: debian.packages[0]", "another architecture"),
        ('packages = ["vim/bookworm-backports"]\n', "4:13: debian.packages[0]", "slash"),
        ('packages = ["git="]\n', "4:13: debian.packages[0]", "name=version"),
        # unknown keys
        ('env = "x"\n', "4:1: debian.env", "unknown key; known here"),
        ('name = "x"\n', "4:1: debian.name", "at the top of the file"),
        ("[env]\n", "4:2: env", "here it is called variables"),
        ("[shell]\nnetwork.mode = 'none'\n", "5:1: shell.network", "a table of its own: [network]"),
        # contradictions
        (
            '[variables]\nA = "x"\n[shell]\npass = ["A"]\n',
            "7:9: shell.pass[0]",
            "only one of the two",
        ),
        ('packages = ["a1=1", "b2", "a1=2"]\n', "4:27: debian.packages[2]", "contradicts"),
        (
            '[[mounts]]\nsource="a"\ntarget="/b"\n[[mounts]]\nsource="c"\ntarget="/b"\n',
            "9:8: mounts[1].target",
            "mounts[0]",
        ),
        (
            '[[files]]\nsource="a"\ntarget="/b"\n[[files]]\nsource="c"\ntarget="/b"\n',
            "9:8: files[1].target",
            "files[0]",
        ),
        (
            f'[[debian.archive]]\nuri="http://x"\nsuite="s"\nkey="{"A" * 40}"\n',
            "7:5: debian.archive[0].key",
            "key-source",
        ),
        (
            '[[debian.archive]]\nuri="http://x"\nsuite="s"\nkey="a.asc"\nkey-source="http://k"\n',
            "8:12: debian.archive[0].key-source",
            "fingerprint",
        ),
        (
            f'[[debian.archive]]\nuri="http://x"\nsuite="s"\nkey="{"ab12 " * 10}"\n',
            "7:5: debian.archive[0].key",
            '"' + "AB12" * 10 + '"',
        ),
    ],
)
def test_one_error_and_its_place(addition: str, place: str, says: str):
    message = error_of(MINIMAL + addition)
    assert message.startswith(f"envforge.toml:{place}: "), message
    assert says in message


@pytest.mark.parametrize("suite", ["stable", "testing", "bookworm-backports", "Trixie", "trixi", ""])
def test_suites_that_are_refused(suite: str):
    assert error_of(MINIMAL.replace("bookworm", suite)).startswith("envforge.toml:3:9: debian.suite: ")


@pytest.mark.parametrize("suite", ["bookworm", "trixie", "forky", "sid", "duke"])
def test_suites_that_are_taken(suite: str):
    assert parse(MINIMAL.replace("bookworm", suite).encode(), "f").debian.suite == suite


@pytest.mark.parametrize("user", ["self", "root", "postgres", "_apt", "www-data"])
def test_users_that_are_taken(user: str):
    assert parse(f'{MINIMAL}[shell]\nuser = "{user}"\n'.encode(), "f").shell.user == user


@pytest.mark.parametrize("user", ["root", "postgres"])
def test_privileges_go_with_another_user(user: str):
    spec = parse(f'{MINIMAL}[shell]\nprivileges = true\nuser = "{user}"\n'.encode(), "f")
    assert spec.shell.privileges


def test_a_wrong_user_is_no_contradiction_as_well():
    message = error_of(MINIMAL + "[shell]\nprivileges = true\nuser = 0\n")
    assert "shell.user: must be a text" in message


def test_naming_a_package_twice_does_no_harm():
    spec = parse((MINIMAL + 'packages = ["git", "git"]\n').encode(), "f")
    assert spec.debian.packages == ("git", "git")


def test_missing_keys_of_an_empty_file():
    assert errors_of("") == [
        "envforge.toml:1:1: name: is missing",
        "envforge.toml:1:1: debian: is missing",
    ]


def test_missing_suite_is_said_at_the_header():
    assert error_of('name = "x"\n\n[debian]\n') == "envforge.toml:3:2: debian.suite: is missing"


def test_requires_envforge():
    fits = MINIMAL.replace("\n", f'\nrequires-envforge = "=={__version__}"\n', 1)
    assert parse(fits.encode(), "f").requires_envforge == f"=={__version__}"
    newer = error_of(MINIMAL.replace("\n", '\nrequires-envforge = ">=99.1"\n', 1))
    assert newer.startswith("envforge.toml:2:21: requires-envforge: this is envforge")
    assert "not a version specifier" in error_of(MINIMAL.replace("\n", '\nrequires-envforge = "newest"\n', 1))


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ('name = "x\nb = 1', "1:10: not TOML: the quotes are not closed on this line"),
        ('a = """x\nb = 1', "1:5: not TOML: what begins here has no end"),
        ("a = [1,\n2,", "1:5: not TOML: what begins here has no end"),
        ("x = git", "1:5: not TOML: invalid value"),
        ("a = 1\nb = 2\na = 3\n", "3:1: not TOML: a is given twice; first on line 1"),
        ("[a]\nb = 1\n\n[a]\n", "4:2: not TOML: a is given twice; first on line 1"),
        ("a = [\n 'b'\n 'c']\n", "3:2: not TOML: a comma or ] is missing before this"),
        ("a = 1\r\nb = \r\n", "2:5: not TOML: invalid value"),
        ("a = 1\n<<<<<<< mine\na = 2\n=======\n", "2:1: an unfinished merge"),
        ("a = " + "[" * 3000, "1:1: values are nested too deeply"),
        ("b = 2\na = " + "9" * 5000, "2:5: not TOML: a number of thousands of digits"),
        (b"a = 1\nb = \xe4\xff\n", "2:5: byte 0xe4 is not UTF-8"),
        ('n = "ä"\nb = \xff', "2:5: not TOML: invalid value"),
        (b"\xef\xbb\xbfname = 'x'\n", "1:1: the file begins with a byte-order mark"),
        ("name = 'x'\n".encode("utf-16"), "1:1: the file is UTF-16"),
        (b"\x00", "1:1: not TOML"),
        (b"#" * ((1 << 20) + 1), "1:1: 1048577 bytes are too many"),
    ],
)
def test_what_is_no_toml(text: str | bytes, begins: str):
    assert error_of(text).startswith(f"envforge.toml:{begins}")


def test_columns_count_characters():
    text = MINIMAL + '[[files]]\nsource = "ä"\ntarget = "/ä"\n[shell]\ncommand = ["äöü", 3]\n'
    assert error_of(text).startswith("envforge.toml:8:19: shell.command[1]: ")


def test_load_reads_a_file(tmp_path):
    path = tmp_path / "envforge.toml"
    path.write_text(MINIMAL)
    assert load(str(path)).name == "x"
    path.write_text("name = 3\n")
    with pytest.raises(SpecError, match=r"envforge\.toml:1:8: name: "):
        load(str(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="no such file") as missing:
        load(str(tmp_path / "none.toml"))
    assert missing.value.hint == "envforge init"
    with pytest.raises(SpecError, match="is a directory"):
        load(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="not a regular file"):
        load(str(tmp_path / "pipe"))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SpecError, match="loop"):
        load(str(tmp_path / "loop"))


@pytest.mark.plain_user
def test_a_file_that_may_not_be_read(plain_user):
    code = (
        "import os, sys; from envforge.errors import SpecError; from envforge.spec.parse import load\n"
        "open('x.toml', 'w').close(); os.chmod('x.toml', 0)\n"
        "try: load('x.toml')\n"
        "except SpecError as error: print(error.message, '|', error.hint)\n"
    )
    assert plain_user.python(code).stdout == "x.toml: may not be read | chmod u+r x.toml, or ask its owner\n"


def test_find_goes_upward(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "envforge.toml").write_text(MINIMAL)
    assert find(str(inner)) == str(tmp_path / "envforge.toml")
    (inner / "envforge.toml").write_text(MINIMAL)
    assert find(str(inner)) == str(inner / "envforge.toml")


def test_find_without_a_spec(tmp_path):
    with pytest.raises(SpecError) as caught:
        find(str(tmp_path))
    assert caught.value.hint == "envforge init"
