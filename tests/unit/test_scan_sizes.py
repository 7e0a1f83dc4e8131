"""A file with holes can be larger than any disk: it is not read to its end."""

import os

import pytest

from envforge.errors import BuildError
from envforge.store.scan import scan


def test_file_larger_than_the_disk(tmp_path):
    disk = os.statvfs(tmp_path)
    (tmp_path / "small").write_bytes(b"small")
    with open(tmp_path / "large", "wb") as file:
        try:
            file.truncate(disk.f_blocks * disk.f_frsize + 1)
        except OSError:
            pytest.skip("this file system has no files that large")
    with pytest.raises(BuildError, match="more than the whole disk"):
        scan(str(tmp_path))
