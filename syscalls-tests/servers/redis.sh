#!/bin/sh
# redis-benchmark with 50 clients, one request at a time and 16 in a pipeline; appends to a file, saves.
. "${0%/*}/common.sh"
redis-server --port 7101 --appendonly yes --appendfsync everysec --save "" >log &
server=$!
ready redis-cli -p 7101 ping
redis-benchmark -p 7101 -q -c 50 -n 20000 -t ping,set,get,incr,lpush,lpop,sadd,hset,lrange_100,mset
redis-benchmark -p 7101 -q -c 50 -n 200000 -P 16 -t ping,set,get,incr
redis-cli -p 7101 set here yes
redis-cli -p 7101 bgrewriteaof
ready sh -c 'redis-cli -p 7101 info persistence | grep -q aof_rewrite_in_progress:0'
redis-cli -p 7101 save
redis-cli -p 7101 shutdown nosave
gone $server
# It reads back what it wrote.
redis-server --port 7101 --appendonly yes >>log &
server=$!
ready redis-cli -p 7101 ping
ready sh -c 'redis-cli -p 7101 get here | grep -qx yes'
redis-cli -p 7101 shutdown nosave
gone $server
