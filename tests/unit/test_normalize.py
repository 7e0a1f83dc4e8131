"""What configuring wrote is made reproducible: times, those in compressed files too."""

import gzip
import os

from envforge.sources.debian.configure.cleaning import normalize

EPOCH = 1_000_000


def compressed(path, moment):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(b"a log\n" * 100, mtime=moment))
    path.chmod(0o640)


def test_the_time_in_a_compressed_file_is_clamped(tmp_path):
    late, early = tmp_path / "usr/late.gz", tmp_path / "usr/early.gz"
    compressed(late, EPOCH + 5)
    compressed(early, EPOCH - 5)
    shipped = tmp_path / "usr/shipped.gz"
    compressed(shipped, EPOCH + 5)
    (tmp_path / "usr/other.gz").write_bytes(b"\x1f")
    (tmp_path / "usr/link.gz").symlink_to("late.gz")
    os.mkfifo(tmp_path / "usr/fifo.gz")
    before = early.read_bytes()
    normalize.settle_compressed(str(tmp_path), EPOCH, {"/usr/shipped.gz"}.__contains__)
    assert late.read_bytes() == gzip.compress(b"a log\n" * 100, mtime=EPOCH)
    assert late.stat().st_mode & 0o777 == 0o640
    assert early.read_bytes() == before
    assert shipped.read_bytes() == gzip.compress(b"a log\n" * 100, mtime=EPOCH + 5)
    assert (tmp_path / "usr/other.gz").read_bytes() == b"\x1f"


def test_times_are_clamped_and_whole(tmp_path):
    late, early = tmp_path / "late", tmp_path / "early"
    for path, moment in ((late, EPOCH + 5.5), (early, EPOCH - 5.5)):
        path.write_bytes(b"")
        os.utime(path, (moment, moment))
    normalize.settle_times(str(tmp_path), EPOCH)
    assert late.stat().st_mtime == EPOCH
    assert early.stat().st_mtime == EPOCH - 6
