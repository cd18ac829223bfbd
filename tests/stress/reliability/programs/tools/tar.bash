# tar
# needs: tar
mkdir -p d/e
seq 5000 >d/a
ln -s a d/l
ln d/a d/h
touch -d @1000000000 d/e d/a
tar cf x.tar --sort=name --mtime=@1 --owner=0 --group=0 d
sha256sum x.tar
tar tvf x.tar | wc -l
mkdir o
tar xf x.tar -C o
diff -r d o/d && echo same
for z in gzip bzip2 xz zstd; do tar c --$z -f y d && tar tf y | wc -l; done
tar xf x.tar --to-command='wc -c' d/a
tar df x.tar d
tar xf missing
echo $?
