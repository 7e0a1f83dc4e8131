"""What `init` proposes: the right packages for what lies there, and always a spec that parses."""

import os
from pathlib import Path

import pytest

from envforge.errors import SpecError
from envforge.spec.detect import propose
from envforge.spec.detect.releases import satisfies, suites_for
from envforge.spec.model import Spec
from envforge.spec.parse import parse


def proposed(directory: Path, files: dict[str, str]) -> Spec:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return parse(propose(str(directory)).encode(), "envforge.toml")


GEMS = {"Gemfile": 'gem "pg", "~> 1.5"\ngem("puma")\n', "Gemfile.lock": "GEM\n  specs:\n    ffi (1.16)\n"}
COMPOSER = '{"require": {"ext-intl": "*", "ext-json": "*"}, "require-dev": {"ext-dom": "*"}}'
CMAKE = "find_package(ZLIB REQUIRED)\n  find_package( OpenSSL )\nfind_package(Threads)\n"


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        ({}, set()),
        ({"package.json": "{}"}, {"nodejs", "npm", "ca-certificates"}),
        ({"package.json": "{}", "yarn.lock": ""}, {"nodejs", "yarnpkg", "ca-certificates"}),
        ({"app.py": ""}, {"python3", "python3-venv"}),
        (
            {"requirements.txt": "Flask==2.2 # web\nPyYAML>=6\n# no\n-r other.txt\n"},
            {"python3", "python3-venv", "python3-flask", "python3-yaml"},
        ),
        (
            {"requirements.txt": "flask\nsome-thing[extra]>=1; python_version < '4'\n"},
            {"python3", "python3-venv", "python3-flask", "ca-certificates"},
        ),
        (
            {"pyproject.toml": '[project]\ndependencies = ["numpy>=1", "Pillow"]\n'},
            {"python3", "python3-venv", "python3-numpy", "python3-pil"},
        ),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\npandas = "*"\n'},
            {"python3", "python3-venv", "python3-pandas"},
        ),
        ({"go.mod": "module x\n\ngo 1.19\n"}, {"golang-go", "git", "ca-certificates"}),
        ({"Cargo.toml": '[package]\nname = "x"\n'}, {"cargo", "gcc", "ca-certificates"}),
        ({"Gemfile": ""}, {"ruby", "ruby-dev", "bundler", "build-essential", "ca-certificates"}),
        ({"composer.json": "{}"}, {"php-cli", "composer", "ca-certificates"}),
        (
            GEMS,
            {"ruby", "ruby-dev", "bundler", "build-essential", "ca-certificates"}
            | {"libpq-dev", "libssl-dev", "libffi-dev"},
        ),
        (
            {"composer.json": COMPOSER},
            {"php-cli", "composer", "ca-certificates", "php-intl", "php-xml"},
        ),
        (
            {"CMakeLists.txt": CMAKE},
            {"build-essential", "cmake", "zlib1g-dev", "libssl-dev"},
        ),
        ({"pom.xml": "<project/>"}, {"default-jdk-headless", "maven", "ca-certificates"}),
        ({"build.gradle": "", "gradlew": ""}, {"default-jdk-headless", "ca-certificates"}),
        ({"Main.java": ""}, {"default-jdk-headless"}),
        ({"Makefile": ""}, {"make"}),
        ({"Makefile": "", "hello.c": ""}, {"build-essential"}),
        ({"src/main.cpp": "", "CMakeLists.txt": ""}, {"build-essential", "cmake"}),
        ({"meson.build": ""}, {"meson", "build-essential", "pkg-config"}),
        (
            {"compose.yaml": "services:\n  db:\n    image: a.b/postgres:15\n  q:\n    image: 'redis'"},
            {"postgresql", "redis-server"},
        ),
        ({".git/HEAD": ""}, {"git"}),
    ],
)
def test_packages(tmp_path, files: dict[str, str], packages: set[str]):
    assert set(proposed(tmp_path, files).debian.packages) == packages


@pytest.mark.parametrize(
    ("files", "suite"),
    [
        ({}, "trixie"),
        ({"package.json": '{"engines": {"node": ">=20"}}'}, "trixie"),
        ({"package.json": '{"engines": {"node": "18.x"}}'}, "bookworm"),
        ({"package.json": "{}", ".nvmrc": "v18.20.0\n"}, "bookworm"),
        ({"package.json": '{"engines": {"node": ">=99"}}'}, "trixie"),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.10,<3.12"\n'}, "bookworm"),
        ({"go.mod": "go 1.22\n"}, "trixie"),
        ({"pom.xml": "<maven.compiler.release>21</maven.compiler.release>"}, "trixie"),
        ({"Dockerfile": "FROM debian:bookworm-slim\n"}, "bookworm"),
        ({"composer.json": '{"require": {"php": "~8.2.0"}}'}, "bookworm"),
        ({"composer.json": '{"config": {"platform": {"php": "8.4"}}}'}, "trixie"),
        ({"Gemfile": 'ruby "3.1.7"\n'}, "bookworm"),
        ({"Gemfile": "ruby '>= 3.0', '< 3.2'\n"}, "bookworm"),
        ({"Gemfile": 'ruby "~> 3.3.0"\n'}, "trixie"),
        ({"Gemfile": 'ruby file: ".ruby-version"\n', ".ruby-version": "ruby-3.1.2\n"}, "bookworm"),
    ],
)
def test_the_suite_has_what_is_asked_for(tmp_path, files: dict[str, str], suite: str):
    assert proposed(tmp_path, files).debian.suite == suite


