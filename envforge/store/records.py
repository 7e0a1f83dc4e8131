"""Small JSON documents of the store, replaced atomically: build records, environments, roots.

records/<key>.json          {"format", "key", "recipe", "digest", "size_bytes", "files", "notes"}
environments/<digest>.json  {"format", "digest", "layers": [{"name", "key", "digest"}], "runtime", "closure"}
roots/<project>.json        {"format", "spec", "name", "generations": [{"number", "environment", "created",
                            "spec", "lock", "reason"}]}
"""

import json
import os
from collections.abc import Iterator
from typing import Any, Final

from envforge import whole_file
from envforge.errors import StoreError
from envforge.store.layout import Store

FORMAT: Final = 1


def write(store: Store, path: str, document: dict[str, Any]) -> None:
    """Write `document` with the format's number to `path`, atomically and synced to the disk."""
    from envforge.store.staging import staging  # noqa: PLC0415 (most commands only read)

    text = json.dumps({"format": FORMAT, **document}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    with staging(store, "record") as directory:
        data = text.encode("utf-8", "surrogateescape")
        whole_file.write(path, data, mode=0o644, temporary=f"{directory}/record")


def read(path: str) -> dict[str, Any] | None:
    """Return the document at `path`, None if there is none.

    Raises StoreError if it is damaged or of another format.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}", hint="remove that file and build again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StoreError(
            f"{path} is not of format {FORMAT}",
            hint="use the release that wrote it, or another --store",
        )
    return document


def read_all(directory: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name (without `.json`) and document of every record in a directory, sorted by name."""
    for name in sorted(os.listdir(directory)):
        if name.endswith(".json"):
            document = read(f"{directory}/{name}")
            if document is not None:
                yield name.removesuffix(".json"), document
