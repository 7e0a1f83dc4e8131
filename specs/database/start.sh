#!/bin/sh
# Start PostgreSQL and Redis on data beside this script, run a command against them, and stop both.
# Without a command they run until Ctrl-C. Everything in `data` is yours; remove it to begin anew.
set -eu

if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root. In one more user namespace (nested = true), root's files are those of postgres.
    exec unshare --user --map-user="$(id -u postgres)" --map-group="$(id -g postgres)" -- "$0" "$@"
fi

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
data=${DATABASE_DIR:-$here/data}
bin=$(echo /usr/lib/postgresql/*/bin)

export PATH="$bin:$PATH" PGHOST=127.0.0.1 PGUSER="${PGUSER:-postgres}"
mkdir -p "$data"
chmod 700 "$data"

if [ ! -f "$data/postgres/PG_VERSION" ]; then
    echo "making a cluster in $data/postgres" >&2
    initdb --pgdata "$data/postgres" --username "$PGUSER" --auth trust --encoding UTF8 --locale C.UTF-8 \
        >"$data/initdb.log"
fi

stop() {
    trap '' INT TERM  # a second Ctrl-C does not keep them from ending well
    redis-cli -p "$REDIS_PORT" shutdown >/dev/null 2>&1 || true
    pg_ctl --pgdata "$data/postgres" --mode fast --silent stop || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --dir "$data" --daemonize yes --logfile "$data/redis.log" \
    >/dev/null
pg_ctl --pgdata "$data/postgres" --log "$data/postgres.log" --silent --wait \
    --options "-p $PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" start

if [ $# -gt 0 ]; then
    "$@"
else
    echo "postgresql on 127.0.0.1:$PGPORT, redis on 127.0.0.1:$REDIS_PORT; Ctrl-C ends both" >&2
    while :; do sleep 3600 & wait $!; done
fi
