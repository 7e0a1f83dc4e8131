"""Copies layers between a store and a cache: all layers of a closure, or a single one.

A cache is not trusted. A layer's bytes must hash to its digest. That a digest belongs to a key must be in the
lock; only if the lock records no digests yet is a private cache believed, one that nobody but this user and
root can write to. No digest covers a record's notes, so they are taken from a private cache only. A record
taken from a cache is marked `cached` in the store, counts only for a lock that names the same digest, and
never replaces the record of a layer built here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from attrs import fields

from envforge.build.built import Built
from envforge.build.cache.pack import pack
from envforge.build.cache.unpack import unpack
from envforge.build.cache_interface import Cache
from envforge.build.recipe import Recipe, is_layer_name
from envforge.build.site import Site
from envforge.build.workers import Cell, Done, Workers, ready
from envforge.digest import digest_of, is_sha256
from envforge.errors import EnvforgeError, IntegrityError
from envforge.kernel.tree import Tree
from envforge.progress import Progress
from envforge.sandbox.confined.confine import View
from envforge.store import layers, records
from envforge.store.durability import reaching_disk
from envforge.store.staging import staging

_LAYERS_MAX: Final = 1000
_OF_RECORD: Final = ("key", "digest", "size_bytes", "files")
_PROCESSES: Final = 2


def take(site: Site, key: str, progress: Progress) -> tuple[Built, ...] | None:
    """Return the layers of a closure; those that the store lacks are taken from the site's cache.

    None if the cache does not have the closure; None with a message if its bytes are wrong, or its layers are
    not the lock's.
    """
    cache = site.cache
    if cache is None:
        return None
    with _told(cache, progress):
        found = _found(cache, key, site.recorded)
        if found is not None:
            progress.stage("taking from the cache", total_items=len(found), unit="layers")
            _take(site, cache, found, progress)
        return found
    return None


def take_one(site: Site, recipe: Recipe, progress: Progress) -> bool:
    """Take the layer of one recipe from the site's cache, with its notes; say whether that was possible."""
    cache = site.cache
    if cache is None:
        return False
    with _told(cache, progress):
        record = cache.lookup(recipe.key)
        if record is None or not cache.is_private:
            return False
        one = _built({"name": recipe.name, **{name: record.get(name) for name in _OF_RECORD}})
        if site.recorded is not None and site.recorded.get(one.name) != one.digest:
            raise IntegrityError(f"it has another layer {one.name} than the lock says")
        _take(site, cache, [one], progress)
        return True
    return False


@contextmanager
def _told(cache: Cache, progress: Progress) -> Iterator[None]:
    """Turn an error of the cache into a message: builds go on without it."""
    try:
        yield
    except (EnvforgeError, OSError) as error:
        progress.message(f"the cache {cache.name} is not used: {_reason(error)}; built instead")


def _take(site: Site, cache: Cache, found: Sequence[Built], progress: Progress) -> None:
    kept = {one.key: _record(cache, one) for one in found}
    site.keep(*(name for one in found for name in (one.digest, one.key)))
    _pull(site, cache, found, progress)
    believed = cache.is_private
    for key, record in kept.items():
        if not believed:
            del record["notes"]
        path = site.store.record(key)
        known = records.read(path)
        if known is None or known.get("cached"):
            records.write(site.store, path, {**record, "cached": True})


def give(site: Site, key: str, built: Sequence[Built], progress: Progress) -> None:
    """Put the layers of a closure into the site's cache, unless it has them. A message says what failed."""
    cache = site.cache
    if cache is None:
        return
    try:
        missing = [one for one in built if not cache.has(one.digest)]
        if missing:
            progress.stage("putting into the cache", total_items=len(missing), unit="layers")
            _push(site, cache, missing, progress)
        for one in built:
            record = records.read(site.store.record(one.key)) or {}
            if "notes" in record and (missing or cache.lookup(one.key) is None):
                cache.note(one.key, _own(record))
        if missing or cache.lookup(key) is None:
            cache.note(key, _own(records.read(site.store.record(key)) or {}))
    except (EnvforgeError, OSError) as error:
        progress.message(f"not all is put into the cache {cache.name}: {_reason(error)}")


