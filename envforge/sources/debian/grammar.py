"""Grammar of a lock's Debian fields: text that is not trusted and becomes paths and addresses. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from envforge.sources.debian.dpkg import policy
from envforge.sources.debian.dpkg.policy import Rule
from envforge.sources.debian.model import LockedArchive, LockedPackage, Request, RequestedArchive
from envforge.values import AttrsInstance

_SIZE_MAX_BYTES: Final = 1 << 40
_SHA256: Final = Rule("SHA-256", "[0-9a-f]{64}")
_SUITE: Final = Rule("suite", policy.ARCHIVE_PATH.pattern)
_DATE: Final = Rule("date", r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}Z")
_FINGERPRINT: Final = Rule("fingerprint", "[0-9a-fA-F]{40,64}")
_ADDRESS: Final = Rule("address", r"(?:https?://[!-~]+)?")

_RULES: Final[Mapping[type[AttrsInstance], Mapping[str, Rule]]] = {
    LockedArchive: {
        "name": policy.LINE,
        "suite": _SUITE,
        "date": _DATE,
        "fingerprint": _FINGERPRINT,
        "uri": _ADDRESS,
    },
    LockedPackage: {
        "name": policy.PACKAGE,
        "version": policy.VERSION,
        "architecture": policy.ARCHITECTURE,
        "archive": policy.LINE,
        "path": policy.ARCHIVE_PATH,
        "sha256": _SHA256,
    },
    Request: {"suite": policy.LINE},
    RequestedArchive: {"name": policy.LINE, "suite": policy.LINE, "uri": policy.LINE, "key": policy.LINE},
}


def check(model: AttrsInstance) -> None:
    """Raise ValueError if a field of a lock's model breaks its grammar."""
    for field, rule in _RULES[type(model)].items():
        _check(field, getattr(model, field), rule)
    if isinstance(model, LockedPackage):
        if not 0 < model.size <= _SIZE_MAX_BYTES:
            raise ValueError(f"{model.name} has the size {model.size}")
        for name in model.needs:
            _check(f"what {model.name} needs", name.partition(":")[0], policy.PACKAGE)
    if isinstance(model, Request):
        for text in (*model.pockets, *model.components, *model.packages):
            _check("request", text, policy.LINE)


def check_architecture(name: Any) -> None:
    """Raise ValueError if `name` cannot be the name of an architecture."""
    _check("architecture", name, policy.ARCHITECTURE)


def _check(field: str, value: str, rule: Rule) -> None:
    if not rule.allows(value):
        raise ValueError(f"{field.replace('_', '-')}: {value[:200]!r} is no {rule.what}")
