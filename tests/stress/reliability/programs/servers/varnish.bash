# varnish
# needs: varnishd nginx curl
nginx_start

mkdir v
varnishd -F -j none -n $PWD/v -a 127.0.0.1:8084 -b 127.0.0.1:8080 -s malloc,10m >/dev/null 2>&1 &
up 8084
for i in 1 2 3 4; do curl -s 127.0.0.1:8084/big | md5sum; done
curl -s -o /dev/null -w '%{http_code}\n' 127.0.0.1:8084/none
kill %1
wait %1
echo $?
rm -rf v
nginx_stop