def _own(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the fields that concern the store alone."""
    return {name: value for name, value in record.items() if name != "cached"}


def _reason(error: EnvforgeError | OSError) -> str:
    return error.message if isinstance(error, EnvforgeError) else str(error)


def _found(cache: Cache, key: str, expected: Mapping[str, str] | None) -> tuple[Built, ...] | None:
    document = cache.lookup(key)
    if document is None:
        return None
    found = read_layers(document)
    if expected is not None:
        if {one.name: one.digest for one in found} != dict(expected):
            raise IntegrityError("it has other digests than the lock says")
    elif not cache.is_private:
        raise IntegrityError("others can write to it, and the lock records no digests yet")
    return found


def read_layers(document: Mapping[str, Any]) -> tuple[Built, ...]:
    """Return the layers that a closure's record names. Raises IntegrityError if it is no such record."""
    listed = document.get("layers")
    if not isinstance(listed, list) or not 0 < len(listed) <= _LAYERS_MAX:
        raise IntegrityError("it has a record that names no layers")
    return tuple(_built(one) for one in listed)


def _built(one: Any) -> Built:
    known = {attribute.name for attribute in fields(Built)} - {"reused"}
    if isinstance(one, dict) and one.keys() == known:
        name, key, digest = one["name"], one["key"], one["digest"]
        texts = all(isinstance(text, str) for text in (name, key, digest))
        numbers = all(type(one[field]) is int and one[field] >= 0 for field in ("size_bytes", "files"))
        if texts and numbers and is_sha256(key) and is_sha256(digest) and is_layer_name(name):
            return Built(**one, reused=True)
    raise IntegrityError("it has a record of a layer that is none")


def _record(cache: Cache, one: Built) -> dict[str, Any]:
    """Return the build record of a layer. Raises IntegrityError if it is not of that key and digest."""
    record = cache.lookup(one.key)
    if record is None:
        raise IntegrityError(f"it has no record of layer {one.name}")
    said = (record.get("key"), record.get("digest"), record.get("size_bytes"), record.get("files"))
    recipe, notes = record.get("recipe"), record.get("notes")
    if (
        said != (one.key, one.digest, one.size_bytes, one.files)
        or not isinstance(recipe, dict)
        or not isinstance(notes, dict)
        or _key_of(recipe) != one.key
    ):
        raise IntegrityError(f"it has a record of layer {one.name} that is of another one")
    return {name: record[name] for name in ("key", "recipe", "digest", "size_bytes", "files", "notes")}


def _key_of(recipe: dict[str, Any]) -> str:
    try:
        return digest_of(recipe)
    except (TypeError, ValueError, RecursionError):
        return ""


def _pull(site: Site, cache: Cache, found: Sequence[Built], progress: Progress) -> None:
    """Copy, unpack and publish the layers that the store lacks. Raises IntegrityError, OSError."""
    store = site.store
    missing = {one.digest: one for one in found if not layers.exists(store, site.held, one.digest)}
    for one in found:
        if one.digest not in missing:
            progress.item(one.name)
    if not missing:
        return
    with reaching_disk(store), staging(store, "cache") as directory:
        for digest in missing:
            cache.pull(digest, f"{directory}/{digest}")
        view = lambda own: View.of(readable=[directory], writable=[own])  # noqa: E731
        with Workers(_PROCESSES, Cell(store, site.identity, view)) as workers:
            for digest in missing:
                workers.submit(digest, unpack, f"{directory}/{digest}", digest, site.held)
            while workers.channels:
                for done in workers.finished(ready(workers)):
                    one = missing[done.tag]
                    _check(done, one)
                    layers.publish(
                        store,
                        site.held,
                        done.directory,
                        f"/{done.name}/layer",
                        size_bytes=one.size_bytes,
                        files=one.files,
                        hold=site.keep,
                    )
                    progress.item(one.name)


def _check(done: Done, one: Built) -> None:
    """Check the staged layer again: the worker has parsed untrusted bytes, so its word does not count."""
    if (done.value.get("size_bytes"), done.value.get("files")) != (one.size_bytes, one.files):
        raise IntegrityError(f"layer {one.name} is not as large as its record says")
    if layers.staged_digest(done.directory, f"/{done.name}/layer") != one.digest:
        raise IntegrityError(f"layer {one.name} came out as another one")


def _push(site: Site, cache: Cache, missing: Sequence[Built], progress: Progress) -> None:
    names = {one.digest: one.name for one in missing}
    view = lambda own: View.of(readable=[f"{site.store.path}/layers"], writable=[own])  # noqa: E731
    with Workers(_PROCESSES, Cell(site.store, site.identity, view)) as workers:
        for digest in names:
            workers.submit(digest, pack, site.store.layer(site.held, digest), digest)
        while workers.channels:
            for done in workers.finished(ready(workers)):
                with Tree(done.directory) as tree:
                    archive = tree.open(f"/{done.name}/archive", follow=False)
                try:
                    cache.push(done.tag, archive)
                finally:
                    os.close(archive)
                progress.item(names[done.tag])
