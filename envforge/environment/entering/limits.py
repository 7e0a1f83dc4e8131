"""The limits of a sandbox: those of the spec, under those of the command line, which have Docker's names."""

import os
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from envforge.errors import UsageError
from envforge.sandbox.limits.model import NO_LIMIT, Limits
from envforge.spec.limits import PROCESSORS
from envforge.spec.limits import Limits as Table
from envforge.units import bytes_of

_MEMORY_LEAST: Final = 6 * 1024 * 1024
_UNITS: Final = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
"""Docker's: single letters mean binary units."""
_WEIGHTS: Final = (1, 10_000)
_SHARES: Final = (2, 262_144)
_PIDS_MAX: Final = 4_194_304


def limits_of(table: Table, options: Iterable[tuple[str, str]] = ()) -> Limits:
    """Return the limits of a spec's table, with those of the command line put before them.

    Raises UsageError for a value that is nonsense.
    """
    usual = type(table)()
    limits = Limits(
        memory=_size(table.memory),
        swap=_size(table.swap),
        cpus=table.cpus or None,
        cpu_weight=None if table.cpu_weight == usual.cpu_weight else table.cpu_weight,
        cpuset=table.cpuset,
        pids=None if table.pids == usual.pids else table.pids,
        io_read=_size(table.io_read.removesuffix("/s")),
        io_write=_size(table.io_write.removesuffix("/s")),
        required=table.required,
    )
    return with_options(limits, options)


def _size(text: str) -> int | None:
    return bytes_of(text) if text else None


def with_options(limits: Limits, options: Iterable[tuple[str, str]]) -> Limits:
    """Return limits changed by options of the command line. Raises UsageError."""
    total = ""
    for name, text in options:
        if name == "memory-swap":
            total = text
        else:
            limits = _OPTIONS[name](limits, name, text)
    return _with_swap(limits, total) if total else limits


def _memory(limits: Limits, name: str, text: str) -> Limits:
    size = _bytes(name, text)
    if size < _MEMORY_LEAST:
        raise UsageError(f"--{name} {text}: 6m is the least", hint=f"--{name} 64m")
    return evolve(limits, memory=size)


def _with_swap(limits: Limits, text: str) -> Limits:
    """Docker's `--memory-swap` is memory and swap together; -1 is all the swap there is."""
    if limits.memory is None:
        raise UsageError("--memory-swap needs --memory, of which it is a part", hint=f"--memory {text}")
    if text == "-1":
        return evolve(limits, swap=NO_LIMIT)
    total = _bytes("memory-swap", text)
    if total < limits.memory:
        raise UsageError(
            f"--memory-swap {text} is less than the memory: it is memory and swap together",
            hint=f"--memory-swap {limits.memory}b for no swap, -1 for all there is",
        )
    return evolve(limits, swap=total - limits.memory)


def _cpus(limits: Limits, name: str, text: str) -> Limits:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0.01 <= number <= 8192:
        raise UsageError(f"--{name} {text} is no number of processors", hint=f"--{name} 1.5")
    return evolve(limits, cpus=number)


def _weight(limits: Limits, name: str, text: str) -> Limits:
    return evolve(limits, cpu_weight=_number(name, text, *_WEIGHTS))


def _shares(limits: Limits, name: str, text: str) -> Limits:
    """Docker's shares: 1024 are the weight 100."""
    return evolve(limits, cpu_weight=max(1, min(10_000, round(_number(name, text, *_SHARES) * 100 / 1024))))


def _pids(limits: Limits, name: str, text: str) -> Limits:
    if text in {"-1", "0"}:  # as Docker has it
        return evolve(limits, pids=NO_LIMIT)
    return evolve(limits, pids=_number(name, text, 1, _PIDS_MAX))


def _cpuset(limits: Limits, name: str, text: str) -> Limits:
    if problem := PROCESSORS.problem(text):
        raise UsageError(f"--{name}: {problem}", hint=f"--{name} 0-1")
    return evolve(limits, cpuset=text)


def _device(limits: Limits, name: str, text: str) -> Limits:
    verb = name.split("-")[1]
    path, colon, rate = text.rpartition(":")
    speed = _bytes(name, rate)
    if speed < 1 or (colon and not path.startswith("/")):
        raise UsageError(f"--{name} {text} is no rate", hint=f"--{name} 50m, or --{name} /dev/sda:50m")
    if not colon:
        return evolve(limits, io_read=speed) if verb == "read" else evolve(limits, io_write=speed)
    if not os.path.exists(path):
        raise UsageError(f"--{name} {text}: there is no {path}", hint=f"--{name} {rate} is for every disk")
    return evolve(limits, devices=(*limits.devices, (path, verb, speed)))


def _number(name: str, text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise UsageError(
            f"--{name} {text}: it takes a number from {least} to {most}", hint=f"--{name} {most // 100}"
        )
    return int(text)


def _bytes(name: str, text: str) -> int:
    """Return the bytes of a size as Docker takes it, `512m`, or as a spec does, `512MB`, `512MiB`."""
    number, unit = text[:-1], text[-1:].lower()
    try:
        if unit in _UNITS and number.replace(".", "", 1).isdecimal():
            return round(float(number) * _UNITS[unit])
        return bytes_of(text)
    except ValueError:
        raise UsageError(f"--{name} {text} is no size", hint=f"--{name} 512m") from None


_OPTIONS: Final = {
    "memory": _memory,
    "cpus": _cpus,
    "cpu-weight": _weight,
    "cpu-shares": _shares,
    "cpuset-cpus": _cpuset,
    "pids-limit": _pids,
    "device-read-bps": _device,
    "device-write-bps": _device,
}
