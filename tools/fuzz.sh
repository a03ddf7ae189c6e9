#!/bin/sh
# Runs every fuzz target of the module for the time given, one after the other.
# Usage: fuzz.sh 30s
set -eu
t=${1:?usage: fuzz.sh TIME}
for pkg in $(go list ./...); do
	for f in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $f"
		go test -run '^$' -fuzz "^$f\$" -fuzztime "$t" "$pkg"
	done
done
