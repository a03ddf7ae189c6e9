#!/bin/sh
# net/http: 100 clients, 40,000 requests, and wrk against the same server.
. "${0%/*}/common.sh"
mkfifo stdin
"$LOAD" serve 127.0.0.1:7105 <stdin &
server=$!
exec 9>stdin
ready "$LOAD" get 1 1 127.0.0.1:7105
"$LOAD" get 40000 100 127.0.0.1:7105
wrk --timeout 30 -t 2 -c 100 -d 3 http://127.0.0.1:7105/ >out
cat out
! grep -E 'Non-2xx|Socket errors' out || fail errors
exec 9>&-
gone $server
