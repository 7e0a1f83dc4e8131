"""`changes`: what a container has done to its environment's files."""

import json

import pytest

pytestmark = pytest.mark.userns


def test_what_was_added_changed_and_deleted_is_listed(harbour):
    script = (
        "echo x >>/etc/hosts; rm /etc/owned; mkdir /srv/new; echo y >/srv/new/file; ln -s /x /srv/link; "
        "rm -r /opt/deep; mkdir /opt/deep; echo z >/tmp/unseen; echo w >here; "
        "printf 'a' >\"/srv/od\nd\"; touch /over; sleep 600"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.succeed("changes", "web"), lambda said: "A /over" in said)
    said = harbour.succeed("changes", "web").splitlines()
    found = {one["path"]: one["kind"] for one in json.loads(harbour.succeed("changes", "--json", "web"))}
    assert found == {
        "/etc/hosts": "C",
        "/etc/owned": "D",
        "/opt/deep/deeper": "D",
        "/over": "A",
        "/srv/link": "A",
        "/srv/new": "A",
        "/srv/new/file": "A",
        "/srv/od\nd": "A",
    }
    assert "A /srv/od\\x0ad" in said
    harbour.succeed("stop", "-t", "0", "web")
    assert harbour.succeed("changes", "web").splitlines() == said
