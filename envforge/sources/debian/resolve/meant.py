"""Guesses the package meant by an unknown name: a program's, another distribution's, an old one."""

from collections.abc import Collection, Iterator
from typing import Final

_MEANT: Final = {
    "7z": "7zip",
    "add-apt-repository": "software-properties-common",
    "ag": "silversearcher-ag",
    "c++": "g++",
    "cc": "gcc",
    "clang++": "clang",
    "convert": "imagemagick",
    "dig": "bind9-dnsutils",
    "docker": "docker.io",
    "fd": "fd-find",
    "gcc-c++": "g++",
    "go": "golang-go",
    "ifconfig": "net-tools",
    "ip": "iproute2",
    "java": "default-jdk",
    "jdk": "default-jdk",
    "jre": "default-jre",
    "latex": "texlive-latex-base",
    "locale-gen": "locales",
    "mvn": "maven",
    "mysql": "mariadb-client",
    "mysql-client": "mariadb-client",
    "mysql-server": "mariadb-server",
    "nc": "netcat-openbsd",
    "node": "nodejs",
    "nodejs-dev": "libnode-dev",
    "openssl-dev": "libssl-dev",
    "pdflatex": "texlive-latex-base",
    "ping": "iputils-ping",
    "pip": "python3-pip",
    "pip3": "python3-pip",
    "postgresql-dev": "libpq-dev",
    "ps": "procps",
    "psql": "postgresql-client",
    "python": "python3",
    "python-dev": "python3-dev",
    "python-pip": "python3-pip",
    "redis-cli": "redis-tools",
    "rg": "ripgrep",
    "rust": "rustc",
    "sqlite": "sqlite3",
    "top": "procps",
    "venv": "python3-venv",
    "yarn": "yarnpkg",
    "zlib": "zlib1g-dev",
    "zlib-dev": "zlib1g-dev",
}
_ELSEWHERE: Final = (
    ("firmware-", "non-free-firmware"),
    ("nvidia-", "non-free"),
    ("libnvidia-", "non-free"),
    ("intel-mkl", "non-free"),
    ("unrar", "non-free"),
    ("ttf-mscorefonts", "contrib"),
    ("steam", "contrib"),
)


def meant(name: str, there: Collection[str]) -> str:
    """Return the package in `there` that a name most likely means, "" if no guess is in it."""
    return next((one for one in _guesses(name) if one in there), "")


def _guesses(name: str) -> Iterator[str]:
    name = name.removesuffix("el") if name.endswith("-devel") else name  # as Fedora and SUSE call them
    yield from (_MEANT.get(name, ""), name, f"lib{name}")
    if name.startswith("lib"):
        yield f"{name}-dev"
    if name.startswith("python-"):
        yield f"python3-{name.removeprefix('python-')}"


def component_of(name: str, components: Collection[str]) -> str:
    """Return the component that packages of such a name are in, "" if unknown or already in `components`."""
    return next((part for start, part in _ELSEWHERE if name.startswith(start) and part not in components), "")
