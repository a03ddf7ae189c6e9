#!/bin/sh
# PostgreSQL: initdb, then pgbench with 8 clients; a check of what is in the tables; a restart.
. "${0%/*}/common.sh"
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
# In a directory that another user can reach.
dir=$(mktemp -d /tmp/postgres.XXXXXX)
trap 'as pg_ctl -m immediate -D data stop >/dev/null 2>&1 || :; rm -rf "$dir"' EXIT
chmod 777 "$dir"
cd "$dir"
as() { setpriv --reuid postgres --regid postgres --clear-groups env HOME="$PWD" PGHOST="$PWD" PGPORT=7103 "$@"; }
as initdb -A trust data >log
as pg_ctl -w -t 60 -D data -l server.log -o "-k $PWD -h 127.0.0.1 -p 7103" start
as createdb bench
as pgbench -q -i -s 2 bench
as pgbench -n -c 8 -j 2 -T 5 bench
as pgbench -h 127.0.0.1 -n -S -c 8 -j 2 -T 3 bench
as pgbench -n -C -c 4 -t 20 bench # a connection, so a process, for each transaction
as psql -Atc 'select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts' bench | grep -qx t ||
	fail "the books don't balance"
as pg_ctl -w -D data -m fast restart
as psql -Atc 'select count(*) from pgbench_accounts' bench | grep -qx 200000 || fail "accounts are missing"
as pg_ctl -w -D data stop
! grep -E 'PANIC|FATAL' server.log || fail "the server complains"
