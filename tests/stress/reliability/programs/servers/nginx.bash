# nginx
# needs: nginx curl
nginx_start

for i in 1 2 3 4; do curl -s 127.0.0.1:8080/ & done
wait
curl -sL 127.0.0.1:8080/r | md5sum
curl -s --compressed 127.0.0.1:8080/p/big | md5sum
curl -s -o /dev/null -w '%{http_code}\n' 127.0.0.1:8080/none
nginx -p n -c c -g 'user root;' -s reload
up 8080
curl -s 127.0.0.1:8080/
nginx_stop
