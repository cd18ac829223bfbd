# bzip2 (telcc)
# P: what was built
seq 300 >n
$P/bzip2 -k n
md5sum n.bz2
$P/bzip2 -dc n.bz2 | cmp - n && echo same
$P/bzip2 -t n.bz2
echo $?
head -c 99 n.bz2 | $P/bzip2 -dc | wc -c
$P/bzip2recover n.bz2 2>&1 | tail -1
$P/bzip2 -dc <$P/sample3.bz2 | md5sum
