# daemons
# needs: setsid start-stop-daemon
setsid -f sh -c 'echo $$ >pid; exec sleep 0.3'
start-stop-daemon -Sbmp p2 -x /bin/sleep -- 0.4
(
  sleep 0.2
  echo late >late
) &
disown
nohup sh -c 'sleep 0.1; echo hup' >hup 2>&1 &
wait $!
for _ in $(seq 100); do
  [ -s late ] && break
  sleep 0.02
done
cat late hup
for f in pid p2; do tail --pid="$(cat $f)" -s 0.05 -f /dev/null; done
rm pid p2
setsid -w sh -c 'exit 8'
echo $?
