"""What the spec's reference says besides the models' own texts: its head, its example, its prose."""

from typing import Final

HEAD: Final = """\
# The spec: `envforge.toml`

What a project's environment holds, and how it is entered: one file, beside the project's sources.
`envforge init` proposes one. It is [TOML](https://toml.io/en/v1.0.0). Keys that are not on this page are
refused, and all that is wrong with a spec is said at once, as `file:line:column: key.path: message`.

The directories beside this page are specs to start from, each with a small program to try it with. Editors
that know JSON schemas for TOML complete and check keys after a first line
`#:schema PATH/envforge.schema.json`.

<!-- Made by `python -m envforge.spec.reference` from envforge/spec/model.py. Edit there. -->

## All of it

```toml
{example}```
"""

ENVIRONMENTS: Final = """\
## `[environments.NAME]`

A further environment of the project: the tables on this page, below its name. The spec's own tables are the
environment `default`; `envforge -E NAME`, before a command or behind it, means another one.

```toml
[environments.test]
extends = "default"

[environments.test.debian]
packages = ["jq"]

[environments.db.debian]           # extends nothing: a system of its own
suite = "bookworm"
packages = ["postgresql"]
```

All of them share the project's directory, its private home and its lock, in which a package that two of
them have stands once. Each has layers, a digest and generations of its own. Lists call it `shop:db`, and
inside its host name is `shop-db`.

- **`extends`**: text; default: none.\x20\x20
  Another environment whose tables this one has too. Keys go before the other's. Lists of packages,
  archives, fetched files, files, mounts, `pass`, `forward` and `read-only` are added to the other's; a
  package that is asked for in another version takes the first one's place. `components`, `pockets` and
  `command` take the place of the other's.
"""

EXAMPLE: Final = """\
name = "shop"                      # a label
description = "the shop's development environment"
requires-envforge = ">=0.1"

[debian]
suite = "bookworm"
packages = ["git", "nodejs=18.*", "build-essential"]
recommends = false
components = ["main"]
pockets = ["updates", "security"]

[[debian.archive]]                 # a further archive
uri = "https://apt.example.org/debian"
suite = "bookworm-extra"
components = ["main"]
key = "keys/extra.asc"

[[fetch]]                          # a file or an archive from anywhere, pinned when locked
url = "https://example.org/tool-1.2.tar.gz"
target = "/opt/tool"
unpack = true
strip = 1
sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

[[files]]                          # becomes a part of the environment
source = "deploy/app.conf"
target = "/etc/app.conf"
mode = "0644"

[variables]
APP_ENV = "development"

[shell]
command = ["bash"]
home = "private"
user = "self"
pass = ["EDITOR", "AWS_*"]
forward = ["ssh-agent"]
privileges = false
nested = false
read-only = [".git/hooks"]

[[mounts]]                         # seen inside, besides the project directory
source = "~/.gitconfig"
target = "~/.gitconfig"
read-only = true
optional = true

[network]
mode = "host"
outbound = true
trust = "host"

[limits]
memory = "2GiB"
swap = "1GiB"
cpus = 1.5
cpu-weight = 100
cpuset = "0-1"
pids = 512
io-read = "50MB/s"
io-write = "20MB/s"
required = true                    # else what cannot be enforced is left out

[secrets]                          # files of services, below /run/secrets
db-password = "file:secrets/db.txt"

[services.web]                     # what `envforge up` runs
command = ["node", "app.js"]
environment = "default"
publish = ["3000:3000"]
depends-on = ["db"]
restart = "on-failure"
variables = { DATABASE = "db" }
user = "self"
workdir = "/srv"
network = "private"
secrets = ["db-password"]
stop-signal = "INT"
stop-timeout = "5s"

[[services.web.mounts]]
source = "public"
target = "/srv/public"

[services.web.health]
http = "http://localhost:3000/ready"
interval = "2s"
start-interval = "100ms"
start-period = "10s"
timeout = "1s"
retries = 15

[services.db]
command = ["db-server"]
volumes = ["data:/var/lib/db"]
health = { tcp = 5432 }
"""
