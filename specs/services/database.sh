#!/bin/sh
# Make a cluster in the volume if there is none, and run it.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
data=/var/lib/postgresql/cluster

if [ ! -f "$data/PG_VERSION" ]; then
    rm -rf "$data.new"
    initdb --pgdata "$data.new" --pwfile /run/secrets/db-password --auth-host scram-sha-256 --auth-local trust \
        --encoding UTF8 --locale C.UTF-8 >/dev/null
    echo 'host all all samenet scram-sha-256' >>"$data.new/pg_hba.conf"
    echo 'create database shop;' | postgres --single -D "$data.new" postgres >/dev/null
    mv "$data.new" "$data"
fi

exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
