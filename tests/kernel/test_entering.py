"""What a user finds inside: names, certificates, proxies, a home, a locale; over the real command."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from attrs import evolve
from commandline import CommandLine
from web import serving

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_id]

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def with_host(line: CommandLine, **variables: str) -> CommandLine:
    return evolve(line, environment={**line.environment, **variables})


def edited(line: CommandLine, text: str) -> CommandLine:
    path = line.directory / "envforge.toml"
    path.write_text(path.read_text() + text)
    return line


def test_the_own_name_resolves_beside_the_hosts_lines(project):
    said = project.succeed("run", "--", "sh", "-c", "hostname -f; getent hosts small; cat /etc/hosts")
    name, resolved, *lines = said.splitlines()
    assert name == "small"
    assert resolved.split() == ["127.0.1.1", "small"]
    assert set(Path("/etc/hosts").read_text().splitlines()) <= set(lines)
    assert any(line.split()[:1] == ["::1"] for line in lines)


def test_files_of_the_spec_are_never_covered_in_silence(project):
    (project.directory / "etc").mkdir()
    (project.directory / "etc" / "hosts").write_text("127.0.0.9 mine\n")
    (project.directory / "resolv.conf").write_text("nameserver 127.0.0.9\n")
    (project.directory / "passwd").write_text("root:x:0:0::/root:/bin/sh\nmine:x:77:77::/:/bin/sh\n")
    edited(
        project,
        '\n[[files]]\nsource = "etc"\ntarget = "/etc"\n'
        '[[files]]\nsource = "resolv.conf"\ntarget = "/etc/resolv.conf"\n'
        '[[files]]\nsource = "passwd"\ntarget = "/etc/passwd"\n',
    )
    said = project.succeed("run", "--", "cat", "/etc/hosts", "/etc/resolv.conf", "/etc/passwd")
    assert "127.0.0.9 mine\nnameserver 127.0.0.9\nroot:" in said
    assert "mine:x:77:" in said


def test_files_below_the_home_are_refused_and_a_new_home_is_made_from_skel(project, tmp_path):
    (project.directory / "mine").write_text("of the project\n")
    before = (project.directory / "envforge.toml").read_text()
    home = project.succeed("run", "--", "sh", "-c", "echo $HOME").strip()
    assert project.succeed("run", "--", "sh", "-c", "ls -A ~; head -1 ~/.bashrc").splitlines()
    edited(project, f'\n[[files]]\nsource = "mine"\ntarget = "{home}/.mine"\n')
    assert "/etc/skel" in project.fail(125, "run", "true")
    if os.geteuid() == 0:
        return  # whose home begins as /root
    other = CommandLine(tmp_path / "other", project.store, project.home)
    shutil.copytree(project.directory, other.directory)
    (other.directory / "envforge.toml").write_text(before)
    edited(other, '\n[[files]]\nsource = "mine"\ntarget = "/etc/skel/.mine"\n')
    assert other.succeed("run", "--", "sh", "-c", "cat ~/.mine; ls ~/.profile; rm ~/.mine")
    assert other.run("run", "--", "sh", "-c", "cat ~/.mine").returncode == 1


def test_the_time_zone_and_no_color_come_in_and_an_unknown_locale_does_not(project):
    line = with_host(project, TZ="UTC-3", NO_COLOR="1", LANG="de_DE.UTF-8", LC_TIME="fr_FR", LC_ALL="C.utf8")
    for _ in range(2):  # as planned, and warm
        said = line.succeed("run", "--", "env").splitlines()
        assert {"TZ=UTC-3", "NO_COLOR=1", "LANG=C.UTF-8", "LC_TIME=C.UTF-8", "LC_ALL=C.utf8"} <= set(said)
    line.succeed("build")
    code, first = edited(line, "# changed\n").on_terminal("run", "true")
    assert "no locale de_DE.UTF-8 and fr_FR" in " ".join(first.split())
    code, second = line.on_terminal("run", "true")
    assert (code, "locale" in second) == (0, False)


def test_proxies_come_in_unless_the_spec_trusts_the_environment_alone(project):
    proxies = {"https_proxy": "http://127.0.0.1:9", "NO_PROXY": "localhost"}
    line = with_host(project, **proxies)
    said = line.succeed("run", "env").splitlines()
    assert {"https_proxy=http://127.0.0.1:9", "NO_PROXY=localhost"} <= set(said)
    edited(line, '\n[network]\ntrust = "environment"\n')
    assert "127.0.0.1:9" not in line.succeed("run", "env")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Make a certificate authority, and a server's certificate of it; return their directory."""
    place = tmp_path_factory.mktemp("authority")
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    ca = ["-subj", "/CN=The Tests' Own", "-keyout", "ca.key", "-out", "ca.pem"]
    server = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    server += ["-addext", "basicConstraints=critical,CA:FALSE"]
    server += ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem"]
    for words in (ca, server):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
        command = ["openssl", "req", "-x509", *key, *words]
        subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def clients(built, tmp_path_factory):
    """Build a project with programs that speak HTTPS."""
    line = CommandLine(tmp_path_factory.mktemp("clients"), built.store, built.home)
    packages = '"curl", "git", "nodejs", "python3-requests"'
    (line.directory / "envforge.toml").write_text(
        f'name = "clients"\n\n[debian]\nsuite = "bookworm"\npackages = [{packages}]\npockets = []\n'
    )
    line.succeed("build")
    return line


