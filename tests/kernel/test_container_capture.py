"""`capture`: what was installed and edited in a container becomes lines of a spec, and files."""

import json
import os
import subprocess

import pytest

pytestmark = pytest.mark.userns

SCRIPT = r"""
mkdir -p /var/lib/dpkg/info /var/lib/apt /srv/app /usr/local/bin
for name in jq libjq; do
  printf "Package: $name\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
done >/var/lib/dpkg/status
printf 'Package: libjq\nArchitecture: amd64\nAuto-Installed: 1\n' >/var/lib/apt/extended_states
printf '/usr/bin/jq\n' >/var/lib/dpkg/info/jq.list; echo x >/usr/bin/jq
echo "edited" >/etc/hosts.allow; printf '#!/bin/sh\n' >/usr/local/bin/tool; chmod 755 /usr/local/bin/tool
echo secret >/srv/app/key; chmod 600 /srv/app/key; ln -s /etc/passwd /srv/app/link; mkfifo /srv/app/pipe
rm /etc/owned; head -c 300000 /dev/zero >/srv/app/large; printf 'a\000' >/srv/app/binary
printf x >"/srv/app/od
d"; truncate -s 4000G /srv/app/bomb; touch /ready; sleep 600
"""
SPEC = '# mine\nname = "shop"\n\n[debian]\nsuite = "bookworm"\npackages = ["git"]  # kept\n'


def test_what_was_done_is_proposed_and_written(harbour):
    harbour.start(name="web", script=SCRIPT)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    found = json.loads(harbour.succeed("capture", "--json", "web"))
    assert (found["packages"], found["pulled_in"]) == (["jq"], ["libjq"])
    assert {(one["target"], one["mode"]) for one in found["files"]} == {
        ("/etc/hosts.allow", ""),
        ("/ready", ""),
        ("/srv/app/key", "0600"),
        ("/usr/local/bin/tool", ""),
    }
    left = {one["reason"]: one["paths"] for one in found["left"]}
    assert left == {
        "binary": ["/srv/app/binary"],
        "deleted": ["/etc/owned"],
        "large": ["/srv/app/bomb", "/srv/app/large"],
        "link": ["/srv/app/link"],
        "name": ["/srv/app/od\nd"],
        "special": ["/srv/app/pipe"],
    }
    said = harbour.succeed("capture", "web")
    assert 'packages = ["jq"]' in said
    assert "left behind (links): /srv/app/link" in said
    put(harbour, "envforge.toml", SPEC)
    harbour.succeed("capture", "--write", "--no-lock", "web")
    text = read(harbour, "envforge.toml")
    assert text.startswith(SPEC.replace('["git"]', '["git", "jq"]'))
    assert '[[files]]\nsource = "captured/srv/app/key"\ntarget = "/srv/app/key"\nmode = "0600"\n' in text
    place = f"{harbour.box.project}/captured"
    assert os.stat(f"{place}/usr/local/bin/tool").st_mode & 0o777 == 0o755
    assert os.stat(f"{place}/etc/hosts.allow").st_uid == harbour.box.uid
    harbour.fail(2, "capture", "--write", "--no-lock", "web")  # all of it is there now
    assert read(harbour, "envforge.toml") == text
    put(harbour, "envforge.toml", SPEC)
    put(harbour, "captured/etc/hosts.allow", "of the project\n")
    harbour.fail(34, "capture", "--write", "--no-lock", "web")
    assert read(harbour, "captured/etc/hosts.allow") == "of the project\n"
    assert read(harbour, "envforge.toml") == SPEC
    harbour.fail(26, "capture", "wobble")
    put(harbour, "envforge.toml", "")
    subprocess.run(["rm", "-r", place], check=True)


def put(harbour, name: str, text: str) -> None:
    """Write a file of the project as its user."""
    words = harbour.box.words(["sh", "-c", 'cat >"$1"', "-", name])
    subprocess.run(words, cwd=harbour.box.project, input=text, text=True, check=True)


def read(harbour, name: str) -> str:
    with open(f"{harbour.box.project}/{name}", encoding="utf-8") as file:
        return file.read()
