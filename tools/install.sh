#!/bin/sh
# Installs the Debian packages that "make run", "make test" or "make bench" need, if they are missing.
# Usage: install.sh run|test|bench
set -eu

run="ca-certificates"
test="$run bash bc binutils bubblewrap bzip2 coreutils diffutils file findutils gawk gcc gdb git grep gzip
      default-jre-headless libc6-dev luajit make nodejs patch perl procps psmisc python3 redis-server redis-tools
      sed sqlite3 strace tar time util-linux xxd xz-utils zip unzip"
bench="$run bash binutils coreutils findutils gcc git grep libc6-dev make python3 redis-server redis-tools runc
       sqlite3 tar xz-utils"

case "${1:-}" in
run) want=$run ;;
test) want=$test ;;
bench) want=$bench ;;
*) echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

missing=
for p in $want; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] && continue
	# A program from elsewhere serves as well as the package (node, java).
	case $p in
	nodejs) command -v node >/dev/null && continue ;;
	default-jre-headless) command -v java >/dev/null && continue ;;
	esac
	missing="$missing $p"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ]; then
	echo "install.sh: missing packages:$missing; run as root, or install them yourself" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
