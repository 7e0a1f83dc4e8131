"""Limits and usage as values."""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

PIDS_DEFAULT: Final = 4096
"""Of every sandbox that names no other number."""
NO_LIMIT: Final = -1


@frozen
class Limits:
    """What a sandbox may use; None where nothing is said."""

    memory: int | None = None
    """Bytes."""
    swap: int | None = None
    """Bytes of swap besides the memory; NO_LIMIT for all there is. None: no swap where memory is limited."""
    cpus: float | None = None
    """Processors' time per time."""
    cpu_weight: int | None = None
    """1 to 10000; 100 is the weight of everything else."""
    cpuset: str = ""
    """Processors by number: `0-3,5`."""
    pids: int | None = None
    """Processes and threads at once; NO_LIMIT for none. None: PIDS_DEFAULT, where that can be had."""
    io_read: int | None = None
    """Bytes a second from each disk."""
    io_write: int | None = None
    devices: tuple[tuple[str, str, int], ...] = ()
    """Single disks: device file, `read` or `write`, bytes a second."""
    required: bool = True
    """What cannot be enforced is an error; else it is left out, and told."""

    @property
    def asked(self) -> bool:
        """Say whether anything but the defaults is asked for."""
        return self != Limits(required=self.required)


@frozen
class Enforced:
    """How limits are enforced: directories to be made, files to be written, and what cannot be had."""

    bases: tuple[str, ...] = ()
    """Directories in which each sandbox gets one of its own."""
    writes: tuple[tuple[int, str, str], ...] = ()
    """Number of the base, file, text."""
    disks: tuple[tuple[int, str, str], ...] = ()
    """Likewise, once for every disk: `*` in the text stands for its number."""
    missing: Mapping[str, str] = field(factory=dict)
    """Limit -> why it cannot be enforced."""


@frozen
class Usage:
    """What a sandbox uses now or has used so far; None where that is not known."""

    cpu_ns: int | None = None
    """Processor time."""
    memory_bytes: int | None = None
    """Without what the kernel can take back at once: inactive pages of files."""
    memory_peak_bytes: int | None = None
    memory_limit_bytes: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    read_bytes: int | None = None
    """From disks."""
    written_bytes: int | None = None
    received_bytes: int | None = None
    """Over its own network; None where it has the host's."""
    sent_bytes: int | None = None
    oom_kills: int = 0
    frozen: bool = False
