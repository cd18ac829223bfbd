# gunicorn
# needs: gunicorn curl
printf 'def app(e, s):\n    s("200 OK", [("X", "y")]); return [b"page " + e["PATH_INFO"].encode() + b"\\n"]\n' >a.py
PYTHONDONTWRITEBYTECODE=1 gunicorn -w 2 -b 127.0.0.1:8088 a:app 2>/dev/null &
up 8088
for i in $(seq 10); do curl -s 127.0.0.1:8088/$i; done
kill %1
wait %1
echo $?
