# redis (telcc)
# P: what was built
$P/src/redis-server --port 6379 --bind 127.0.0.1 --dir . --save '' --logfile log --hz 1 &
for _ in $(seq 200); do
  (exec 3<>/dev/tcp/127.0.0.1/6379) 2>/dev/null && break
  sleep 0.03
done
c=$P/src/redis-cli
$c set a 1
$c incr a
for i in $(seq 40); do echo "set k$i v$i"; done | $c --pipe | tail -1
$c bgsave
for _ in $(seq 100); do
  [ -s dump.rdb ] && break
  sleep 0.03
done
$c nonsense
$c shutdown nosave
wait %1
echo $?
rm -f dump.rdb log
