# procps
# needs: ps pgrep
sleep 5 &
p=$!
ps -o comm= -p $p
pgrep -P $$ sleep | wc -l
pkill -P $$ -x sleep
wait $p
echo $?
ps -o stat= -p $$ | cut -c1
free -b | wc -l
top -bn1 | head -1 | wc -l
uptime | wc -l
