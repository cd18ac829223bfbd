# xz (telcc)
# P: what was built
export LD_LIBRARY_PATH=$P/src/liblzma/.libs
x=$P/src/xz/.libs/xz
seq 400 >n
$x -k -T2 n
md5sum n.xz
$x -dc n.xz | cmp - n && echo same
$x -l n.xz | tail -1
head -c 99 n.xz | $x -dc | wc -c
$x -t n
echo $?
$x --format=lzma -0c n | $x -dc | md5sum
