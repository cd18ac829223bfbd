# haproxy
# needs: haproxy nginx curl
nginx_start

echo 'defaults
 mode http
 timeout client 5s
 timeout server 5s
 timeout connect 2s
listen l
 bind 127.0.0.1:8083
 server s 127.0.0.1:8080 check' >h
haproxy -q -f h &
up 8083
for i in $(seq 8); do curl -s 127.0.0.1:8083/big | md5sum; done
curl -s -o /dev/null -w '%{http_code}\n' 127.0.0.1:8083/none
kill -USR1 %1
wait %1
echo $?
nginx_stop
