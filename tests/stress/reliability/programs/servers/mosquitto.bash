# mosquitto
# needs: mosquitto mosquitto_sub mosquitto_pub
printf 'listener 1883 127.0.0.1\nallow_anonymous true\nuser root\n' >c
mosquitto -c c >/dev/null 2>&1 &
up 1883
mosquitto_sub -p 1883 -h 127.0.0.1 -t 'a/#' -C 20 >got &
s=$!
sleep 0.2
seq 20 | mosquitto_pub -p 1883 -h 127.0.0.1 -t a/b -l
wait $s
sort -n got | md5sum
kill %1
wait %1
echo $?
