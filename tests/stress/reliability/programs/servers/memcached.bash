# memcached
# needs: memcached
memcached -u root -l 127.0.0.1 -p 11211 -t 2 -m 16 &
up 11211
exec 3<>/dev/tcp/127.0.0.1/11211
for i in $(seq 20); do
  printf 'set k%d 0 0 3\r\nabc\r\n' $i >&3
  read -r r <&3
done
echo "$r"
printf 'get k7\r\nincr none 1\r\nbogus\r\nquit\r\n' >&3
cat <&3
exec 3>&-
kill -TERM %1
wait %1
echo $?
