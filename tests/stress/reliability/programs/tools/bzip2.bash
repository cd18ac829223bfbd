# bzip2
# needs: bzip2
seq 60000 >n
bzip2 -k n
sha256sum n.bz2
bzcat n.bz2 | cmp - n
bzip2 -t n.bz2
head -c 900 n.bz2 >b.bz2
bzip2 -dc b.bz2 | wc -c
bzip2recover n.bz2 2>&1 | tail -2
bzip2 -d b.bz2
echo $?
