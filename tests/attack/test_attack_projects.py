"""Hostile projects: specs that code inside has edited, sources swapped for links, forged plans."""

import os

import pytest
from canary import GaveWayError

pytestmark = pytest.mark.userns

# What code inside appends to the spec -> how it looks for its gain in the next run.
EDITS = {
    "home": ('[shell]\nhome = "host"', "cat ~/CASE/canary/secret"),
    "mount": ('[[mounts]]\nsource = "CANARY"\ntarget = "/mnt/x"', "cat /mnt/x/secret"),
    "mount of the home": ('[[mounts]]\nsource = "~"\ntarget = "/mnt/x"', "cat /mnt/x/CASE/canary/secret"),
    "mount upwards": ('[[mounts]]\nsource = "../canary"\ntarget = "/mnt/x"', "cat /mnt/x/secret"),
    "mount of the root": ('[[mounts]]\nsource = "/"\ntarget = "/mnt/x"', "cat /mnt/xCANARY/secret"),
    "file": ('[[files]]\nsource = "CANARY/secret"\ntarget = "/opt/x"', "cat /opt/x"),
    "files upwards": ('[[files]]\nsource = "../canary"\ntarget = "/opt/x"', "cat /opt/x/secret"),
    "fetched file": ('[[fetch]]\nurl = "file:CANARY/secret"\ntarget = "/opt/x"', "cat /opt/x"),
    "fetched upwards": ('[[fetch]]\nurl = "file:../canary/secret"\ntarget = "/opt/x"', "cat /opt/x"),
    "fetched, encoded": (
        '[[fetch]]\nurl = "file:%2e%2e/canary/secret"\ntarget = "/opt/x"',
        "cat /opt/x",
    ),
    "key": ('[[debian.archive]]\nuri = "URL"\nsuite = "x"\nkey = "../canary/secret"', "true"),
    "variable": ('[shell]\npass = ["SECRET*"]', 'echo "$SECRET_TOKEN"'),
}


@pytest.mark.one_kind
@pytest.mark.parametrize("edit", EDITS)
def test_spec_is_edited_from_inside(victim, edit):
    """The next run, of a user who did not look, reaches no further than the last."""

    def filled(text):
        place = str(victim.canary.path)
        return (
            text.replace("CANARY", place).replace("CASE", victim.place.name).replace("URL", victim.server.url)
        )

    lines, look = map(filled, EDITS[edit])
    victim.want()
    victim.write(victim.project / "more", f"\n{lines}\n")
    victim.succeed("run", "--", "sh", "-c", "cat more >>envforge.toml")
    secret = {"SECRET_TOKEN": victim.canary.token}
    for _ in range(2):
        victim.attack("run", "--", "sh", "-c", look, environment=secret)
    victim.attack()


def test_archive_is_added_from_inside(victim):
    """Another archive with a key of the attacker's: its scripts run only once the user agrees."""
    victim.want()
    victim.succeed("build")
    key = (victim.home / ".config/envforge/key.pgp").read_bytes()
    victim.write(victim.project / "key.pgp", key)
    victim.package("evil", postinst="true", suite="bookworm")
    more = f'[[debian.archive]]\nuri = "{victim.server.url}"\nsuite = "bookworm"\nkey = "key.pgp"'
    victim.want("evil", more=more)
    victim.refuse()
    victim.refuse("run", "--", "true")
    victim.refuse("lock")


