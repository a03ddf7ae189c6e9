#!/bin/sh
# nginx with two workers and sendfile; wrk with 100 connections, kept and closed each time.
. "${0%/*}/common.sh"
mkdir www
head -c 100000 /dev/zero | tr '\0' x >www/large
echo small >www/index.html
chmod -R a+rX . # the workers are another user
cat >conf <<END
worker_processes 2;
pid $PWD/pid;
error_log $PWD/error.log;
events { worker_connections 1024; }
http {
	access_log $PWD/access.log;
	sendfile on;
	tcp_nopush on;
	client_body_temp_path $PWD/body;
	proxy_temp_path $PWD/proxy;
	fastcgi_temp_path $PWD/fastcgi;
	uwsgi_temp_path $PWD/uwsgi;
	scgi_temp_path $PWD/scgi;
	server { listen 127.0.0.1:7102; root $PWD/www; location /p/ { proxy_pass http://127.0.0.1:7102/; } }
}
END
nginx -c "$PWD/conf" -e error.log -g 'daemon off;' &
server=$!
ready wrk --timeout 30 -t 1 -c 1 -d 1 http://127.0.0.1:7102/
for page in index.html large p/index.html; do
	for header in 'Connection: keep-alive' 'Connection: close'; do
		wrk --timeout 30 -t 2 -c 100 -d 3 -H "$header" "http://127.0.0.1:7102/$page" >out
		cat out
		grep -q 'Requests/sec' out || fail "no result for $page"
		! grep -E 'Non-2xx|Socket errors' out || fail "errors for $page, $header"
	done
done
# New workers take over. The old ones close the connections that they have, so what is asked meanwhile may fail.
kill -HUP $server
wrk --timeout 30 -t 1 -c 10 -d 1 http://127.0.0.1:7102/index.html
wrk --timeout 30 -t 1 -c 10 -d 1 http://127.0.0.1:7102/index.html >out
! grep -E 'Non-2xx|Socket errors' out || fail "errors after workers changed"
kill -QUIT $server
gone $server
! grep -vE ' \[(notice|info)\] ' error.log || fail "the error log is not empty"
