# apache
# needs: apache2 curl ab
mkdir -p a/www
seq 9000 >a/www/big
cat >a/c <<E
ServerRoot $PWD/a
ServerName localhost
Listen 127.0.0.1:8081
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
PidFile $PWD/a/pid
ErrorLog $PWD/a/log
DocumentRoot $PWD/a/www
DefaultRuntimeDir $PWD/a
StartServers 1
ServerLimit 2
ThreadsPerChild 5
MaxRequestWorkers 10
E
chmod -R a+rX a
apache2 -f $PWD/a/c -k start
up 8081
curl -s 127.0.0.1:8081/big | md5sum
ab -q -n 60 -c 6 http://127.0.0.1:8081/big | grep -e Complete -e Failed
curl -s -o /dev/null -w '%{http_code}\n' 127.0.0.1:8081/none
apache2 -f $PWD/a/c -k graceful
up 8081
curl -s 127.0.0.1:8081/big | wc -c
p=$(cat a/pid)
apache2 -f $PWD/a/c -k stop
tail --pid=$p -s 0.05 -f /dev/null
rm -rf a
