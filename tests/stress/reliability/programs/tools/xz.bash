# xz
# needs: xz
seq 200000 >n
xz -k -T2 --block-size=200k n
sha256sum n.xz
xz -l n.xz | tail -1
xz -dc -T2 n.xz | cmp - n
xz --format=lzma -c n | wc -c
head -c 700 n.xz | xz -dc | wc -c
xz -0c n | xz -t
echo $?