def test_what_a_dockerfile_installs_is_taken_but_for_ubuntus_names(tmp_path):
    installs = "RUN apt-get update && apt-get install -y \\\n  # x\n  libpq-dev $X curl=1 \\\n && y\n"
    assert proposed(tmp_path, {"Dockerfile": installs}).debian.packages == ("libpq-dev", "curl")
    (tmp_path / "Dockerfile").write_text(f"FROM ubuntu:24.04\n{installs}")
    text = propose(str(tmp_path))
    assert '  # "libpq-dev",\n  # "curl",\n' in text
    assert parse(text.encode(), "f").debian.packages == ()


def test_what_nobody_has_is_said(tmp_path):
    (tmp_path / "package.json").write_text('{"engines": {"node": ">=99"}}')
    assert "# package.json asks for node >=99, which it does not have" in propose(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop", "shop"),
        ("My Shop (2)", "my-shop-2"),
        ("Ünï cödé", "uni-code"),
        ("-x-", "x"),
        ("…", "project"),
        ("日本", "project"),
        ("a" * 200, "a" * 63),
        ("quote\"'\n", "quote"),
    ],
)
def test_names_of_directories(tmp_path, name: str, expected: str):
    directory = tmp_path / name
    directory.mkdir()
    assert proposed(directory, {}).name == expected


def test_a_name_that_is_no_text(tmp_path):
    directory = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(directory)
    assert 'name = "caf"' in propose(os.fsdecode(directory))


def test_files_that_are_not_what_they_seem(tmp_path):
    (tmp_path / "package.json").mkdir()
    (tmp_path / "go.mod").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pyproject.toml")
    (tmp_path / "Cargo.toml").write_bytes(b"\xff\xfe[")
    (tmp_path / "composer.json").write_text('{"require": {"php": 8}}')
    (tmp_path / "pom.xml").write_text("[" * 100000)
    (tmp_path / "src").symlink_to("/proc")
    spec = parse(propose(str(tmp_path)).encode(), "f")
    assert {"nodejs", "golang-go", "cargo", "php-cli"} <= set(spec.debian.packages)


def test_what_files_say_stays_in_comments(tmp_path):
    (tmp_path / "package.json").write_text('{"engines": {"node": ">=99\\n[evil]\\nx = 1"}}')
    (tmp_path / "requirements.txt").write_text("a\x0cb\nzz\u2028[x]\n")
    parse(propose(str(tmp_path)).encode(), "f")


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(SpecError, match="No such file"):
        propose(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("version", "asked", "answer"),
    [
        ((18, 20, 4), "", True),
        ((18, 20, 4), "*", True),
        ((18, 20, 4), ">=18", True),
        ((18, 20, 4), ">= 18.0.0 < 19", True),
        ((18, 20, 4), "^18.19.0", True),
        ((18, 20, 4), "^18.21", False),
        ((18, 20, 4), "~18.20.1", True),
        ((18, 20, 4), "~18.19", False),
        ((18, 20, 4), "18", True),
        ((18, 20, 4), "18.x || 20", True),
        ((20, 19, 2), "18.x || 20", True),
        ((22, 1, 0), "18.x || 20", False),
        ((18, 20, 4), ">18", False),
        ((18, 20, 4), "16 - 18", True),
        ((3, 11, 2), ">=3.9,<4", True),
        ((3, 11, 2), "~=3.10", True),
        ((3, 11, 2), "~=3.10.0", False),
        ((3, 11, 2), "==3.11.*", True),
        ((3, 11, 2), ">3.10, !=3.12", True),
        ((3, 13, 5), "<3.13", False),
        ((18, 20, 4), "lts/hydrogen", True),
    ],
)
def test_version_ranges(version: tuple[int, ...], asked: str, answer: bool):  # noqa: FBT001 - a parameter of the test
    assert satisfies(version, asked) is answer


def test_suites_for():
    assert suites_for("node", "") == ("trixie", "bookworm")
    assert suites_for("node", "18") == ("bookworm",)
    assert suites_for("node", "22") == ()
