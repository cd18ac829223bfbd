# aria2
# needs: aria2c nginx
nginx_start

aria2c -q --no-conf --async-dns=false -x4 -s4 -k1M -o a http://127.0.0.1:8080/big
md5sum a
aria2c -q --no-conf -o x http://127.0.0.1:8080/none
echo $?
nginx_stop
