"""Mirrors that send too much, too slowly or from elsewhere, and archives that are larger than they say."""

import hashlib
import lzma
import os
import signal
import socket
import subprocess
import tarfile
import threading
import time
import zlib
from contextlib import contextmanager

import debs
import pytest
from canary import GaveWayError

pytestmark = pytest.mark.userns

MIB = 1 << 20
SIZE = 1500 * MIB
LIMITED = ("prlimit", f"--as={1200 * MIB}", f"--fsize={400 * MIB}")
"""Less than what the bombs unpack to; more than any honest step needs."""


@pytest.fixture(scope="module")
def bombs():
    """Compressed files of SIZE zeros."""
    return {ending: _grown(ending) for ending in (".gz", ".xz")}


def _grown(ending, begin=b""):
    """Return a small compressed file of `begin` and SIZE zeros, put together from pieces."""
    if ending == ".xz":  # several streams are one file
        return lzma.compress(begin) + lzma.compress(bytes(100 * MIB), preset=0) * (SIZE // (100 * MIB))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)]
    pieces += [packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)] * (SIZE // MIB)
    checksum = zlib.crc32(begin)
    for _ in range(SIZE // MIB):
        checksum = zlib.crc32(bytes(MIB), checksum)
    end = checksum.to_bytes(4, "little") + ((SIZE + len(begin)) % 2**32).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + b"".join(pieces) + packer.flush() + end


@pytest.mark.one_kind
@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("said", ["nothing", "little"])
def test_index_that_grows(victim, bombs, ending, said):
    """A signed Release names it; how large it becomes is said there, or not at all."""
    suite = victim.archive.path / "dists/bookworm"
    directory = suite / "main/binary-amd64"
    for old in directory.iterdir():
        old.unlink()
    (directory / f"Packages{ending}").write_bytes(bombs[ending])
    digest = hashlib.sha256(bombs[ending]).hexdigest()
    listed = [f" {digest} {len(bombs[ending])} main/binary-amd64/Packages{ending}\n"]
    if said == "little":
        listed.append(f" {'0' * 64} 1000 main/binary-amd64/Packages\n")
    publish_release(victim, listed)
    victim.before = LIMITED
    victim.want("evil")
    victim.refuse("lock")


def publish_release(victim, listed):
    from small_archive import DATE, clear_signed

    text = f"Origin: Tests\nCodename: bookworm\nDate: {DATE}\nComponents: main\nSHA256:\n{''.join(listed)}"
    (victim.archive.path / "dists/bookworm/InRelease").write_bytes(clear_signed(text.encode()))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("said", ["nothing", "little"])
def test_package_that_grows(victim, ending, said):
    """A .deb of a few MB that unpacks to more than any bound allows: refused before the disk is full."""
    head = tarfile.TarInfo("./opt/zeros")
    head.size = SIZE - 2048
    data = _grown(ending, debs.tar(debs.member("./opt/"))[:512] + head.tobuf())
    control = (
        "Package: evil\nVersion: 1.0\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: x\n"
    )
    fields = {}
    if said == "little":
        control += "Installed-Size: 10\n"
        fields["installed_size"] = "10"
    content = debs.deb(control=debs.control_tar(control.encode()), data=data, ending=ending)
    victim.archive.add("evil", content=content, **fields)
    victim.archive.publish()
    victim.want("evil")
    victim.before = ("prlimit", f"--as={1200 * MIB}", f"--fsize={1300 * MIB}")
    victim.refuse()
    left = [path for path in victim.store.rglob("zeros") if path.stat().st_blocks * 512 > 200 * MIB]
    if left:
        raise GaveWayError(f"left on the disk: {left}")


@pytest.mark.one_kind
@pytest.mark.parametrize("where", ["InRelease", "Packages.xz", "package"])
def test_redirection_to_a_file(victim, where):
    victim.package()
    path = _path_of(victim, where)
    victim.server.faults[path] = f"to file://{victim.canary.secret}"
    victim.refuse()


def _path_of(victim, where):
    if where == "package":
        return "/pool/evil_1.0_all.deb"
    if where == "InRelease":
        return "/dists/bookworm/InRelease"
    for ending in ("", ".gz"):
        (victim.archive.path / f"dists/bookworm/main/binary-amd64/Packages{ending}").unlink()
    return "/dists/bookworm/main/binary-amd64/Packages.xz"


@contextmanager
def mirror(answer):
    """Serve one answer to every request, by hand."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_handle, args=(connection, answer), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _handle(connection, answer):
    try:
        connection.recv(4096)
        for piece in answer():
            connection.sendall(piece)
    except OSError:
        pass
    finally:
        connection.close()


def endless():
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"-" * 65536


def endless_head():
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-More: " + b"x" * 200 + b"\r\n"


def drip():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while True:
        yield b"-"
        time.sleep(0.5)


def drip_of_a_head():
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X"
        time.sleep(0.5)


def redirections():
    yield b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.one_kind
@pytest.mark.parametrize("answer", [endless, endless_head, drip, drip_of_a_head, redirections])
def test_mirror_without_end(victim, answer):
    """Said to be silent for two seconds at most, such a mirror has to be given up for good some time."""
    victim.limit_s = 45
    victim.before = LIMITED
    with mirror(answer) as address:
        _use(victim, address)
        victim.refuse("lock")


def _use(victim, address):
    victim.configure("timeout = 2")
    path = victim.home / ".config/envforge/config.toml"
    victim.write(path, path.read_text().replace(victim.server.url, address))


@pytest.mark.parametrize("during", ["fetching", "configuring"])
def test_it_ends_when_it_is_told_to(victim, during):
    """SIGTERM is honoured whatever is being waited for, and nothing goes on afterwards."""
    victim.package(postinst="sleep 60")
    with mirror(drip) as address:
        if during == "fetching":
            victim.configure("timeout = 30")
            path = victim.home / ".config/envforge/config.toml"
            victim.write(path, path.read_text().replace(victim.server.url, address))
        words = victim.user.command(["sh", "-c", "exec envforge build & echo $!; wait"], victim.environment)
        process = subprocess.Popen(
            words, cwd=victim.project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        pid = int(process.stdout.readline())
        time.sleep(2 if during == "fetching" else 6)
        os.kill(pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.kill(pid, signal.SIGKILL)
            process.wait()
            raise GaveWayError("SIGTERM is not heard") from None
    time.sleep(0.5)
    victim.check()


def test_time_of_a_script_has_a_bound(victim):
    """As far as the user says one."""
    victim.configure("script-timeout = 3")
    victim.package(postinst="sleep 300")
    victim.limit_s = 60
    victim.refuse()
