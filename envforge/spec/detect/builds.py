"""What a project needs by its build files, its containers and its sources."""

import re
from collections.abc import Iterator
from typing import Final

from envforge.spec.detect.directory import ALL_SUITES, FETCHES, Directory, Finding
from envforge.spec.detect.native_libraries import CMAKE
from envforge.spec.grammar import PACKAGE

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


BUILD_FILES: Final = (
    (("CMakeLists.txt",), ("cmake", "build-essential")),
    (("meson.build",), ("meson", "build-essential", "pkg-config")),
    (("configure.ac", "configure.in"), ("autoconf", "automake", "libtool", "build-essential", "pkg-config")),
    (("configure",), ("build-essential",)),
    (("mix.exs",), ("elixir",)),
    (("dune-project",), ("ocaml", "opam", "build-essential")),
    (("cabal.project", "stack.yaml"), ("ghc", "cabal-install", FETCHES)),
    (("DESCRIPTION", "renv.lock"), ("r-base-core",)),
    (("cpanfile", "Makefile.PL"), ("perl", "cpanminus", "build-essential", FETCHES)),
    (("mkdocs.yml",), ("mkdocs",)),
    (("_config.yml",), ("jekyll",)),
)


def build_files(directory: Directory) -> Iterator[Finding]:
    """Find build systems that one file gives away."""
    for names, packages in BUILD_FILES:
        present = [name for name in names if directory.has(name)]
        if present:
            yield Finding(present[0], packages)


def cmake(directory: Directory) -> Iterator[Finding]:
    """Find the libraries that a CMake project looks for."""
    if not directory.has("CMakeLists.txt"):
        return
    names = re.findall(r"^\s*find_package\s*\(\s*(\w[\w-]*)", directory.text("CMakeLists.txt"), re.MULTILINE)
    packages = dict.fromkeys(package for name in names for package in CMAKE.get(name, ()))
    if packages:
        yield Finding("CMakeLists.txt", tuple(packages))


def native(directory: Directory) -> Iterator[Finding]:
    """Find makefiles, and sources by the endings of their names."""
    makefiles = [name for name in ("Makefile", "makefile", "GNUmakefile") if directory.has(name)]
    if directory.ending(".c", ".cc", ".cpp", ".cxx", ".h", ".hpp"):
        yield Finding("*.c, *.cpp", ("build-essential",))
    elif makefiles:
        yield Finding(makefiles[0], ("make",))
    if directory.ending(".f90", ".f", ".f95"):
        yield Finding("*.f90", ("gfortran",))
    if directory.ending(".tex"):
        yield Finding("*.tex", ("latexmk", "texlive-latex-extra"))
    if directory.ending(".proto"):
        yield Finding("*.proto", ("protobuf-compiler",))
    if directory.ending(".ipynb"):
        yield Finding("*.ipynb", ("jupyter-notebook",))


SERVICES: Final = {
    "haproxy": ("haproxy",),
    "httpd": ("apache2",),
    "mariadb": ("mariadb-server",),
    "memcached": ("memcached",),
    "mosquitto": ("mosquitto",),
    "eclipse-mosquitto": ("mosquitto",),
    "mysql": ("mariadb-server",),
    "nginx": ("nginx-light",),
    "postgis": ("postgresql",),
    "postgres": ("postgresql",),
    "rabbitmq": ("rabbitmq-server",),
    "redis": ("redis-server",),
    "valkey": ("redis-server",),
    "varnish": ("varnish",),
}


def compose(directory: Directory) -> Iterator[Finding]:
    """Find the services of a Compose file, by their images' names."""
    for name in ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"):
        images = re.findall(r"^\s*-?\s*image:\s*[\"']?([^\s\"'#]+)", directory.text(name), re.MULTILINE)
        bare = [image.split("@")[0].rpartition("/")[2].partition(":")[0] for image in images]
        packages = dict.fromkeys(package for image in bare for package in SERVICES.get(image, ()))
        others = [image for image in dict.fromkeys(bare) if image not in SERVICES and _NAME.fullmatch(image)]
        notes = (f"no package known for the images: {', '.join(others[:12])}",) if others else ()
        if packages or notes:
            yield Finding(name, tuple(packages), (), notes)


def dockerfile(directory: Directory) -> Iterator[Finding]:
    """Find the suite that an image is based on, and the packages it installs; Ubuntu's only as comments."""
    for name in ("Dockerfile", "Containerfile"):
        text = re.sub(r"\\\r?\n(?:\s*#.*\r?\n)*", " ", directory.text(name))
        installs = re.findall(r"\bapt(?:-get)?\s[^&|;\n]*?\binstall\s([^&|;\n]*)", text)
        words = dict.fromkeys(word.partition("=")[0] for words in installs for word in words.split())
        bases = set(re.findall(r"^FROM\s.*?\b(bookworm|trixie)\b", text, re.MULTILINE | re.IGNORECASE))
        suites = tuple(suite for suite in ALL_SUITES if suite in bases) or ALL_SUITES
        packages = tuple(word for word in words if not PACKAGE.problem(word))
        if not packages and not bases:
            continue
        foreign = re.search(r"^FROM\s.*?\b(?:ubuntu|linuxmint)\b", text, re.MULTILINE | re.IGNORECASE)
        sure, maybe = ((), packages) if foreign else (packages, ())
        yield Finding(name, sure, maybe, (), suites, f"Debian {suites[0]}" if bases else "")


def version_control(directory: Directory) -> Iterator[Finding]:
    """Find a Git working tree."""
    if directory.has(".git"):
        yield Finding(".git", ("git",))