PYTHON = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())"
NODE = "https.get(process.argv[1], r => {r.pipe(process.stdout)}).on('error', e => {throw e})"
CLIENTS = {
    "curl": ["curl", "-sS", "URL/hello"],
    "python": [
        "python3",
        "-c",
        "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())",
        "URL/hello",
    ],
    "requests": ["python3", "-c", "import sys, requests as r; print(r.get(sys.argv[1]).text)", "URL/hello"],
    "node": ["node", "-e", f"const https = require('https'); {NODE}", "URL/hello"],
    "git": ["git", "ls-remote", "URL/repository"],
}


@pytest.mark.one_kind
@pytest.mark.parametrize("client", CLIENTS)
def test_an_authority_of_the_host_is_trusted_inside_and_in_no_layer(clients, authority, tmp_path, client):
    (tmp_path / "hello").write_text("hello")
    repository = tmp_path / "repository"
    script = "git init -q . && git -c user.name=A -c user.email=a@b commit -q --allow-empty -m x"
    repository.mkdir()
    subprocess.run(["sh", "-c", f"{script} && git update-server-info"], cwd=repository, check=True)
    shutil.move(repository / ".git", tmp_path / "bare")
    repository.rmdir()
    (tmp_path / "bare").rename(repository)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with serving(tmp_path) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        words = [word.replace("URL", f"https://127.0.0.1:{server.server_port}") for word in CLIENTS[client]]
        alone = with_host(clients, SSL_CERT_FILE=BUNDLE)
        refused = alone.run("run", "--", *words)
        assert refused.returncode != 0, refused
        trusting = with_host(clients, SSL_CERT_FILE=str(authority / "ca.pem"))
        wanted = "HEAD" if client == "git" else "hello"
        assert wanted in trusting.succeed("run", "--", *words)
        assert wanted in trusting.succeed("run", "--", *words)  # warm
        assert alone.run("run", "--", *words).returncode != 0


def test_trust_can_be_the_environments_alone(project, authority):
    line = with_host(project, SSL_CERT_FILE=str(authority / "ca.pem"))
    script = "env | grep -c ca-certificates.crt; true"
    assert int(line.succeed("run", "--", "sh", "-c", script)) > 3
    edited(line, '\n[network]\ntrust = "environment"\n')
    assert line.succeed("run", "--", "sh", "-c", script) == "0\n"


@pytest.mark.one_kind
def test_git_works_in_a_worktree(clients, tmp_path):
    main, tree = tmp_path / "main", tmp_path / "tree"
    main.mkdir()
    script = (
        "git init -q . && git -c user.name=A -c user.email=a@b commit -q --allow-empty -m first"
        f" && git worktree add -q {tree}"
    )
    subprocess.run(["sh", "-c", script], cwd=main, check=True)
    for name in ("envforge.toml", "envforge.lock"):
        shutil.copy(clients.directory / name, tree)
    line = evolve(clients, directory=tree)
    commit = "git add . && git -c user.name=A -c user.email=a@b commit -q -m inside && git log --format=%s"
    assert line.succeed("run", "--", "sh", "-c", commit) == "inside\nfirst\n"
    shutil.move(main, tmp_path / "moved")
    code, said = line.on_terminal("run", "--", "git", "log")
    assert code != 0
    assert "git will not work inside" in said


def test_apt_tells_of_add_and_installs_for_the_moment(project):
    script = "apt-get update; apt-get install -y --no-install-recommends sl >&2; ls /usr/games"
    told = project.run("run", "--", "sh", "-c", "apt-get install sl")
    assert told.returncode != 0
    assert "envforge add" in told.stderr
    said = project.run("run", "-u", "root", "--", "sh", "-c", script)
    assert "sl" in said.stdout.split(), said.stderr
    assert project.run("run", "--", "test", "-e", "/usr/games/sl").returncode == 1


def test_a_project_behind_a_link_keeps_its_name(project, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(project.directory)
    (project.directory / "sub").mkdir()
    named = evolve(project, directory=link / "sub")
    for _ in range(2):
        script = ["sh", "-c", "pwd; pwd -P; ls -d .."]
        line = with_host(named, PWD=f"{link}/sub")
        assert line.succeed("run", "--", *script) == f"{link}/sub\n{project.directory}/sub\n..\n"
        wrong = with_host(named, PWD=str(tmp_path))
        assert wrong.succeed("run", "--", *script) == f"{project.directory}/sub\n" * 2 + "..\n"
    at_home = project.home / "at-home"
    at_home.symlink_to(project.directory)
    line = with_host(evolve(project, directory=at_home), PWD=str(at_home))
    assert line.succeed("run", "--", "sh", "-c", "pwd").strip() in {str(at_home), str(project.directory)}


def test_the_list_fits_a_terminal_of_80_columns(project):
    code, shown = project.on_terminal("ls", columns=80)
    assert code == 0
    assert "small" in shown
    assert max(map(len, shown.splitlines())) <= 80
