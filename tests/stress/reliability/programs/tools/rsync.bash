# rsync
# needs: rsync
mkdir -p s/d
for i in $(seq 60); do seq $((i * 40)) >s/d/$i; done
rsync -a s/ t/
diff -r s t && echo same
echo x >>s/d/5
rm s/d/7
rsync -ai --delete --no-times --checksum s/ t/ | wc -l
diff -r s t && echo same
echo -e "[m]\npath=$PWD/s\nuse chroot=no\nuid=root\ngid=root\nread only=yes" >c
rsync --daemon --no-detach --port=8730 --address=127.0.0.1 --config=c --log-file=/dev/null &
p=$!
for _ in $(seq 100); do
  rsync -q rsync://127.0.0.1:8730/ >/dev/null 2>&1 && break
  sleep 0.05
done
rsync -a rsync://127.0.0.1:8730/m/ u/
diff -r s u && echo same
kill $p
wait $p
rsync none/ x/ 2>/dev/null
echo $?
