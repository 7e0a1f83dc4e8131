"""Several environments in one spec: `[environments.NAME]`, which may extend another one. Pure.

    [environments.db]
    extends = "default"        inherits the spec's own tables, and adds:
    [environments.db.debian]
    packages = ["postgresql"]

An environment inherits the tables of the one that it extends: its keys override the inherited ones, and its
lists that name things (packages, files, mounts, passed and forwarded names) are appended to them. Tables are
merged as plain values and then read as a spec of its own, so every check of a plain spec applies.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from envforge.spec.grammar import NAME, nearest, quoted, split_request
from envforge.spec.names import DEFAULT
from envforge.spec.positions import Path
from envforge.spec.structure import Problem
from envforge.values import evolve

TABLE: Final = "environments"
EXTENDS: Final = "extends"
COMMON: Final = ("name", "description", "requires-envforge", "secrets", "services")
"""Keys of the whole spec: an environment has none of its own."""
_REPLACED: Final = frozenset((("debian", "components"), ("debian", "pockets"), ("shell", "command")))
"""Lists that are one value: they are overridden, not appended to."""
_PACKAGES: Final = ("debian", "packages")

Values = Mapping[str, Any]


def tables_of(values: Values) -> tuple[Values, Values, list[Problem]]:
    """Return the spec's own values, the tables of further environments, and the problems of those."""
    own = {key: value for key, value in values.items() if key != TABLE}
    tables = values.get(TABLE, {})
    if not isinstance(tables, dict):
        return own, {}, [Problem((TABLE,), "must be a table; write [environments.NAME]")]
    found: dict[str, Any] = {}
    problems = []
    for name, table in tables.items():
        path: Path = (TABLE, name)
        if name == DEFAULT:
            message = "the spec's own tables are the environment default; write them without environments"
            problems.append(Problem(path, message, on_key=True))
        elif problem := NAME.problem(name):
            problems.append(Problem(path, problem, on_key=True))
        elif not isinstance(table, dict):
            problems.append(Problem(path, f"must be a table; write [{TABLE}.{name}]"))
        else:
            problems += _misplaced(path, table)
            found[name] = table
    return own, found, problems


def _misplaced(path: Path, table: Values) -> Iterator[Problem]:
    for key in (*COMMON, TABLE):
        if key in table:
            yield Problem((*path, key), "belongs to the whole spec: write it at the top", on_key=True)


def merged(name: str, own: Values, tables: Values) -> tuple[Values, list[Problem]]:
    """Return the values of an environment merged with all that it extends, and the problems of `extends`."""
    chain, problems = _chain(name, tables)
    result: Values = {key: own[key] for key in COMMON if key in own}
    for one in chain:
        table = own if one == DEFAULT else tables[one]
        result = _over(result, {key: value for key, value in table.items() if key not in COMMON}, ())
    return {key: value for key, value in result.items() if key != EXTENDS}, problems


def extended(values: Values, name: str) -> list[str]:
    """Return the environments that one extends, nearest first, up to the first mistake."""
    return _chain(name, tables_of(values)[1])[0][-2::-1] if name != DEFAULT else []


def _chain(name: str, tables: Values) -> tuple[list[str], list[Problem]]:
    """Return the environments to merge, lowest first, and the problem where the chain breaks off."""
    chain = [name]
    while chain[-1] != DEFAULT and EXTENDS in tables[chain[-1]]:
        path: Path = (TABLE, chain[-1], EXTENDS)
        other = tables[chain[-1]][EXTENDS]
        if not isinstance(other, str):
            return chain[::-1], [Problem(path, "must be a text: the name of an environment")]
        if other in chain:
            circle = " -> ".join([*chain[chain.index(other) :], other])
            return chain[::-1], [Problem(path, f"goes in a circle: {circle}")]
        if other != DEFAULT and other not in tables:
            meant = nearest(other, [DEFAULT, *tables])
            guess = f"; did you mean {quoted(meant)}?" if meant else ""
            return chain[::-1], [Problem(path, f"there is no environment {quoted(other)}{guess}")]
        chain.append(other)
    return chain[::-1], []


def _over(below: Values, above: Values, path: tuple[str, ...]) -> Values:
    """Merge two tables; of values that cannot be merged, the one of `above` counts."""
    result = dict(below)
    for key, value in above.items():
        old, here = below.get(key), (*path, key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = _over(old, value, here)
        elif isinstance(old, list) and isinstance(value, list) and here not in _REPLACED:
            result[key] = [*(_without(old, value) if here == _PACKAGES else old), *value]
        else:
            result[key] = value
    return result


def _without(old: list[Any], new: list[Any]) -> list[Any]:
    """Return the inherited package requests without those that `new` asks for, in whatever version."""
    names = {split_request(one)[0] for one in new if isinstance(one, str)}
    return [one for one in old if not isinstance(one, str) or split_request(one)[0] not in names]


def placed(problem: Problem, name: str, path: Path, table: Values) -> Problem:
    """Return a problem of an environment's merged values, moved to its path in the file."""
    is_alone = problem.path == ("debian",) and EXTENDS not in table
    advice = f'; write the table, or {EXTENDS} = "{DEFAULT}"' if is_alone else ""
    return evolve(problem, path=(TABLE, name, *path), message=f"{problem.message}{advice}")


def own_path(table: Values, path: Path, whole: Values) -> Path | None:
    """Map a path of the merged values into the environment's own table; return None for an inherited value.

    Problems of inherited values are reported where those are written. A missing key gets the path that it
    should have.
    """
    place: Any = table
    merged_place: Any = whole
    found: list[str | int] = []
    for step in path:
        if isinstance(step, int):
            if not isinstance(place, list) or not isinstance(merged_place, list):
                return None
            own_step = step - (len(merged_place) - len(place))
            if own_step < 0:
                return None
            merged_place, place = merged_place[step], place[own_step]
            found.append(own_step)
        elif isinstance(merged_place, dict) and step in merged_place:
            if not isinstance(place, dict) or step not in place:
                return None
            merged_place, place = merged_place[step], place[step]
            found.append(step)
        else:
            return (*found, step)  # it is missing
    return tuple(found)
