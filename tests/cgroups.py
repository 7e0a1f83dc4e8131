"""Looking at the cgroups of sandboxes from outside."""

import os

from envforge.sandbox import cgroup
from envforge.sandbox.limits import bases


def there_now(beginning: str = "") -> list[str]:
    """Return the directories of sandboxes' cgroups whose names begin so."""
    found = []
    for base in bases.all_bases():
        names = os.listdir(base) if os.path.isdir(base) else []
        found += [f"{base}/{name}" for name in names if name.startswith(beginning) and "-" in name]
    return found


def left() -> list[str]:
    """Return the cgroups whose sandbox's parent is gone; those of others that run now are none of ours."""
    paths = there_now()
    return [path for path in paths if os.path.basename(path) in cgroup.stale(os.path.dirname(path))]
