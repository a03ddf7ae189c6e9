#!/bin/sh
# An HTTP server in node, wrk with 100 connections; then a stream of 100 MB through it.
. "${0%/*}/common.sh"
cat >server.js <<'END'
const http = require('http')
http.createServer((q, a) => {
	if (q.url === '/stop') { a.end(); process.exit(0) }
	if (q.method === 'POST') { let n = 0; q.on('data', d => n += d.length); q.on('end', () => a.end(String(n))) }
	else a.end('x'.repeat(1000))
}).listen(7104, '127.0.0.1')
END
cat >client.js <<'END'
const http = require('http')
const q = http.request({ port: 7104, host: '127.0.0.1', method: 'POST', path: '/' }, a => {
	let s = ''
	a.on('data', d => s += d)
	a.on('end', () => { console.log(s); process.exit(s === '104857600' ? 0 : 1) })
})
const b = Buffer.alloc(1 << 20)
let n = 0
const more = () => { while (n++ < 100) if (!q.write(b)) return q.once('drain', more); q.end() }
more()
END
node server.js &
server=$!
ready wrk --timeout 30 -t 1 -c 1 -d 1 http://127.0.0.1:7104/
wrk --timeout 30 -t 2 -c 100 -d 5 http://127.0.0.1:7104/ >out
cat out
! grep -E 'Non-2xx|Socket errors' out || fail errors
grep -q 'Requests/sec' out || fail "no result"
node client.js
echo 'require("http").get("http://127.0.0.1:7104/stop")' | node
gone $server
