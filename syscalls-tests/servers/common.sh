# What the scripts here share. Each starts a server, loads it, checks what came back, and ends it.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/go/bin

# A script that fails leaves no server behind.
server=
trap '[ -z "$server" ] || kill $server 2>/dev/null' EXIT

# ready COMMAND...: waits until the command succeeds, 30 s at most.
ready() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 300 ] || { echo "$0: not ready: $*" >&2; exit 1; }
		sleep 0.1
	done
}

# gone PID: waits until a child has ended; its status must be 0.
gone() {
	wait "$1" || { echo "$0: the server ended with status $?" >&2; exit 1; }
	server=
}

fail() {
	echo "$0: $*" >&2
	exit 1
}
