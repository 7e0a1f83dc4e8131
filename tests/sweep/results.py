"""What came of groups, kept in a directory so that a run can be taken up again.

DIR/NAME.json      one group: packages, kinds, details
"""

import json
import os
from collections.abc import Mapping


class Results:
    """One directory of results."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        self.path = path

    def has(self, name: str) -> bool:
        """Say whether a group has a result."""
        return os.path.exists(self._file(name))

    def keep(self, name: str, result: Mapping[str, object]) -> None:
        """Keep a group's result."""
        with open(f"{self._file(name)}.new", "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1, ensure_ascii=False)
        os.replace(f"{self._file(name)}.new", self._file(name))

    def _file(self, name: str) -> str:
        return f"{self.path}/{name[:200]}.json"
