"""A confined worker has no path to Python's own files: what it needs is loaded with its modules."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("envforge.sources.debian.configure.run", "encodings.utf_16_be"),
        ("envforge.sources.debian.configure.run", "encodings.latin_1"),
        ("envforge.sandbox.confined.confine", "_hashlib"),
    ],
)
def test_what_is_loaded_late_elsewhere_is_there(module, needed):
    code = f"import {module}, sys; sys.exit({needed!r} not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
