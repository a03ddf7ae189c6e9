#!/bin/sh
# 10,000 connections at a time, then 50,000 one after the other; both ends' sockets are gone afterwards.
. "${0%/*}/common.sh"
mkfifo stdin
"$LOAD" echo 127.0.0.1:7106 <stdin &
server=$!
exec 9>stdin
ready "$LOAD" sequence 1 127.0.0.1:7106
"$LOAD" hold 10000 127.0.0.1:7106
"$LOAD" sequence 50000 127.0.0.1:7106
ready sh -c "[ \$(ls /proc/$server/fd | wc -l) -lt 12 ]"
exec 9>&-
gone $server
