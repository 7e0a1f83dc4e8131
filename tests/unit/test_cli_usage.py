import json
import subprocess
import sys

import pytest

from envforge import __version__
from envforge.cli import main
from envforge.cli.root import COMMANDS
from envforge.errors import CapabilityError
from envforge.kernel.release import version

EVERY_COMMAND = [name for group in COMMANDS.values() for name in group]


def test_nothing_said_shows_the_help(capsys):
    assert main([]) == 0
    output = capsys.readouterr()
    assert "Project:" in output.out
    assert output.err == ""


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_command_has_a_help_with_what_it_does(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"Usage: envforge {name}" in capsys.readouterr().out


_GROUPS = {
    "store": ("store destroy",),
    "root": ("root add", "root rm", "root ls"),
    "volume": tuple(f"volume {name}" for name in ("ls", "rm", "export", "import", "clone")),
}


@pytest.mark.parametrize("name", [one for name in EVERY_COMMAND for one in _GROUPS.get(name, (name,))])
def test_every_command_shows_an_example(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    assert f"  envforge {name}" in capsys.readouterr().out.partition("Examples:")[2].replace(
        "--store /srv/envforge ", ""
    )


@pytest.mark.parametrize("columns", ["20", "200"])
def test_help_fits_narrow_and_wide_terminals(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["--help"]) == 0
    assert main(["run", "--help"]) == 0
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["lock", "--version"], ["run", "--version"]])
def test_the_version_is_told_before_and_behind_a_command(arguments, capsys):
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"envforge {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("buidl", "build"), ("shel", "shell"), ("install", "add"), ("upgrade", "lock --upgrade")],
)
def test_a_misspelt_command_gets_a_suggestion(typed, meant, capsys):
    assert main([typed]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert f"did you mean `envforge {meant}`?" in output.err


def test_a_strange_command_gets_the_list(capsys):
    assert main(["zzz"]) == 2
    assert "`envforge --help` lists the commands" in capsys.readouterr().err


def test_a_misspelt_option_gets_a_suggestion(capsys):
    assert main(["lock", "--upgrad"]) == 2
    assert "did you mean --upgrade or --upgrade-package?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--locked", "--frozen"],
        ["build", "--workers", "0"],
        ["build", "extra"],
        ["lock", "--check", "--upgrade"],
        ["add"],
        ["completion", "tcsh"],
        ["--file"],
    ],
)
def test_what_cannot_be_understood_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "hint: " in output.err


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "--frob", "x"], ["shell", "--frob"], ["run", "-v", "x", "y"]]
)
def test_run_and_shell_keep_their_own_code_for_what_is_not_the_commands(arguments, capsys):
    assert main(arguments) == 125
    assert "UsageError" in capsys.readouterr().err


def test_json_failures_are_one_object(capsys):
    assert main(["lock", "--json", "--frob"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["class"] == "UsageError"
    assert error["exit_code"] == 2
    assert set(error) == {"class", "message", "hint", "exit_code"}


def test_a_json_of_the_commands_own_is_not_ours(capsys):
    assert main(["run", "--frob", "--", "x", "--json"]) == 125
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "_ENVFORGE_COMPLETE" in capsys.readouterr().out


def complete(line):
    words = line.split(" ")
    environment = {
        "_ENVFORGE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "PATH": "/usr/bin:/bin",
    }
    result = subprocess.run(
        [sys.executable, "-m", "envforge"], env=environment, capture_output=True, text=True, check=False
    )
    return {text.partition(",")[2] for text in result.stdout.splitlines()}


def test_completion_completes_commands_and_options():
    assert complete("envforge bu") == {"build"}
    assert {"--upgrade", "--upgrade-package"} == complete("envforge lock --up")


def test_help_and_usage_load_nothing_heavy():
    code = (
        "import sys\nfrom envforge.cli import main\nmain(['run', '--help'])\n"
        "heavy = {'rich', 'textual', 'pyroute2', 'httpx', 'cattrs', 'tomlkit', 'pysequoia'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m envforge --help | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout.strip() in {"0", "141"}


def test_nobody_to_ask_means_no_destruction(tmp_path):
    command = [sys.executable, "-m", "envforge", "--store", str(tmp_path / "s"), "store", "destroy"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--yes" in result.stderr


def test_doctor_names_every_subject(tmp_path, capsys):
    code = main(["--store", str(tmp_path / "store"), "doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["well"] else CapabilityError.exit_code)
    assert {"kernel", "namespaces", "ids", "overlay", "space", "mirror"} <= {
        check["subject"] for check in told["checks"]
    }
    assert all(check["mend"] for check in told["checks"] if check["state"] == "problem")
    assert not (tmp_path / "store").exists()


def test_doctor_sees_a_store_of_somebody_else(capsys):
    main(["--store", "/proc/1", "doctor", "--json"])
    checks = {check["subject"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["store"]["state"] == "problem" or checks["overlay"]["state"] == "problem"


@pytest.mark.parametrize(
    ("release", "number"),
    [
        ("6.1.0-13-amd64", (6, 1)),
        ("5.11", (5, 11)),
        ("6.18.44-x", (6, 18)),
        ("5.10+", (5, 10)),
        ("odd", (0, 0)),
    ],
)
def test_kernel_releases_are_read(release, number):
    assert version(release) == number
