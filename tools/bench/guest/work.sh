#!/bin/bash
# Ordinary work, timed from inside: how long thirteen jobs take.
#
#	work.sh DIR PORT NAME...
#
# runs the jobs that are named, in an empty directory of its own below DIR each, and prints
# "NAME SECONDS EXIT-CODE" for each, and after the code of a job that failed the last line that it
# said. Port PORT of the loopback must be free.
#
# The program that reads this output is tools/bench; the names are in its table.
set -u

dir=$1 port=$2
shift 2
stdlib=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') || exit

# Each job is a function; it runs in a shell with -e and pipefail.

forkexec() { # small programs, one after another
	for _ in {1..300}; do /bin/true; done
}

pystart() { # an interpreter that opens many files to start
	for _ in {1..15}; do python3 -c 'import argparse, json, os, re, sys'; done
}

build() { # a C program of 40 files, two compilers at a time
	for n in {1..40}; do
		echo "#include <stdio.h>"
		echo "#include <string.h>"
		for m in {1..40}; do
			echo "int f${n}_$m(int a, int b) { for (int i = 0; i < a; i++) b = (b * $m + i) % 1009 ^ a; return b; }"
		done
	done | split -l 42 --additional-suffix=.c - part
	echo 'int main(void) { return 0; }' >main.c
	printf '%s\n' 'prog: $(patsubst %.c,%.o,$(wildcard *.c))' $'\tgcc -o $@ $^' \
		'%.o: %.c' $'\tgcc -O1 -c $<' >Makefile
	make -s -j2
	./prog
}

tree() { # many small files, copied through a pipe
	tar -C "$stdlib" -cf - . | tar -xf -
	find . -type f | wc -l
}

gitops() { # a repository: add, commit, look, clone
	git init -q a
	cp -r "$stdlib"/[a-e]* a/
	cd a
	git add -A
	git -c user.name=bench -c user.email=bench@localhost commit -q -m first
	git status -s
	git log --stat
	git clone -q . ../b
}

findstat() { # a large tree, every inode looked at
	find /usr -xdev -type f -size +1k | wc -l
}

grepr() { # a large tree, every file read; 1 says that nothing was found
	grep -r xyzzy-no-such-word /usr/share "$stdlib" || [ $? = 1 ]
}

sqlite() { # 200 transactions, each synced, and a large one
	{
		echo 'create table t(id integer primary key, word text);'
		for n in {1..200}; do echo "insert into t(word) values('word $n');"; done
		echo 'begin;'
		for n in {1..20000}; do echo "insert into t(word) values('word $n');"; done
		echo 'commit;'
		echo 'select count(*), sum(length(word)) from t;'
	} | sqlite3 words.db
}

ddw() { # half a gigabyte to a file and back
	dd if=/dev/zero of=zeros bs=64k count=8000 conv=fsync
	dd if=zeros of=/dev/null bs=64k
	rm zeros
}

xzc() { # hardly any calls: computation
	{ head -c 6000000 | xz -6 -c | wc -c; } <"$(readlink -f "$(command -v python3)")"
}

pipes() { # three hundred megabytes through three pipes
	{ yes || true; } | head -c 300000000 | cat | wc -c
}

pythr() { # threads, sockets and children of one interpreter
	python3 - <<-'EOF'
		import queue, socket, subprocess, threading

		work, done = queue.Queue(), []
		def square():
		    while (n := work.get()) is not None:
		        done.append(n * n)
		crew = [threading.Thread(target=square) for _ in range(8)]
		for t in crew: t.start()
		for n in range(40000): work.put(n)
		for t in crew: work.put(None)
		for t in crew: t.join()
		assert len(done) == 40000

		a, b = socket.socketpair()
		for _ in range(5000):
		    a.send(b"x" * 100)
		    assert len(b.recv(100)) == 100

		listener = socket.create_server(("127.0.0.1", 0))
		def serve():
		    conn, _ = listener.accept()
		    while data := conn.recv(65536):
		        conn.sendall(data)
		    conn.close()
		server = threading.Thread(target=serve)
		server.start()
		client, left = socket.create_connection(listener.getsockname()), 3000 * 512
		for _ in range(3000):
		    client.sendall(b"y" * 512)
		client.shutdown(socket.SHUT_WR)
		while data := client.recv(65536):
		    left -= len(data)
		server.join()
		assert left == 0

		for _ in range(30):
		    subprocess.run(["/bin/echo", "hi"], capture_output=True, check=True)
	EOF
}

redis() { # a server and twenty clients over TCP
	redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no &
	server=$!
	trap 'kill "$server"; wait "$server"' EXIT
	for _ in {1..100}; do
		redis-cli -p "$port" ping && break
		sleep 0.05
	done
	redis-benchmark -p "$port" -q -n 20000 -c 20 -t set,get
}

# microseconds, without starting a program for it
now() { echo "${EPOCHREALTIME/[.,]/}"; }

for job; do
	mkdir -p "$dir/$job"
	start=$(now)
	(
		set -e -o pipefail
		cd "$dir/$job"
		"$job"
	) >"$dir/$job.log" 2>&1
	code=$?
	took=$(($(now) - start))
	why=
	if [ "$code" != 0 ]; then why=" $(grep . "$dir/$job.log" | tail -n 1)"; fi
	printf '%s %d.%06d %d%s\n' "$job" $((took / 1000000)) $((took % 1000000)) "$code" "$why"
	rm -rf "${dir:?}/$job"
done
