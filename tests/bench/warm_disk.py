"""A disk that takes no time of its own: ext4 on a loop device whose file lies on a tmpfs. Needs root."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_MEMORY = "/dev/shm"
_SIZE_BYTES = 12 << 30
"""Most of it is never written, and takes no memory."""


@contextmanager
def warm_disk() -> Iterator[str]:
    """Yield the directory that a fresh ext4 is mounted at; nothing is left of it, whatever happens."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="envforge-disk-", dir=_MEMORY))
        image, place = f"{directory}/image", f"{directory}/mounted"
        with open(image, "wb") as file:
            file.truncate(_SIZE_BYTES)
        os.mkdir(place)
        # all inode tables now: else a thread of the kernel writes them while something is measured
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        _run("mount", "-o", "loop", image, place)
        stack.callback(_run, "umount", place)
        yield place


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
