# stunnel
# needs: stunnel4 nginx curl openssl
nginx_start

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=l -days 2 2>/dev/null
printf 'foreground = yes\nsyslog = no\npid =\n[s]\naccept = 127.0.0.1:8444\nconnect = 127.0.0.1:8080\ncert = %s/c\nkey = %s/k\n' $PWD $PWD >s
stunnel4 s >/dev/null 2>&1 &
up 8444
for i in 1 2 3; do curl -sk https://127.0.0.1:8444/big | md5sum; done
kill %1
wait %1
echo $?
rm k c
nginx_stop
