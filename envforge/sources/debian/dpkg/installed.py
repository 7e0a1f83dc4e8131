"""Reads what dpkg's database in a tree says: which packages it has. The tree is not trusted."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from envforge.sources.debian.dpkg import policy

if TYPE_CHECKING:
    from envforge.kernel.reading import Readable

STATUS: Final = "/var/lib/dpkg/status"
_INFO: Final = b"/var/lib/dpkg/info/"
_FIELD: Final = r"^(Package|Version|Architecture|Status): (.*)$"


def package_of(path: bytes) -> str:
    """Return the package of `/var/lib/dpkg/info/PACKAGE[:ARCHITECTURE].MEMBER`; empty for any other path."""
    if not path.startswith(_INFO):
        return ""
    name = path[len(_INFO) :].decode(errors="replace").rpartition(".")[0]
    return name if policy.PACKAGE.allows(name.partition(":")[0]) else ""


def read(tree: "Readable") -> Iterator[tuple[str, str, str]]:
    """Yield name, version and architecture of each installed package; nothing from a tree without dpkg.

    Paragraphs that break the grammar of Debian Policy are left out. Raises OSError.
    """
    if not tree.is_file(STATUS):
        return
    for paragraph in tree.read_text(STATUS).split("\n\n"):
        fields = dict(re.findall(_FIELD, paragraph, re.MULTILINE))
        name, version, architecture = (fields.get(one, "") for one in ("Package", "Version", "Architecture"))
        allowed = (
            policy.PACKAGE.allows(name)
            and policy.VERSION.allows(version)
            and policy.ARCHITECTURE.allows(architecture)
        )
        if allowed and fields.get("Status", "").endswith(" installed"):
            yield name, version, architecture
