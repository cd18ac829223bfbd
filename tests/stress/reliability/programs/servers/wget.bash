# wget
# needs: wget nginx
nginx_start

wget -q -O a 127.0.0.1:8080/r
md5sum a
wget -qc -O a 127.0.0.1:8080/big
wget -q --spider 127.0.0.1:8080/none
echo $?
wget -q -t1 127.0.0.1:9
echo $?
wget -q -i - -P d <<<'http://127.0.0.1:8080/big
http://127.0.0.1:8080/'
ls d
nginx_stop
