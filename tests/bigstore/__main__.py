"""`python -m tests.bigstore DIR`: a large store, every part of it true, made in a minute; nothing is fetched.

DIR/store       for `envforge --store`
DIR/projects    p000, p001, …: each with a spec and a lock, every tenth without its spec
"""

import argparse
import os
import sys
import time

from tests.bigstore.make import make
from tests.bigstore.sizes import Sizes


def _main() -> int:
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m tests.bigstore", description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--environments", type=int, default=usual.environments)
    parser.add_argument("--layers", type=int, default=usual.layers)
    parser.add_argument("--files", type=int, default=usual.files)
    options = parser.parse_args()
    if os.path.exists(options.directory) and os.listdir(options.directory):
        parser.error(f"{options.directory} is there and not empty")
    start = time.monotonic()
    made = make(options.directory, Sizes(options.environments, options.layers, options.files))
    sys.stdout.write(
        f"{made.environments} environments, {made.layers} layers, {made.trees} trees, {made.files} files"
        f" in {time.monotonic() - start:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
