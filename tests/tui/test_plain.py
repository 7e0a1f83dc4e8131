import subprocess
from pathlib import Path

from commandline import COMMAND

from envforge.tui.plain import lines


def test_the_same_facts_as_text(small_store: Path) -> None:
    project = next(
        one for one in sorted((small_store / "projects").iterdir()) if (one / "envforge.toml").exists()
    )
    told = list(lines(f"{small_store}/store", file=f"{project}/envforge.toml"))
    assert told[0].startswith("Environments: 8 environments")
    assert any(line.startswith(f"{project.name}, gen ") for line in told)
    assert any(line.startswith("Layers: ") for line in told)
    assert any(line.startswith("Packages: ") for line in told)
    assert any(line.startswith("Store: ") for line in told)
    assert any(", own " in line for line in told)
    assert not any("█" in line or "│" in line for line in told)


def test_it_needs_neither_terminal_nor_textual(small_store: Path) -> None:
    done = subprocess.run(
        [COMMAND, "--store", f"{small_store}/store", "tui", "--plain"],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.startswith("Environments: 8")
