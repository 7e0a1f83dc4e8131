#!/bin/sh
# Start PostgreSQL on `data` beside this script, and run it until Ctrl-C. Remove `data` to begin anew.
set -eu

if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root. In one more user namespace (nested = true), root's files are those of postgres.
    exec unshare --user --map-user="$(id -u postgres)" --map-group="$(id -g postgres)" -- "$0" "$@"
fi

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH

mkdir -p data
chmod 700 data
if [ ! -f data/postgres/PG_VERSION ]; then
    echo "making a cluster in $here/data/postgres" >&2
    initdb --pgdata data/postgres --username postgres --auth trust --encoding UTF8 --locale C.UTF-8 >data/initdb.log
    echo 'create database shop;' | postgres --single -D data/postgres postgres >/dev/null
fi

# The address of a socket has room for 107 bytes: a long path to the project is left out of it.
exec postgres -D data/postgres -c listen_addresses='' -c unix_socket_directories=..
