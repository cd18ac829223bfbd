# nghttp2
# needs: nghttpd nghttp h2load
mkdir w
seq 5000 >w/big
nghttpd --no-tls -d w -a 127.0.0.1 8085 &
up 8085
nghttp http://127.0.0.1:8085/big | md5sum
h2load -n 60 -c 3 -m 5 http://127.0.0.1:8085/big | grep requests:
nghttp -nv http://127.0.0.1:8085/none | grep -c status
kill %1
wait %1
echo $?
