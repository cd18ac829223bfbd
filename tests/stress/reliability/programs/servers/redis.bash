# redis
# needs: redis-server redis-cli redis-benchmark
redis-server --port 6379 --bind 127.0.0.1 --daemonize no --dir . --save '' --appendonly yes --logfile log &
up 6379
redis-benchmark -q -n 2000 -c 10 -t set,get,lpush,zadd >b
wc -l <b
redis-cli set a 1
redis-cli incr a
redis-cli eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
for i in $(seq 300); do echo "set k$i v$i"; done | redis-cli --pipe | tail -1
redis-cli dbsize | wc -l
redis-cli bgsave
for _ in $(seq 100); do
  [ -s dump.rdb ] && break
  sleep 0.03
done
redis-cli bgrewriteaof >/dev/null
sleep 0.2
redis-cli nonsense
redis-cli shutdown nosave
wait %1
echo $?
rm -rf dump.rdb append* log b