SWAPS = {
    "absolute": "CANARY",
    "relative": "../canary",
    "own process": "/proc/self/rootCANARY",
    "working directory": "/proc/self/cwd/../canary",
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("place", ["data", "deep/data", "deep"])
def test_source_of_a_mount_is_swapped_for_a_link(victim, swap, place):
    """The warm path too: the spec has not changed, only what lies where it points."""
    source = {"data": "data", "deep/data": "deep/data", "deep": "deep/secrets"}[place]
    (victim.project / source).mkdir(parents=True)
    victim.want(more=f'[[mounts]]\nsource = "{source}"\ntarget = "/mnt/x"')
    os.system(f"chown -R {victim.user.uid}:{victim.user.gid} {victim.project}")
    victim.succeed("run", "--", "ls", "/mnt/x")
    target = SWAPS[swap].replace("CANARY", str(victim.canary.path))
    if place == "deep/data" and swap in ("relative", "working directory"):
        target = target.replace("../canary", "../../canary")
    victim.succeed("run", "--", "sh", "-c", f"rm -rf {place}; ln -s {target} {place}")
    for _ in range(2):
        victim.attack("run", "--", "sh", "-c", "cat /mnt/x/*; echo written >/mnt/x/written; ls -R /mnt/x")


@pytest.mark.one_kind
@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("place", ["data", "data/below"])
def test_source_of_files_is_swapped_for_a_link(victim, swap, place):
    (victim.project / "data/below").mkdir(parents=True)
    victim.write(victim.project / "data/below/secret", "harmless\n")
    source = "data/below" if place == "data/below" else "data"
    victim.want(more=f'[[files]]\nsource = "{source}"\ntarget = "/opt/x"')
    os.system(f"chown -R {victim.user.uid}:{victim.user.gid} {victim.project}")
    victim.succeed("run", "--", "ls", "/opt/x")
    target = SWAPS[swap].replace("CANARY", str(victim.canary.path))
    if place == "data/below":
        target = target.replace("../canary", "../../canary")
    victim.succeed("run", "--", "sh", "-c", f"rm -rf {place}; ln -s {target} {place}")
    for _ in range(2):
        victim.attack("run", "--", "sh", "-c", "cat /opt/x/* /opt/x/*/*")


def test_files_are_not_written_behind_links_of_other_files(victim):
    """A tree of [[files]] holds a link; the next entry's target lies under it."""
    (victim.project / "tree").mkdir()
    (victim.project / "tree/out").symlink_to(victim.canary.directory)
    (victim.project / "tree/up").symlink_to(f"{'../' * 40}{str(victim.canary.directory).lstrip('/')}")
    victim.write(victim.project / "file", "written by a project\n")
    entries = [("tree", "/opt/tree"), ("file", "/opt/tree/out/new"), ("file", "/opt/tree/up/new2")]
    more = "\n".join(f'[[files]]\nsource = "{source}"\ntarget = "{target}"' for source, target in entries)
    victim.want(more=more)
    victim.attack()


def test_mounts_are_not_made_behind_links_in_the_private_home(victim):
    """The home is kept between runs; a target in it is looked for when the host is out of reach."""
    (victim.project / "data").mkdir()
    victim.give(victim.project / "data")
    places = ["root", "cwd", "root/proc/1/root", *(f"fd/{number}/.." for number in range(3, 16))]
    target = victim.canary.directory
    links = "; ".join(
        f"ln -s /proc/self/{place}{target} ~/out{number}" for number, place in enumerate(places)
    )
    victim.succeed("run", "--", "sh", "-c", links)
    for number in range(len(places)):
        victim.want(more=f'[[mounts]]\nsource = "data"\ntarget = "~/out{number}/made/here"')
        victim.attack("run", "--", "true")


def test_lock_that_is_a_link(victim):
    """Code inside lays a link where the lock is written next: what it leads to stays as it is."""
    victim.succeed(
        "run", "--", "sh", "-c", f"rm -f envforge.lock; ln -s {victim.canary.secret} envforge.lock"
    )
    victim.attack("lock")
    victim.attack("build")
    new = victim.canary.directory / "new.lock"
    (victim.project / "envforge.lock").unlink()
    (victim.project / "envforge.lock").symlink_to(new)
    victim.attack("lock")
    victim.attack("build")


def test_spec_that_is_a_link_to_another_project(victim):
    """It means that project, as if one stood there: what laid the link is not seen inside."""
    theirs = victim.canary.add("other/envforge.toml", victim.spec.read_bytes())
    victim.canary.add("other/envforge.lock", b"")
    (theirs.parent / "envforge.lock").unlink()
    victim.write(victim.project / "evil", "hostile\n")
    victim.succeed("run", "--", "sh", "-c", f"ln -sf {theirs} envforge.toml")
    shown = victim.run("run", "--", "sh", "-c", f"cat {victim.project}/evil; ls {victim.project}")
    if "hostile" in shown.stdout or "evil" in shown.stdout:
        raise GaveWayError("both projects are seen at once")


PRIVATE = (".local/share/envforge", ".local/state/envforge", ".config/envforge", ".local/state", ".local")


@pytest.mark.parametrize("private", PRIVATE)
def test_private_directories_are_masked_in_any_mount(victim, private):
    """Even with consent: a plan or a store that can be written inside is code that runs outside."""
    victim.want(more=f'[[mounts]]\nsource = "~/{private}"\ntarget = "/mnt/x"')
    result = victim.attack("run", "--", "find", "/mnt/x", "-type", "f", environment={"ENVFORGE_ALLOW": "1"})
    _nothing_of_envforge(result.stdout)


def test_private_directories_are_masked_in_the_home(victim):
    victim.want(more='[shell]\nhome = "host"')
    result = victim.attack(
        "run", "--", "find", str(victim.home), "-type", "f", environment={"ENVFORGE_ALLOW": "1"}
    )
    _nothing_of_envforge("\n".join(line for line in result.stdout.splitlines() if "/case-" not in line))


def test_project_that_holds_its_store(victim):
    store = victim.project / "below/store"
    store.parent.mkdir()
    victim.give(store.parent)
    words = ("--store", str(store), "run", "--")
    victim.attack(*words, "true")
    result = victim.attack(
        *words, "sh", "-c", "find below -type f; mv below moved; find moved -type f; echo x >below/store/x"
    )
    _nothing_of_envforge(result.stdout)


def _nothing_of_envforge(output):
    if output.strip():
        raise GaveWayError(f"seen inside: {output[:500]}")


def test_forged_plan_is_not_used(victim):
    """The same plan with another source of a mount, which would be entered without a look at the spec."""
    victim.succeed("run", "--", "true")
    stolen = victim.place / "stolen_"
    stolen.mkdir()
    victim.give(stolen)
    victim.write(stolen / "secret", victim.canary.token)
    victim.write(stolen / "envforge.toml", victim.spec.read_bytes())
    plans = [path for path in (victim.state / "plans").iterdir() if b"/project" in path.read_bytes()]
    plans = [path for path in plans if str(victim.project).encode() in path.read_bytes()]
    assert plans
    for path in plans:
        data = path.read_bytes()
        path.write_bytes(data.replace(f"{victim.place}/project".encode(), f"{victim.place}/stolen_".encode()))
    result = victim.attack("run", "--", "sh", "-c", f"cat {stolen}/secret; ls")
    assert "envforge.toml" in result.stdout


def test_messages_do_not_drive_the_terminal(victim):
    """Escape sequences of a spec, of a package and of its script's log stay text."""
    escape = "\x1b]52;c;eA==\x07\x1b[2J"
    victim.write(
        victim.spec,
        'name = "x"\n"k\\u001b[2J" = 1\n[debian]\nsuite = "bookworm"\npackages = ["a\\u001b[2J"]\n',
    )
    told = victim.attack()
    victim.package(postinst=f"printf '{escape}'; echo; exit 1")
    more = victim.attack()
    if "\x1b" in told.stderr + more.stderr:
        raise GaveWayError("an escape sequence reaches the terminal")
