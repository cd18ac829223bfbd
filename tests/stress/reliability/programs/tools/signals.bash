# signals
# needs: sh
trap 'echo usr1' USR1
trap 'echo term' TERM
kill -USR1 $$
kill -TERM $$
sleep 60 &
kill -9 $!
wait $!
echo $?
sh -c 'kill -SEGV $$'
echo $?
sh -c 'kill -ABRT $$'
echo $?
sh -c 'trap "exit 9" INT; kill -INT $$; sleep 1'
echo $?
(
  ulimit -t 1
  sh -c 'while :; do :; done'
)
echo $?
kill -HUP $$
echo never
