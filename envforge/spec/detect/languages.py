"""What a project's language needs, by the files that its package managers read."""

import re
from collections.abc import Iterator
from typing import Any, Final

from envforge.spec.detect.directory import FETCHES, Directory, Finding, at, json_of, list_of, text_at, toml_of
from envforge.spec.detect.native_libraries import GEMS, PHP_EXTENSIONS
from envforge.spec.detect.pypi_names import debian_package
from envforge.spec.detect.releases import suites_for

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def node(directory: Directory) -> Iterator[Finding]:
    """Find a Node project, and its package manager."""
    if not directory.has("package.json"):
        return
    asked = text_at(json_of(directory.text("package.json")), "engines", "node")
    if not asked and (major := re.match(r"v?(\d+)", directory.text(".nvmrc"))):
        asked = major[1]
    manager = ("yarnpkg",) if directory.has("yarn.lock") else ("npm",)
    notes = ("pnpm is not in Debian: npm install --global pnpm",) if directory.has("pnpm-lock.yaml") else ()
    suites = suites_for("node", asked)
    yield Finding(
        "package.json", ("nodejs", *manager, FETCHES), (), notes, suites, f"node {asked}" if asked else ""
    )


def python(directory: Directory) -> Iterator[Finding]:
    """Find a Python project, the dependencies that Debian has, and what fetching the others needs."""
    sources = [
        name
        for name in (
            "pyproject.toml",
            "requirements.txt",
            "setup.py",
            "setup.cfg",
            "Pipfile",
            "environment.yml",
        )
        if directory.has(name)
    ]
    if not sources and not directory.ending(".py"):
        return
    project = toml_of(directory.text("pyproject.toml")) if directory.has("pyproject.toml") else {}
    asked = text_at(project, "project", "requires-python")
    asked = asked or text_at(project, "tool", "poetry", "dependencies", "python")
    wanted = dict.fromkeys(
        [*_pyproject_names(project), *_requirement_names(directory.text("requirements.txt"))]
    )
    known = {debian_package(name): None for name in wanted if debian_package(name)}
    others = [name for name in wanted if not debian_package(name)]
    notes: tuple[str, ...] = ()
    if others:
        notes = (f"from PyPI, in a venv (python3 -m venv .venv): {', '.join(others[:12])}",)
    packages = ("python3", *known, "python3-venv", *((FETCHES,) if others else ()))
    asks = f"python {asked}" if asked else ""
    yield Finding(", ".join(sources) or "*.py", packages, (), notes, suites_for("python", asked), asks)


def _pyproject_names(project: dict[str, Any]) -> Iterator[str]:
    dependencies = at(project, "project", "dependencies")
    yield from _requirement_names("\n".join(item for item in list_of(dependencies) if isinstance(item, str)))
    poetry = at(project, "tool", "poetry", "dependencies")
    if isinstance(poetry, dict):
        yield from (name for name in poetry if name != "python" and _NAME.fullmatch(name))


def _requirement_names(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = _NAME.match(line.strip())
        if found and "://" not in line and not line.strip().startswith(("-", "#", ".")):
            yield found[0].rstrip("._-")


def go(directory: Directory) -> Iterator[Finding]:
    """Find a Go module."""
    if directory.has("go.mod"):
        asked = re.search(r"^go\s+(\d+\.\d+)", directory.text("go.mod"), re.MULTILINE)
        suites = suites_for("go", f">={asked[1]}" if asked else "")
        yield Finding(
            "go.mod", ("golang-go", "git", FETCHES), (), (), suites, f"go {asked[1]}" if asked else ""
        )


def rust(directory: Directory) -> Iterator[Finding]:
    """Find a Cargo package or workspace."""
    if directory.has("Cargo.toml"):
        package = toml_of(directory.text("Cargo.toml"))
        asked = text_at(package, "package", "rust-version")
        if not asked and text_at(package, "package", "edition") == "2024":
            asked = "1.85"
        suites = suites_for("rust", f">={asked}" if asked else "")
        yield Finding(
            "Cargo.toml", ("cargo", "gcc", FETCHES), (), (), suites, f"rust {asked}" if asked else ""
        )


def ruby(directory: Directory) -> Iterator[Finding]:
    """Find a bundle of gems, and the libraries that common ones are built with."""
    if not directory.has("Gemfile"):
        return
    gemfile, locked = directory.text("Gemfile"), directory.text("Gemfile.lock")
    names = re.findall(r"^\s*gem\s*\(?\s*[\"']([\w-]+)[\"']", gemfile, re.MULTILINE)
    names += re.findall(r"^    ([\w-]+) \(", locked, re.MULTILINE)
    libraries = dict.fromkeys(library for name in names for library in GEMS.get(name, ()))
    asked = _ruby_version(gemfile, directory.text(".ruby-version"))
    packages = ("ruby", "ruby-dev", "bundler", "build-essential", FETCHES, *libraries)
    suites = suites_for("ruby", asked)
    yield Finding("Gemfile", packages, (), (), suites, f"ruby {asked}" if asked else "")


def _ruby_version(gemfile: str, version_file: str) -> str:
    """Return the requested range; for a single release its series, as Debian patches releases itself."""
    if said := re.search(r"^\s*ruby\s*\(?\s*((?:[\"'][^\"']+[\"']\s*,?\s*)+)", gemfile, re.MULTILINE):
        asked = " ".join(re.findall(r"[\"']([^\"']+)[\"']", said[1])).replace("~>", "~=")
    else:
        asked = version_file.strip().removeprefix("ruby-")[:60]
    exact = re.fullmatch(r"(\d+\.\d+)(?:\.\d+)?(?:-?p\d+)?", asked)
    return exact[1] if exact else asked


def php(directory: Directory) -> Iterator[Finding]:
    """Find a Composer project, and the PHP extensions that are packages of their own."""
    if not directory.has("composer.json"):
        return
    project = json_of(directory.text("composer.json"))
    asked = text_at(project, "require", "php") or text_at(project, "config", "platform", "php")
    needs = [name for key in ("require", "require-dev") for name in (at(project, key) or {})]
    extensions = dict.fromkeys(PHP_EXTENSIONS[name] for name in needs if name in PHP_EXTENSIONS)
    suites = suites_for("php", asked)
    packages = ("php-cli", "composer", FETCHES, *extensions)
    yield Finding("composer.json", packages, (), (), suites, f"php {asked}" if asked else "")


def java(directory: Directory) -> Iterator[Finding]:
    """Find Java sources and their build."""
    builds = [name for name in ("pom.xml", "build.gradle", "build.gradle.kts") if directory.has(name)]
    if not builds and not directory.ending(".java"):
        return
    text = "\n".join(directory.text(name) for name in builds)
    versions = (
        r"(?:java\.version>|release>|languageVersion[^\n]*?\(|sourceCompatibility[^\n]*?)\D{0,3}(\d{1,2})\b"
    )
    found = re.search(versions, text)
    packages = ["default-jdk-headless"]
    if builds == ["pom.xml"] and not directory.has("mvnw"):
        packages.append("maven")
    if builds:
        packages.append(FETCHES)
    notes: tuple[str, ...] = ()
    if builds and builds[0].startswith("build.gradle") and not directory.has("gradlew"):
        notes = ("Debian's gradle is too old for most builds; bring the wrapper (gradlew) along",)
    suites = suites_for("java", f">={found[1]}" if found else "")
    yield Finding(
        ", ".join(builds) or "*.java", tuple(packages), (), notes, suites, f"java {found[1]}" if found else ""
    )
