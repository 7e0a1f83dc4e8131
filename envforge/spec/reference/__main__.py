"""Writes both into `specs/`; a test fails while they are not current."""

from pathlib import Path

from envforge.spec.reference.page import write

if __name__ == "__main__":
    write(str(Path(__file__).parents[3] / "specs"))
