# python http.server
# needs: /usr/bin/python3 curl
mkdir w
seq 3000 >w/f
/usr/bin/python3 -m http.server -b 127.0.0.1 -d w 8087 >/dev/null 2>&1 &
up 8087
for i in 1 2 3; do curl -s 127.0.0.1:8087/f | md5sum & done
wait $(jobs -p | tail -n +2)
/usr/bin/python3 -c 'import urllib.request as u; print(len(u.urlopen("http://127.0.0.1:8087/f").read()))
try: u.urlopen("http://127.0.0.1:8087/none")
except Exception as e: print(e)'
kill -INT %1
kill %1
wait %1
echo $?
