# socat
# needs: socat
socat TCP-LISTEN:8086,bind=127.0.0.1,reuseaddr,fork PIPE &
up 8086
for i in 1 2 3; do echo "hello $i" | socat -t 2 - TCP:127.0.0.1:8086; done
socat UNIX-LISTEN:s,fork PIPE &
for _ in $(seq 100); do
  [ -S s ] && break
  sleep 0.02
done
echo x | socat -t 2 - UNIX-CONNECT:s
socat -u EXEC:'echo pty',pty STDOUT | tr -d '\r'
kill %1 %2
wait
socat - TCP:127.0.0.1:9 2>/dev/null
echo $?
