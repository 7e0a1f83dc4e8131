"""Twenty builds at once, with garbage collections among them: each gives its digest, and nothing is lost."""

import json
import shutil
import subprocess
import time

import pytest
from attrs import evolve
from kill import VARIANTS, finish, insist_checked, trial

pytestmark = [
    pytest.mark.userns,
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
BUILDS = 20


def test_builds_with_collections_among_them(tmp_path):
    with trial(tmp_path) as made:
        running = []
        for number in range(BUILDS):
            variant = number % len(VARIANTS)
            made.choose(variant)
            directory = tmp_path / f"project-{number}"
            shutil.copytree(made.line.directory, directory)
            running.append((variant, _started(evolve(made.line, directory=directory), "build", "--json")))
        while any(process.poll() is None for _, process in running):
            if not (made.line.store / "format").exists():  # nothing to collect yet, which `gc` says: an error
                time.sleep(0.02)
                continue
            collected = made.line.run("gc")
            assert collected.returncode == 0, collected.stderr
        for variant, process in running:
            said, error = process.communicate()
            assert process.returncode == 0, error
            assert json.loads(said)["environment"] == made.digests[variant]
        insist_checked(made)
        finish(made)


def _started(line, *arguments):
    return subprocess.Popen(
        line.words(*arguments),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
