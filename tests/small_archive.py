"""A small Debian archive that tests make themselves: real .debs, real indexes, a key of their own.

The same calls give the same bytes, apart from the signatures: golden locks hold.
"""

import functools
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
from pathlib import Path

import debs
from pysequoia import SignatureMode, Tsk, sign

KEYS = Path(__file__).parent / "golden" / "keys"
KEY = KEYS / "archive.secret.asc"
FINGERPRINT = "4599b304533c1c10d8eafbb8ae0b023a36464783"
DATE = "Thu, 01 Jan 2026 00:00:00 UTC"


def public_key() -> bytes:
    return bytes(Tsk.from_file(str(KEY)).extract_certificate())


def clear_signed(text: bytes) -> bytes:
    return sign(Tsk.from_file(str(KEY)).signer(), text, mode=SignatureMode.CLEAR)


def detached(text: bytes) -> bytes:
    return sign(Tsk.from_file(str(KEY)).signer(), text, mode=SignatureMode.DETACHED)


class Archive:
    """An archive in a directory. Add packages, then publish; publish again after changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stanzas: dict[str, list[str]] = {}

    def add(
        self,
        name,
        version="1.0",
        *,
        suite="bookworm",
        data=(),
        members=None,
        inside=None,
        listed=None,
        content=None,
        **fields,
    ) -> str:
        """Add a package to a suite; return the path of its .deb. Fields: `pre_depends="x"` and so on.

        `members` are further ones of the control archive. A hostile package is one thing in the index and
        another in its archive: `inside` are fields as the .deb has them, `listed` as the index has them, and
        `content` is a .deb of any bytes.
        """
        architecture = fields.pop("architecture", "all")
        control = {
            "Package": name,
            "Version": version,
            "Architecture": architecture,
            "Maintainer": "Nobody <nobody@example.org>",
            "Priority": fields.pop("priority", "optional"),
            **{key.replace("_", "-").title(): value for key, value in fields.items()},
            "Description": f"{name} of the tests",
        }
        path = f"pool/{name}_{version.replace(':', '%3a')}_{architecture}.deb"
        content = content or _deb(_paragraph({**control, **(inside or {})}), data, members or {})
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        file_fields = {"Filename": path, "Size": len(content), "SHA256": sha256}
        stanza = _paragraph({**control, **file_fields, **(listed or {})})
        self.stanzas.setdefault(suite, []).append(stanza.decode(errors="surrogateescape"))
        return path

    def drop(self, name, *, suite="bookworm") -> None:
        """Remove all versions of a package, and their files."""
        kept = []
        for stanza in self.stanzas.get(suite, []):
            if stanza.startswith(f"Package: {name}\n"):
                path = self.path / stanza.partition("Filename: ")[2].partition("\n")[0]
                path.unlink(missing_ok=True)
            else:
                kept.append(stanza)
        self.stanzas[suite] = kept

    def publish(self, suite="bookworm", *, date=DATE, sign_by="inline", listed=None, **fields) -> None:
        """Write a suite's indexes and sign them: `inline`, `detached`, or None for not at all."""
        top = self.path / "dists" / suite
        shutil.rmtree(top, ignore_errors=True)
        directory = top / "main" / "binary-amd64"
        directory.mkdir(parents=True)
        packages = "\n".join(self.stanzas.get(suite, [])).encode(errors="surrogateescape")
        forms = {"": packages, ".xz": lzma.compress(packages), ".gz": gzip.compress(packages, mtime=0)}
        lines = []
        for ending, content in forms.items():
            (directory / f"Packages{ending}").write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            lines.append(f" {sha256} {len(content)} main/binary-amd64/Packages{ending}\n")
        head = {"Origin": "Tests", "Codename": suite, "Date": date, "Components": "main", **fields}
        text = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in head.items())
        text += "SHA256:\n" + "".join(listed if listed is not None else lines)
        if sign_by == "inline":
            (top / "InRelease").write_bytes(clear_signed(text.encode()))
            return
        (top / "Release").write_text(text)
        if sign_by == "detached":
            (top / "Release.gpg").write_bytes(detached(text.encode()))

    def add_tools(self, suite="bookworm") -> None:
        """Add the host's own apt as a package, so that nothing has to come from a mirror."""
        programs = ["/usr/bin/apt-get", "/usr/bin/apt-cache", "/usr/lib/apt/methods/http"]
        libraries = libraries_of(*programs)
        tables = [str(path) for path in Path("/usr/share/dpkg").glob("*table")]
        self.add("apt", suite=suite, architecture="amd64", data=host_files(*programs, *libraries))
        self.add("dpkg", suite=suite, architecture="amd64", data=host_files(*tables))
        self.add("debian-archive-keyring", suite=suite)
        self.add("gpgv", suite=suite)


def _paragraph(fields) -> bytes:
    return "".join(f"{key}: {value}\n" for key, value in fields.items()).encode(errors="surrogateescape")


def _deb(control, data, members):
    """A .deb whose bytes are the same whatever compressor is here: nothing in it is compressed."""
    encoded = {name: text if isinstance(text, bytes) else text.encode() for name, text in members.items()}
    return debs.ar(
        ("debian-binary", b"2.0\n"),
        ("control.tar", debs.control_tar(control, mode="w", **encoded)),
        ("data.tar", debs.tar(*data)),
    )


@functools.cache
def libraries_of(*programs: str) -> frozenset[str]:
    """Return what the host loads with these programs."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return frozenset(word for word in said.split() if word.startswith("/") and not word.endswith(":"))


def host_files(*names):
    """Files of the host as members of a .deb, below /usr."""
    return [
        debs.member(f".{_merged(name)}", Path(os.path.realpath(name)).read_bytes(), mode=0o755)
        for name in sorted(names)
    ]


def _merged(name: str) -> str:
    return name if name.startswith("/usr/") else f"/usr{name}"
