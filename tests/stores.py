"""Stores of tests, made by hand: small true layers and trees, records and environments, without any build."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from envforge.environment.made import model
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.store import blobs, listing, records
from envforge.store.layout import Store, open_store
from envforge.store.listing import Entry


def key(text: str) -> str:
    """Return a SHA-256 that stands for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


@frozen
class HandMade:
    """A store, and what it was filled with."""

    store: Store
    held: str
    environments: dict[str, str] = field(factory=dict)
    """Digest by name."""
    archives: dict[str, str] = field(factory=dict)
    """SHA-256 by name."""
    layers: dict[str, str] = field(factory=dict)
    """Digest by name."""

    def archive(self, name: str, files: int = 2) -> str:
        """Add an archive: blob, facts and tree."""
        if name in self.archives:
            return self.archives[name]
        sha256 = self.archives[name] = blobs.put(self.store, f"archive {name}\n".encode() * 50)
        tree = self.store.tree(self.held, sha256)
        texts = {f"usr/{name}{at}": f"{name} {at}\n" * 900 for at in range(files)}
        entries = self._fill(f"{tree}/root", texts)
        os.mkdir(f"{tree}/control")
        with open(f"{tree}/listing", "wb") as file:
            file.write(listing.dump(entries))
        with open(self.store.facts(sha256), "w", encoding="ascii") as file:
            json.dump({"name": name}, file)
        return sha256

    def _fill(self, root: str, files: Mapping[str, str]) -> list[Entry]:
        os.makedirs(f"{root}/usr")
        entries = [Entry(b"/", "d"), Entry(b"/usr", "d")]
        for path, text in files.items():
            with open(f"{root}/{path}", "w", encoding="utf-8") as file:
                file.write(text)
            os.utime(f"{root}/{path}", (1, 1))
            os.chmod(f"{root}/{path}", 0o644)
            sha256 = hashlib.sha256(text.encode()).hexdigest().encode()
            size = len(text.encode())
            entries.append(Entry(f"/{path}".encode(), "f", 0o644, mtime=1, size=size, content=sha256))
        return entries

    def layer(self, name: str, archives: Sequence[str] = (), lower: Sequence[str] = ()) -> None:
        """Add a layer and its record: links to the files of these archives, and a file of its own."""
        shas = [self.archive(one) for one in archives]
        staged = f"{self.store.path}/staging/{name}"
        entries = self._fill(f"{staged}/root", {f"usr/{name}": name})
        for sha256 in shas:
            tree = f"{self.store.tree(self.held, sha256)}/root/usr"
            for file in os.listdir(tree):
                os.link(f"{tree}/{file}", f"{staged}/root/usr/{file}")
                entries.append(Entry(f"/usr/{file}".encode(), "f", 0o644, mtime=1))
        text = listing.dump(entries)
        with open(f"{staged}/listing", "wb") as file:
            file.write(text)
        digest = self.layers[name] = listing.digest(text)
        final = self.store.layer(self.held, digest)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(staged, final)
        recipe = {"recipe": 3, "kind": "farm", "packages": shas, "lower": [key(one) for one in lower]}
        numbers = {"size_bytes": 1, "files": 1, "notes": {}}
        document = {"key": key(name), "recipe": recipe, "digest": digest, **numbers}
        records.write(self.store, self.store.record(key(name)), document)

    def environment(self, name: str, layers: Sequence[str]) -> str:
        """Add an environment of these layers, with the record of its closure."""
        references = tuple(LayerReference(one, key(one), self.layers[one]) for one in layers)
        made = Environment(references, {"runtime": 1, "name": name}, key(f"closure of {name}"))
        model.save(self.store, made)
        one = [{"name": layer.name, "key": layer.key, "digest": layer.digest} for layer in references]
        records.write(self.store, self.store.record(made.closure), {"layers": one, "cached": False})
        self.environments[name] = made.digest
        return made.digest

    def generation(self, spec: str, environment: str) -> None:
        """Record an environment as a project's newest generation."""
        name = os.path.basename(os.path.dirname(spec))
        data = f"{spec} {environment}".encode()
        generations.note(
            self.store, spec, name, self.environments[environment], spec=data, lock=b"lock of " + data
        )

    def paths(self) -> set[str]:
        """Return the paths of everything that has a name of its own, but for generations."""
        top, found = self.store.path, set()
        for folder in ("environments", "records", "facts"):
            found |= {f"{folder}/{name}" for name in os.listdir(f"{top}/{folder}")}
        for folder in ("layers", "trees", "blobs"):
            for group in os.listdir(f"{top}/{folder}"):
                found |= {f"{folder}/{group}/{name}" for name in os.listdir(f"{top}/{folder}/{group}")}
        return found


def hand_made(path: str, held: str) -> HandMade:
    """Return an empty store to fill."""
    return HandMade(open_store(path), held)
