# lz4
# needs: lz4
seq 100000 >n
lz4 -q9 n n.lz4
sha256sum n.lz4
lz4 -dcq n.lz4 | cmp - n
lz4 -tq n.lz4
head -c 99 n.lz4 | lz4 -dcq | wc -c
echo $?
