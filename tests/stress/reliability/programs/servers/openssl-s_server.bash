# openssl s_server
# needs: openssl curl
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=localhost -days 2 2>/dev/null
seq 3000 >f
openssl s_server -quiet -accept 127.0.0.1:8443 -key k -cert c -WWW >/dev/null 2>&1 &
up 8443
curl -sk https://127.0.0.1:8443/f | md5sum
curl -s --cacert c --resolve localhost:8443:127.0.0.1 https://localhost:8443/f | md5sum
curl -sS https://127.0.0.1:8443/f 2>/dev/null
echo $?
echo Q | openssl s_client -connect 127.0.0.1:8443 -brief 2>&1 | grep -c Protocol
kill %1
wait %1
echo $?
rm k c
