# zstd
# needs: zstd
seq 300000 >n
zstd -q -T2 -3 n
sha256sum n.zst
zstd -dc n.zst | cmp - n
zstd -q --train part* 2>/dev/null
zstd -lq n.zst | tail -1
zstd -b1 -e2 -i0 n 2>/dev/null >/dev/null
head -c 900 n.zst | zstd -dcq | wc -c
zstd -qd missing.zst
echo $?
