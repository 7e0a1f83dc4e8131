"""Files for apt inside a sandbox: wrappers that point to `envforge add`, and for root a list of sources.

apt's changes inside are gone when the sandbox ends. The list names the mirrors that this host uses, so it is
generated at entry and is in no layer.
"""

from collections.abc import Iterator
from typing import Final

from envforge.config import Config
from envforge.sources.interface import Laid
from envforge.spec.model import Debian

_ADVISED: Final = ("/usr/local/sbin/apt", "/usr/local/sbin/apt-get")
_SOURCES: Final = "/etc/apt/sources.list.d/envforge.sources"
_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ADVICE: Final = b"""\
#!/bin/sh
# Laid here by envforge on entering; the real one is in /usr/bin.
for word; do
  case $word in
    update | install | upgrade | full-upgrade | dist-upgrade | remove | purge | autoremove)
      echo "envforge: what apt does here is gone on leaving; outside, 'envforge add PACKAGE' is for good" >&2
      break ;;
  esac
done
exec "/usr/bin/${0##*/}" -o APT::Sandbox::User=root "$@"
"""


def files(debian: Debian, config: Config, *, is_root: bool) -> Iterator[Laid]:
    """Yield the generated files of an environment that has apt."""
    for path in _ADVISED:
        yield Laid(path, _ADVICE, 0o755)
    if is_root:
        from envforge.sources.debian.indexes import mirrors  # noqa: PLC0415  # loads OpenSSL

        known = mirrors.discover(config)
        addresses = {name: known.of(name) for name in (mirrors.MAIN, mirrors.SECURITY)}
        yield Laid(_SOURCES, sources_text(debian, addresses).encode())


def sources_text(debian: Debian, addresses: "dict[str, tuple[str, ...]]") -> str:
    """Return the spec's suite and pockets as apt's sources (sources.list(5), deb822).

    Further archives are left out: their keys are the project's. So are mirrors that are directories of the
    host: the sandbox does not see them.
    """
    suites = {"debian": [debian.suite], "debian-security": []}
    for pocket in debian.pockets:
        archive = "debian-security" if pocket == "security" else "debian"
        suites[archive].append(f"{debian.suite}-{pocket}")
    paragraphs = []
    for archive, names in suites.items():
        address = next((one for one in addresses[archive] if one.startswith("http")), "")
        if names and address:
            paragraphs.append(
                f"Types: deb\nURIs: {address}\nSuites: {' '.join(names)}\n"
                f"Components: {' '.join(debian.components)}\nSigned-By: {_KEYS}\n"
            )
    return "\n".join(paragraphs)
