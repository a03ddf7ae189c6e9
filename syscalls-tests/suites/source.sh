#!/bin/sh
# Fetches the source of a Debian package, with Debian's patches, into a directory that it makes.
# If no archive of sources is known to apt, the one of the programs becomes known.
# Usage: source.sh PACKAGE DIR
set -eu
package=$1 dir=$2
lists=/etc/apt/sources.list.d

if ! grep -qrs '^ *\(Types:.*deb-src\|deb-src \)' /etc/apt/sources.list $lists/*.list $lists/*.sources; then
	sed 's/^Types:.*/Types: deb-src/' $lists/debian.sources >$lists/src.sources
fi

# Two may want the lists at once: apt waits for no lock of theirs.
tries=0
until apt-cache showsrc "$package" 2>/dev/null | grep -q '^Package:'; do
	tries=$((tries + 1))
	[ $tries -le 60 ] || { echo "source.sh: no source of $package" >&2; exit 1; }
	apt-get update -qq || sleep 1
done

here=$(mktemp -d -p "$(dirname "$dir")")
trap 'rm -rf "$here"' EXIT
# A mirror may lack a version that its lists name: the newest that it has serves.
for version in $(apt-cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -Vru); do
	(cd "$here" && apt-get source -qq -o APT::Sandbox::User=root --only-source "$package=$version" >/dev/null) && break
done
mv "$here"/*/ "$dir"

# The patches are younger than what autoconf and automake made: make would make it anew.
cd "$dir"
for made in aclocal.m4 configure config.h.in Makefile.in; do
	find . -name $made -exec touch {} +
done
