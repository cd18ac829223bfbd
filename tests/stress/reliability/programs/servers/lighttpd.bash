# lighttpd
# needs: lighttpd curl
mkdir w
seq 9000 >w/big
echo "server.document-root = \"$PWD/w\"
server.port = 8082
server.bind = \"127.0.0.1\"" >c
lighttpd -D -f c 2>/dev/null &
up 8082
curl -s 127.0.0.1:8082/big | md5sum
for i in 1 2 3 4 5 6; do curl -s 127.0.0.1:8082/big | wc -c & done
wait $(jobs -p | tail -n +2)
kill -INT %1
wait %1
echo $?
