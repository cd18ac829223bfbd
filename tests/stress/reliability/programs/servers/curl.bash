# curl
# needs: curl nginx
nginx_start

curl -sS -o a 127.0.0.1:8080/big -o b 127.0.0.1:8080/big
cmp a b && echo same
curl -s -r 10-19 127.0.0.1:8080/big
curl -s --parallel --parallel-max 4 $(for i in $(seq 12); do echo "-o o$i http://127.0.0.1:8080/big"; done)
cat o* | md5sum
curl -sI 127.0.0.1:8080/ | head -1
curl -sS 127.0.0.1:9/
echo $?
curl -sS file:///etc/hostname | wc -l
curl -s -m 1 -X POST -d @a -o /dev/null -w '%{http_code}\n' 127.0.0.1:8080/
curl -sSf 127.0.0.1:8080/none
echo $?
curl -s 127.0.0.1:8080/big | head -1
nginx_stop
